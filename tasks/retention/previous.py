"""What the previous artifact knows, so that one changed table does not make every rebuild be tried again.

A trial is known by the identity of the tables in it (names, files with sizes and marks, Delta versions, columns) and by
the settings of recipes; a file's digest by its path, size and mark. Bytes that changed under the same mark are noticed
when a plan is made, which digests them.

Trials take long where tables are large. Those that are done are kept beside the artifact, below `checkpoints/`, while
others are made: a run that was killed, or cut short by `retention.trial_budget_s`, is gone on with by the next one.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from lakebed.connectors.errors import LakeError
from lakebed.connectors.lake.change import mark
from lakebed.connectors.storage import Storage, join_uri
from lakebed.tasks.encoding import ENCODING_ID
from lakebed.tasks.retention.contract import KNOWN
from lakebed.tasks.retention.plan import ROWS_FOLDER
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.model import RECIPE_VERSION, Outcome
from lakebed.tasks.retention.recipes.pairs import PairRefs, needs_stream
from lakebed.tasks.runtime.garbage import CHECKPOINTS
from lakebed.tasks.runtime.hash_key import key_id
from lakebed.tasks.runtime.keys import canonical_json, sha256_of_parts
from lakebed.tasks.runtime.previous import previous_artifact
from lakebed.tasks.runtime.stage import Stage

PairMaker = Callable[[Sequence[PairRefs]], Sequence[Outcome | None]]
TRIAL, FILE = "trial", "file"
_TRIALS = "trials.json"
_SAVE_EVERY_S = 5.0


@dataclass
class Known:
    """Values by identity: of the previous artifact (`old`), and what this run used or found (`new`).

    Attributes:
        context: of the recipes; its folder gets the row numbers of those reused.
        marks: of each file of the lake, by path.
        old_folders: where what is known has its row numbers.
        kept: folder of the trials that this run has made so far; empty: they are not kept before it is done.
        made: identities of the trials that were not known.
    """

    context: RecipeContext
    marks: Mapping[str, str]
    old_folders: tuple[str, ...] = ()
    old: dict[tuple[str, str], str] = field(default_factory=dict)
    new: dict[tuple[str, str], str] = field(default_factory=dict)
    kept: str = ""
    made: set[str] = field(default_factory=set)
    _save_at: float = field(default_factory=lambda: time.monotonic() + _SAVE_EVERY_S)

    def reusing(self, make: PairMaker) -> PairMaker:
        """The same maker, asked only for what is not known."""

        def reuse(pairs: Sequence[PairRefs]) -> Sequence[Outcome | None]:
            known = [self._reused(pair) for pair in pairs]
            unknown = [pair for pair, outcome in zip(pairs, known, strict=True) if outcome is None]
            self.made.update(self._identity(pair) for pair in unknown)
            fresh = iter(make(unknown) if unknown else ())
            outcomes = [next(fresh) if outcome is None else outcome for outcome in known]
            for pair, outcome in zip(pairs, outcomes, strict=True):
                if outcome is not None:
                    self.new[TRIAL, self._identity(pair)] = outcome.model_dump_json()
            return outcomes

        return reuse

    def changes(self) -> dict[str, int]:
        """Counts for the run's record; none where nothing was known."""
        if not self.old:
            return {}
        trials = {identity for kind, identity in self.new if kind == TRIAL}
        return {"trials_reused": len(trials - self.made), "trials_made": len(trials & self.made)}

    def note(self, pair: PairRefs, outcome: Outcome) -> None:
        """Takes in one trial while others are made; every few seconds all of them are saved."""
        self.new[TRIAL, self._identity(pair)] = outcome.model_dump_json()
        if time.monotonic() >= self._save_at:
            self.save()

    def save(self) -> None:
        """Keeps the trials so far, with the row numbers of their recipes, for the next run.

        Raises:
            ArtifactError: if they cannot be written.
        """
        if not self.kept:
            return
        started, storage = time.monotonic(), Storage.at(self.kept)
        trials = {identity: value for (kind, identity), value in self.new.items() if kind == TRIAL}
        for value in trials.values():
            recipe = Outcome.model_validate_json(value).recipe
            for rows in recipe.stored if recipe else ():
                if not storage.exists(f"{ROWS_FOLDER}/{rows.path}"):
                    data = Storage.at(self.context.folder).read_bytes(rows.path)
                    storage.write_bytes_atomic(f"{ROWS_FOLDER}/{rows.path}", data)
        storage.write_bytes_atomic(_TRIALS, json.dumps(trials).encode())
        now = time.monotonic()
        self._save_at = now + max(_SAVE_EVERY_S, 20 * (now - started))

    def forget_kept(self) -> None:
        """Removes what was kept meanwhile: the artifact that has it all is whole."""
        if self.kept:
            Storage.at(self.kept).delete_folder("")

    def digest(self, path: str, size: int, make: Callable[[], str]) -> tuple[str, int]:
        """The SHA-256 of a file, and the bytes read for it."""
        identity = sha256_of_parts([path.encode(), str(size).encode(), self.marks.get(path, "").encode()])
        known = self.old.get((FILE, identity))
        value = known or make()
        self.new[FILE, identity] = value
        return value, 0 if known else size

    def table(self) -> pa.Table:
        """The KNOWN table."""
        rows = [(kind, identity, value) for (kind, identity), value in sorted(self.new.items())]
        return KNOWN.table([dict(zip(KNOWN.names, row, strict=True)) for row in rows])

    def _reused(self, pair: PairRefs) -> Outcome | None:
        value = self.old.get((TRIAL, self._identity(pair)))
        if value is None:
            return None
        outcome = Outcome.model_validate_json(value)
        try:
            for rows in outcome.recipe.stored if outcome.recipe else ():
                self._copy(rows.path)
        except LakeError:
            return None
        return outcome.model_copy(update={"bytes_read": 0})

    def _copy(self, path: str) -> None:
        new = Storage.at(self.context.folder)
        if not new.exists(path):
            folders = [Storage.at(folder) for folder in self.old_folders]
            source = next((one for one in folders if one.exists(path)), folders[-1])
            new.write_bytes_atomic(path, source.read_bytes(path))

    def _identity(self, pair: PairRefs) -> str:
        tables = [pair.child, *pair.parents]
        marks = [self.marks.get(file.path, "") for table in tables for file in table.files]
        columns = [dict(one) for one in pair.columns] if pair.columns else None
        settings = [self.context.config.model_dump(mode="json"), ENCODING_ID, RECIPE_VERSION, columns]
        # since they are read batch by batch, more is found for them; what may not fit its files is refused since
        settings += ["streamed, fits"] if needs_stream(self.context, pair) else []
        settings += ["names as in the files"] if self.context.lake.ignore_column_case else []
        parts = [canonical_json(table).encode() for table in tables]
        parts += [canonical_json(settings).encode(), canonical_json(marks).encode(), key_id(self.context.key).encode()]
        return sha256_of_parts(parts)


def load_known(stage: Stage, context: RecipeContext) -> Known:
    """What the newest artifact of this stage and version knows, and what a run that was killed or cut short has kept.

    Args:
        stage: whose artifact is about to be made.
        context: of the recipes that are made now.
    """
    columns = stage.read(stage.inputs[0], "files", ["path", "sha256", "etag", "mtime_ns"]).to_pydict()
    marks = {path: mark(*facts) for path, *facts in zip(*columns.values(), strict=True)}
    kept = join_uri(stage.store.root, CHECKPOINTS, stage.spec.name, stage.key)
    if stage.workspace.is_full:
        return Known(context, marks, kept=kept)
    old = {(TRIAL, identity): value for identity, value in _kept_trials(kept).items()}
    folders = [join_uri(kept, ROWS_FOLDER)]
    if (found := previous_artifact(stage, ["known"], of_any_config=True)) is not None:
        rows = stage.read(found.ref, "known").to_pylist()
        old = {**{(row["kind"], row["identity"]): row["value"] for row in rows}, **old}
        folders.append(f"{stage.store.folder(found.stage, found.key)}/{ROWS_FOLDER}")
    return Known(context, marks, tuple(folders), old, kept=kept)


def _kept_trials(folder: str) -> dict[str, str]:
    """The outcomes by identity; none where the file is not there, or is damaged."""
    data = Storage.at(folder).read_if_there(_TRIALS)
    try:
        found = json.loads(data or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

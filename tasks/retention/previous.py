"""What the previous artifact knows, so that one changed table does not make every rebuild be tried again.

A trial is known by the identity of the tables in it (names, files with sizes and marks, Delta versions, columns) and by
the settings of recipes; a file's digest by its path, size and mark. Bytes that changed under the same mark are noticed
when a plan is made, which digests them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from lakebed.connectors.errors import LakeError
from lakebed.connectors.lake.change import mark
from lakebed.connectors.storage import Storage
from lakebed.tasks.encoding import ENCODING_ID
from lakebed.tasks.retention.contract import KNOWN
from lakebed.tasks.retention.plan import ROWS_FOLDER
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.model import RECIPE_VERSION, Outcome
from lakebed.tasks.retention.recipes.pairs import PairRefs
from lakebed.tasks.runtime.hash_key import key_id
from lakebed.tasks.runtime.keys import canonical_json, sha256_of_parts
from lakebed.tasks.runtime.previous import previous_artifact
from lakebed.tasks.runtime.stage import Stage

PairMaker = Callable[[Sequence[PairRefs]], Sequence[Outcome]]
TRIAL, FILE = "trial", "file"


@dataclass
class Known:
    """Values by identity: of the previous artifact (`old`), and what this run used or found (`new`).

    Attributes:
        context: of the recipes; its folder gets the row numbers of those reused.
        marks: of each file of the lake, by path.
        old_folder: where the previous artifact keeps row numbers; empty where there is none.
    """

    context: RecipeContext
    marks: Mapping[str, str]
    old_folder: str = ""
    old: dict[tuple[str, str], str] = field(default_factory=dict)
    new: dict[tuple[str, str], str] = field(default_factory=dict)

    def reusing(self, make: PairMaker) -> PairMaker:
        """The same maker, asked only for what is not known."""

        def reuse(pairs: Sequence[PairRefs]) -> Sequence[Outcome]:
            known = [self._reused(pair) for pair in pairs]
            unknown = [pair for pair, outcome in zip(pairs, known, strict=True) if outcome is None]
            fresh = iter(make(unknown) if unknown else ())
            outcomes = [next(fresh) if outcome is None else outcome for outcome in known]
            for pair, outcome in zip(pairs, outcomes, strict=True):
                self.new[TRIAL, self._identity(pair)] = outcome.model_dump_json()
            return outcomes

        return reuse

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
            new.write_bytes_atomic(path, Storage.at(self.old_folder).read_bytes(path))

    def _identity(self, pair: PairRefs) -> str:
        tables = [pair.child, *pair.parents]
        marks = [self.marks.get(file.path, "") for table in tables for file in table.files]
        columns = [dict(one) for one in pair.columns] if pair.columns else None
        settings = [self.context.config.model_dump(mode="json"), ENCODING_ID, RECIPE_VERSION, columns]
        parts = [canonical_json(table).encode() for table in tables]
        parts += [canonical_json(settings).encode(), canonical_json(marks).encode(), key_id(self.context.key).encode()]
        return sha256_of_parts(parts)


def load_known(stage: Stage, context: RecipeContext, files: pa.Table) -> Known:
    """What the newest artifact of this stage and version knows, whatever config it was made under.

    Args:
        stage: whose artifact is about to be made.
        context: of the recipes that are made now.
        files: the inventory's files.
    """
    columns = files.select(["path", "sha256", "etag", "mtime_ns"]).to_pydict()
    marks = {path: mark(*facts) for path, *facts in zip(*columns.values(), strict=True)}
    found = previous_artifact(stage, ["known"], of_any_config=True)
    if found is None:
        return Known(context, marks)
    rows = stage.read(found.ref, "known").to_pylist()
    old = {(row["kind"], row["identity"]): row["value"] for row in rows}
    return Known(context, marks, f"{stage.store.folder(found.stage, found.key)}/{ROWS_FOLDER}", old)

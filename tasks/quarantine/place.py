"""One lake's quarantine: where it lies, its journal, its files; held by one verb at a time."""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from lakebed.connectors.errors import ConfigError, LakeError, LeaseError, PlanError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.hidden import is_visible
from lakebed.connectors.lake.iceberg.catalogs import Keepers, keepers_of
from lakebed.connectors.lake.listing import canonical_root
from lakebed.connectors.storage import Storage, is_object_store, join_uri
from lakebed.tasks.quarantine.config import QUARANTINE, QuarantineConfig
from lakebed.tasks.quarantine.journal import Journal
from lakebed.tasks.quarantine.kernel import EntryState, Phase, live
from lakebed.tasks.quarantine.lease import CLAIMS, LEASE, quarantine_lease
from lakebed.tasks.quarantine.mover import Mover
from lakebed.tasks.quarantine.receipt import DATA, ENTRIES, RECEIPT, Receipt, read_receipt, write_model
from lakebed.tasks.runtime.lease import Lease
from lakebed.tasks.runtime.record import new_run_id

REBUILT = "rebuilt.json"
HISTORY = "quarantine"


@dataclass
class Quarantine:
    """What `apply`, `restore` and `purge` work on.

    Attributes:
        lake: the lake's files.
        storage: the quarantine's files.
        config: its settings.
        journal: all steps so far.
        mover: moves files between the two.
        artifacts: artifact root that pointers name in their command; empty if none is known.
        receipts: those that were read or written, by their path below the quarantine's root.
        asked: what Iceberg catalogs said to this verb, by the lake's settings.
    """

    lake: Storage
    storage: Storage
    config: QuarantineConfig
    journal: Journal
    mover: Mover
    artifacts: str = ""
    receipts: dict[str, Receipt] = field(default_factory=dict)
    asked: dict[str, Keepers] = field(default_factory=dict)

    @classmethod
    def look(cls, lake_root: str, config: QuarantineConfig, artifacts: str = "") -> "Quarantine":
        """The quarantine as it is now, for verbs that only read.

        Raises:
            ConfigError: if its folder lies where inventory would list it.
            PlanError: if it cannot be read.
        """
        root = canonical_root(lake_root)
        lake = Storage.at(root, PlanError)
        storage = Storage.at(quarantine_root(root, config), PlanError)
        return cls(lake, storage, config, Journal.at(storage), Mover.between(lake, storage), artifacts)

    @classmethod
    @contextmanager
    def hold(cls, lake_root: str, config: QuarantineConfig, verb: str, artifacts: str = "") -> Iterator["Quarantine"]:
        """The same, held for a verb that changes it; an empty quarantine is taken away at the end.

        Args:
            lake_root: of the lake.
            config: of the quarantine.
            verb: that holds it, for messages.
            artifacts: artifact root on which no run may work meanwhile; empty if none is known.

        Raises:
            PlanError: if another verb, or a run on the artifact root, is at work.
        """
        root = canonical_root(lake_root)
        storage = Storage.at(quarantine_root(root, config), PlanError)
        with _artifact_lease(artifacts, verb), quarantine_lease(storage, verb):
            try:
                quarantine = cls.look(root, config, artifacts)
                yield quarantine
            except LakeError:
                # a refusal leaves nothing behind either
                with contextlib.suppress(LakeError):
                    cls.look(root, config, artifacts).tidy()
                raise
            quarantine.tidy()

    @property
    def states(self) -> Mapping[str, EntryState]:
        """Each entry's state, by its id."""
        return self.journal.states

    def live(self) -> tuple[EntryState, ...]:
        """The entries of tables that are not wholly at their place, oldest first."""
        return live(self.states)

    def receipt(self, state: EntryState) -> Receipt:
        """The receipt of an entry, read once; after a rebuild, of the rebuilt files."""
        is_rebuilt = state.phase is Phase.REBUILDING and state.is_copied
        path = f"{ENTRIES}/{state.entry}/{REBUILT if is_rebuilt else RECEIPT}"
        if path not in self.receipts:
            self.receipts[path] = read_receipt(self.storage, path)
        return self.receipts[path]

    def keepers(self, lake: LakeConfig) -> Keepers:
        """What the Iceberg catalogs of a plan's lake say, asked once a verb."""
        key = lake.model_dump_json()
        if key not in self.asked:
            self.asked[key] = keepers_of(self.lake.root, lake.iceberg)
        return self.asked[key]

    def keep(self, receipt: Receipt, name: str = RECEIPT) -> None:
        """Writes a receipt, whole or not at all."""
        path = f"{receipt.folder}/{name}"
        write_model(self.storage, path, receipt)
        self.receipts[path] = receipt

    def tidy(self) -> None:
        """Removes the receipts of ended entries, and after the last live entry the whole quarantine.

        Never a table's file: an entry with data stays, whatever the journal says of it.
        """
        kept = {state.entry for state in self.live()}
        for entry in self.storage.list_folders(ENTRIES):
            if entry in kept or self._has_data(entry):
                kept.add(entry)
            else:
                self.storage.delete_folder(f"{ENTRIES}/{entry}")
        if kept or not self.storage.exists(""):
            return
        self._archive()
        self.journal.end()
        self.storage.delete_folder(ENTRIES)
        self.storage.delete_file(LEASE)
        self._remove_root()

    def _has_data(self, entry: str) -> bool:
        folder = f"{ENTRIES}/{entry}/{DATA}"
        return self.storage.exists(folder) and bool(self.storage.list_files(folder))

    def _archive(self) -> None:
        """Keeps what happened with the artifacts."""
        if self.artifacts and self.journal.events:
            first = self.journal.events[0].at.replace(":", "").replace("-", "")[:15]
            name = f"{HISTORY}/{first}-{self.journal.events[0].entry[:8]}.jsonl"
            Storage.at(self.artifacts).write_bytes_atomic(name, self.journal.text())

    def _remove_root(self) -> None:
        """Takes the empty folder away; a file that somebody else put there stays, and so does the folder."""
        if self.storage.is_local:
            import os

            with contextlib.suppress(OSError):
                os.rmdir(self.storage.root)
        elif all(file.path.startswith(f"{CLAIMS}/") for file in self.storage.list_files()):
            self.storage.delete_folder(CLAIMS)


def quarantine_root(lake_root: str, config: QuarantineConfig) -> str:
    """Folder or prefix of a lake's quarantine. One folder may serve many lakes: each has a folder of its own in it.

    Raises:
        ConfigError: if it lies in the lake and is not hidden, or on another kind of storage.
    """
    root = canonical_root(lake_root)
    if not config.folder:
        return join_uri(root, QUARANTINE)
    name = root.rstrip("/").rsplit("/", 1)[-1]
    chosen = join_uri(canonical_root(config.folder), f"{name}-{hashlib.sha256(root.encode()).hexdigest()[:8]}")
    if _store(chosen) != _store(root):
        raise ConfigError(
            "the quarantine cannot lie on another store than the lake",
            value=f"lake {root}, quarantine {chosen}",
            expected="the same file system, or the same bucket",
            hint="set `folder` in the quarantine section of the config, or leave it empty",
        )
    if chosen.startswith(f"{root}/") and is_visible(chosen[len(root) + 1 :] + "/x"):
        raise ConfigError(
            "the quarantine would be listed as a part of the lake",
            value=chosen,
            expected="a folder outside the lake, or one of which the name begins with an underscore",
            hint="set `folder` in the quarantine section of the config, or leave it empty",
        )
    return chosen


def _store(uri: str) -> str:
    """What cannot be crossed by a move: the local machine, or an object store's bucket."""
    return "/".join(uri.split("/")[:3]) if is_object_store(uri) else ""


@contextmanager
def _artifact_lease(artifacts: str, verb: str) -> Iterator[None]:
    """Keeps runs off the artifact root meanwhile: they would list a lake that is changing."""
    if not artifacts:
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(Lease(artifacts, f"{verb}-{new_run_id()}"))
        except LeaseError as error:
            raise _busy(error) from error
        yield


def _busy(error: LakeError) -> PlanError:
    return PlanError(
        f"{error.what}; nothing was done", value=error.value, expected=error.expected, hint="wait until it ends"
    )

"""What an inventory keeps for the next run, and what that run reuses of it.

A table all of whose files are as they were keeps its rows: nothing of it is opened.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import LakeError
from lakebed.connectors.lake.change import stamp
from lakebed.connectors.lake.databases import EXTERNAL_FORMATS
from lakebed.connectors.lake.listing import Listing, table_of_log
from lakebed.connectors.lake.model import TableSource
from lakebed.connectors.linking import link_file
from lakebed.connectors.storage import Storage
from lakebed.tasks.inventory.contract import CONTRACTS
from lakebed.tasks.inventory.gaps import Gap, TableGaps
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore, Manifest
from lakebed.tasks.runtime.keys import canonical_json
from lakebed.tasks.runtime.previous import FOLDER, count_changes, previous_artifact, read_kept, write_kept
from lakebed.tasks.runtime.stage import Stage

STATE = f"{FOLDER}/tables.parquet"
TABLES = ("tables", "columns", "files", "file_bounds", "partition_values")

_BETWEEN = "\0"
_GAP = pa.struct([("token", pa.string()), ("n_bytes", pa.int64()), ("is_chosen", pa.bool_())])
_SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("state", pa.string()),
        ("is_arrow", pa.bool_()),
        ("n_bytes", pa.int64()),
        ("gaps", pa.list_(_GAP)),
        ("notes", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True)
class KnownTable:
    """A table as the run that read it found it.

    Attributes:
        state: digest of what was listed of it.
        gaps: what metadata did not say of it; None of a table that Arrow does not read.
        chosen: tokens of the gaps that were closed.
        notes: how its text was read, where that is not plain.
    """

    name: str
    state: str
    gaps: TableGaps | None = None
    chosen: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


@dataclass
class Reuse:
    """The tables whose rows are reused of the previous inventory, by name.

    Attributes:
        states: of every table of the lake now.
        previous: every table of the previous inventory.
        tables: the reused ones.
    """

    states: Mapping[str, str]
    store: ArtifactStore
    manifest: Manifest | None = None
    previous: Mapping[str, KnownTable] = field(default_factory=dict)
    tables: dict[str, KnownTable] = field(default_factory=dict)

    @classmethod
    def of(cls, stage: Stage, states: Mapping[str, str]) -> "Reuse":
        """Compares the lake with the one of the previous inventory."""
        manifest = previous_artifact(stage, [STATE])
        previous = load_state(stage.store.storage, manifest) if manifest else {}
        tables = {name: known for name, known in previous.items() if states.get(name) == known.state}
        return cls(states, stage.store, manifest, previous, tables)

    @property
    def gaps(self) -> list[TableGaps]:
        """Of the reused tables."""
        return [known.gaps for known in self.tables.values() if known.gaps is not None]

    def reopen(self, chosen: Mapping[str, Sequence[Gap]]) -> list[str]:
        """Lets go of the tables of which other gaps are to be closed now than then, and names them.

        What is read of a table for its bounds depends on the whole lake.
        """
        names = [name for name, known in self.tables.items() if known.chosen != tokens_of(chosen.get(name, ()))]
        for name in names:
            del self.tables[name]
        return names

    def move_copies(self, folder: str, copies: Mapping[tuple[str, str], str]) -> None:
        """Gives the staged copies of files of reused tables their names in a new artifact.

        Args:
            folder: of the new artifact, below the artifact root.
            copies: path of the copy below it, by the table's name and the path of the file.
        """
        if self.manifest is None:
            return
        files = self.store.read(self.manifest.ref, "files", ["table_id", "path", "staged_path"])
        names = self.store.read(self.manifest.ref, "tables", ["table_id", "name"])
        old = dict(zip(_file_keys(files, names).to_pylist(), files["staged_path"].to_pylist(), strict=True))
        base = f"{self.manifest.stage}/{self.manifest.key}"
        for key, copy in copies.items():
            link_file(self.store.storage, f"{base}/{old[_BETWEEN.join(key)]}", f"{folder}/{copy}")

    def link_copies(self, folder: str, sources: Iterable[TableSource]) -> list[str]:
        """Links the staged copies of reused tables of databases, which have the same names everywhere; names them.

        Args:
            folder: of the new artifact, below the artifact root.
            sources: every table of the lake.
        """
        names = [source.name for source in sources if source.format in EXTERNAL_FORMATS and source.name in self.tables]
        if self.manifest is None or not names:
            return []
        ref = self.manifest.ref
        tables = self.store.read(ref, "tables", ["table_id", "name"])
        numbers = tables.filter(pc.is_in(tables["name"], value_set=pa.array(names)))["table_id"].combine_chunks()
        files = self.store.read(ref, "files", ["table_id", "staged_path"])
        own = files.filter(pc.is_in(files["table_id"], value_set=numbers))
        paths: list[str] = own["staged_path"].to_pylist()
        for path in paths:
            link_file(self.store.storage, f"{self.manifest.stage}/{self.manifest.key}/{path}", f"{folder}/{path}")
        return paths

    def changes(self, opened: Iterable[str]) -> dict[str, int]:
        """Counts for the run's record, of the tables that can be read; none where there is no previous inventory."""
        if self.manifest is None:
            return {}
        known = [self.previous.get(name) for name in opened]
        states = {table.state for table in known if table is not None}
        others = {
            "tables_changed": len(states - set(self.states.values())),
            "tables_new": sum(table is None for table in known),
        }
        return count_changes(len(self.tables), self.previous, self.states, **others)

    def merged(self, made: Mapping[str, pa.Table], staged: Mapping[tuple[str, str], str]) -> dict[str, pa.Table]:
        """The rows that were made now, and the reused ones, under one numbering by name.

        Args:
            made: tables of the inventory, of the tables that were opened.
            staged: where the copies of reused tables' files lie now, by the table's name and the path of the file.
        """
        if self.manifest is None or not self.tables:
            return dict(made)
        ref = self.manifest.ref
        old = {name: self.store.read(ref, name) for name in TABLES}
        old_names = old["tables"]["name"].to_pylist()
        names = sorted([*made["tables"]["name"].to_pylist(), *self.tables])
        place = {name: number for number, name in enumerate(names)}
        new_ids = _ids(made["tables"], place)
        kept = {name: place[name] for name in old_names if name in self.tables}
        old_ids = _ids(old["tables"], kept)
        old["files"] = _restaged(old["files"], old["tables"], staged)
        parts = {name: [_renumbered(made[name], new_ids), _renumbered(old[name], old_ids)] for name in TABLES}
        return {**made, **{name: _joined(name, both) for name, both in parts.items()}}


def tokens_of(gaps: Iterable[Gap]) -> frozenset[str]:
    """The columns of gaps."""
    return frozenset(gap.token for gap in gaps)


def table_states(listing: Listing, sources: Iterable[TableSource]) -> dict[str, str]:
    """A digest of what is listed of each table, by name: what it is taken for, its files, its log. O(files)."""
    logs: dict[str, list[list[str | int]]] = {}
    for entry in listing.logs:
        logs.setdefault(table_of_log(entry.path), []).append(stamp(entry))
    return {
        source.name: _digest(
            [
                source.format,
                source.path,
                list(source.partition_columns),
                [stamp(entry) for entry in source.files],
                logs.get(source.path, []) if source.format == "delta" else [],
                *([source.metadata] if source.metadata else []),
            ]
        )
        for source in sources
    }


def save_state(storage: Storage, path: str, tables: Iterable[KnownTable]) -> None:
    """Writes what the next run may reuse."""
    rows = [
        {
            "name": table.name,
            "state": table.state,
            "is_arrow": table.gaps is not None,
            "n_bytes": table.gaps.n_bytes if table.gaps else 0,
            "gaps": [
                {"token": gap.token, "n_bytes": gap.n_bytes, "is_chosen": gap.token in table.chosen}
                for gap in (table.gaps.gaps if table.gaps else ())
            ],
            "notes": list(table.notes),
        }
        for table in tables
    ]
    write_kept(storage, path, pa.Table.from_pylist(rows, schema=_SCHEMA))


def load_state(storage: Storage, manifest: Manifest) -> dict[str, KnownTable]:
    """Reads what `save_state` wrote, by name of the table.

    Raises:
        ArtifactError: if it is not there, or is damaged.
    """
    rows = read_kept(storage, f"{manifest.stage}/{manifest.key}/{STATE}").to_pylist()
    return {row["name"]: _known(row) for row in rows}


def reading_notes(store: ArtifactStore, inventory: ArtifactRef) -> dict[str, tuple[str, ...]]:
    """How the text of tables was read, by their names, where it is not plain; nothing where that was not kept."""
    try:
        known = load_state(store.storage, store.manifest(inventory))
    except (LakeError, OSError):
        return {}
    return {name: table.notes for name, table in known.items() if table.notes}


def _known(row: dict[str, object]) -> KnownTable:
    gaps: list[dict[str, object]] = row["gaps"]  # type: ignore[assignment]
    found = tuple(Gap(gap["n_bytes"], gap["token"]) for gap in gaps)  # type: ignore[arg-type]
    name, state, n_bytes = str(row["name"]), str(row["state"]), int(row["n_bytes"])  # type: ignore[call-overload]
    chosen = frozenset(str(gap["token"]) for gap in gaps if gap["is_chosen"])
    # states of older runs have none
    notes: list[str] = row.get("notes") or []  # type: ignore[assignment]
    return KnownTable(name, state, TableGaps(name, n_bytes, found) if row["is_arrow"] else None, chosen, tuple(notes))


def _digest(value: object) -> str:
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogateescape")).hexdigest()


def _ids(tables: pa.Table, place: Mapping[str, int]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    """The new number of each table by its old one; -1 of those that are left behind."""
    ids = np.full(tables.num_rows, -1, np.int32)
    for number, name in zip(tables["table_id"].to_pylist(), tables["name"].to_pylist(), strict=True):
        ids[number] = place.get(name, -1)
    return ids


def _renumbered(rows: pa.Table, ids: np.ndarray[tuple[int], np.dtype[np.int32]]) -> pa.Table:
    if not rows.num_rows:
        return rows
    numbers = ids[rows["table_id"].to_numpy()]
    place = rows.column_names.index("table_id")
    rows = rows.set_column(place, rows.schema.field("table_id"), pa.array(numbers, pa.int32()))
    return rows.filter(pa.array(numbers >= 0))


def _joined(name: str, parts: Sequence[pa.Table]) -> pa.Table:
    """In the order of a full run: by table, then as they were."""
    schema = CONTRACTS[name].arrow_schema()
    rows = pa.concat_tables([part.select(schema.names).cast(schema) for part in parts]).combine_chunks()
    return rows.take(pa.array(np.argsort(rows["table_id"].to_numpy(), kind="stable")))


def _restaged(files: pa.Table, tables: pa.Table, staged: Mapping[tuple[str, str], str]) -> pa.Table:
    """The files with the copies that were moved where they lie now; those of databases are called as they were."""
    if not staged:
        return files
    found = pc.index_in(_file_keys(files, tables), pa.array([_BETWEEN.join(key) for key in staged], pa.string()))
    moved = pa.array(list(staged.values()), pa.string()).take(found)
    place = files.column_names.index("staged_path")
    return files.set_column(place, files.schema.field("staged_path"), pc.coalesce(moved, files["staged_path"]))


def _file_keys(files: pa.Table, tables: pa.Table) -> pa.ChunkedArray:
    """The name of each file's table and its path, as one text: tables of one file have the same path."""
    found = pc.index_in(files["table_id"], tables["table_id"].combine_chunks())
    return pc.binary_join_element_wise(tables["name"].take(found), files["path"], _BETWEEN)

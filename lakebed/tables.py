"""Every table of a lake: those that were read, those that could not be, those that were set aside."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow.compute as pc

from lakebed.artifacts import newest_refs, newest_run
from lakebed.config import LakebedConfig
from lakebed.connectors.errors import LakeError
from lakebed.results import Result
from lakebed.tasks.inventory.previous import reading_notes
from lakebed.tasks.retention.keeper import zone_glob
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.record import RunRecord

INVENTORY = "inventory"


@dataclass(frozen=True)
class TableRow:
    """A table of the lake.

    Attributes:
        n_rows: None where they were not counted, as `n_bytes` and `n_columns`.
        zone: glob of `retention.zones` that the table is in; empty for none.
        state: `readable`, `unreadable`, or where it is in quarantine.
        reason: why it is unreadable; empty otherwise.
        hint: what to do about it.
        notes: how its text was read where that is not plain: quotes, lines left out, encodings; empty otherwise.
    """

    name: str
    format: str
    n_rows: int | None
    n_bytes: int | None
    n_columns: int | None
    state: str
    reason: str = ""
    hint: str = ""
    zone: str = ""
    notes: str = ""


class LakeTables(Result[TableRow]):
    """All tables by name, as the newest run found them and as the quarantine is now.

    Args:
        run_id: of that run.
        rows: the tables, in any order.
        other_files: files of other kinds, which were not looked at, and their bytes; None where an older run did not
            count them.
    """

    def __init__(
        self, run_id: str, rows: Iterable[TableRow], other_files: tuple[int | None, int | None] = (None, None)
    ) -> None:
        self.run_id = run_id
        self.n_other_files, self.other_bytes = other_files
        super().__init__(TableRow, sorted(rows, key=lambda row: row.name), "tables")

    def of_state(self, state: str) -> "LakeTables":
        """The tables of one state."""
        kept = (row for row in self if row.state == state)
        return LakeTables(self.run_id, kept, (self.n_other_files, self.other_bytes))

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        others = {"n_other_files": self.n_other_files, "other_bytes": self.other_bytes}
        return {"run_id": self.run_id, "tables": [vars(row) for row in self], **others}


def lake_tables(settings: LakebedConfig) -> LakeTables:
    """The tables that the newest run on an artifact root found, and those in its lake's quarantine.

    Raises:
        ArtifactError: if no run has made an inventory.
    """
    record = newest_run(settings.artifacts, INVENTORY)
    store, refs = newest_refs(settings.artifacts, INVENTORY, record)
    ref = refs[INVENTORY]
    found = store.read(ref, "tables", ["name", "format", "n_rows", "n_bytes", "n_columns"]).to_pylist()
    aside = _set_aside(settings)
    names = {row.name for row in aside}
    notes = reading_notes(store, ref)
    rows = [
        TableRow(**row, state="readable", notes="; ".join(notes.get(row["name"], ())))
        for row in found
        if row["name"] not in names
    ]
    summary = store.manifest(ref).summary
    zones = settings.retention.zones or tuple(record.config.get("retention", {}).get("zones", ()))
    every = [
        replace(row, zone=zone_glob(row.name, zones))
        for row in (*rows, *unreadable_tables(settings.artifacts, record), *aside)
    ]
    return LakeTables(record.run_id, every, (summary.get("other_files"), summary.get("other_bytes")))


def table_bytes(store: ArtifactStore, refs: Mapping[str, ArtifactRef]) -> int:
    """Bytes of all tables that were read: what shares are of."""
    return int(pc.sum(store.read(refs[INVENTORY], "tables", ["n_bytes"])["n_bytes"]).as_py() or 0)


def unreadable_tables(root: str, record: RunRecord) -> Sequence[TableRow]:
    """What a run could not read, by name; nothing where it has no inventory."""
    if all(stage.stage != INVENTORY for stage in record.stages):
        return ()
    store, refs = newest_refs(root, INVENTORY, record)
    rows = store.read(refs[INVENTORY], "unreadable").to_pylist()
    return [TableRow(**row, **_UNKNOWN, state="unreadable") for row in rows]


_UNKNOWN: dict[str, Any] = {"n_rows": None, "n_bytes": None, "n_columns": None}


def _set_aside(settings: LakebedConfig) -> list[TableRow]:
    """The tables in quarantine; none where it cannot be looked at."""
    from lakebed.tasks.quarantine.place import Quarantine

    rows = []
    try:
        quarantine = Quarantine.look(settings.lake.root, settings.quarantine)
        for state in quarantine.live():
            table = quarantine.receipt(state).table
            n_columns = len((table.recipe or {}).get("child", {}).get("leaves", ())) or None
            facts = (table.name, table.identity.format, table.n_rows, table.n_bytes, n_columns)
            rows.append(TableRow(*facts, str(state.phase)))
    except LakeError:
        return []
    return rows

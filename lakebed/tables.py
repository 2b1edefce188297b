"""Every table of a lake: those that were read, those that could not be, those that were set aside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lakebed.artifacts import newest_run
from lakebed.config import LakebedConfig
from lakebed.connectors.errors import LakeError
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.record import RunRecord

INVENTORY = "inventory"


@dataclass(frozen=True)
class TableRow:
    """A table of the lake.

    Attributes:
        n_rows: None where they were not counted, as `n_bytes` and `n_columns`.
        state: `readable`, `unreadable`, or where it is in quarantine.
        reason: why it is unreadable; empty otherwise.
        hint: what to do about it.
    """

    name: str
    format: str
    n_rows: int | None
    n_bytes: int | None
    n_columns: int | None
    state: str
    reason: str = ""
    hint: str = ""


@dataclass(frozen=True)
class LakeTables:
    """All tables by name, as the newest run found them and as the quarantine is now.

    Attributes:
        n_other_files: files of other kinds, which were not looked at; None where an older run did not count them.
        other_bytes: theirs.
    """

    run_id: str
    tables: tuple[TableRow, ...]
    n_other_files: int | None
    other_bytes: int | None

    def of_state(self, state: str) -> tuple[TableRow, ...]:
        """The tables of one state."""
        return tuple(row for row in self.tables if row.state == state)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {**vars(self), "tables": [vars(row) for row in self.tables]}


def lake_tables(settings: LakebedConfig) -> LakeTables:
    """The tables that the newest run on an artifact root found, and those in its lake's quarantine.

    Raises:
        ArtifactError: if no run has made an inventory.
    """
    record = newest_run(settings.artifacts, INVENTORY)
    store, ref = _inventory(settings.artifacts, record)
    found = store.read(ref, "tables", ["name", "format", "n_rows", "n_bytes", "n_columns"]).to_pylist()
    aside = _set_aside(settings)
    names = {row.name for row in aside}
    rows = [TableRow(**row, state="readable") for row in found if row["name"] not in names]
    summary = store.manifest(ref).summary
    return LakeTables(
        record.run_id,
        tuple(sorted([*rows, *unreadable_tables(settings.artifacts, record), *aside], key=lambda row: row.name)),
        summary.get("other_files"),
        summary.get("other_bytes"),
    )


def unreadable_tables(root: str, record: RunRecord) -> Sequence[TableRow]:
    """What a run could not read, by name; nothing where it has no inventory."""
    if all(stage.stage != INVENTORY for stage in record.stages):
        return ()
    store, ref = _inventory(root, record)
    return [TableRow(**row, **_UNKNOWN, state="unreadable") for row in store.read(ref, "unreadable").to_pylist()]


_UNKNOWN: dict[str, Any] = {"n_rows": None, "n_bytes": None, "n_columns": None}


def _inventory(root: str, record: RunRecord) -> tuple[ArtifactStore, ArtifactRef]:
    entry = next(stage for stage in record.stages if stage.stage == INVENTORY)
    return ArtifactStore(root), ArtifactRef(stage=INVENTORY, key=entry.key, digest=entry.digest)


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

"""Every table of a lake: those that were read, those that could not be, those that were set aside."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow.compute as pc

from lakebed.artifacts import newest_refs, newest_run
from lakebed.config import LakebedConfig
from lakebed.connectors.errors import LakeError
from lakebed.connectors.lake.iceberg.model import READING
from lakebed.results import Result
from lakebed.tasks.inventory.previous import reading_notes
from lakebed.tasks.retention.keeper import zone_glob
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.record import RunRecord
from lakebed.topics import table_topics

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
        renderings: how the typed columns of its text are written, where a type has more than one way to be.
        topic: name of its topic; empty where the run has not looked for topics.
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
    renderings: str = ""
    topic: str = ""


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
    aside, unreadable = _set_aside(settings), unreadable_tables(settings.artifacts, record)
    names = {row.name for row in (*aside, *unreadable)}
    notes, renderings = reading_notes(store, ref), _renderings(store, ref)
    rows = [
        TableRow(
            **row,
            state="readable",
            notes="; ".join(notes.get(row["name"], ())),
            renderings=", ".join(renderings.get(row["name"], ())),
        )
        for row in found
        if row["name"] not in names
    ]
    summary = store.manifest(ref).summary
    zones = settings.retention.zones or tuple(record.config.get("retention", {}).get("zones", ()))
    topics = {name: one.name for name, one in table_topics(store, refs).items()}
    every = [
        replace(row, zone=zone_glob(row.name, zones), topic=topics.get(row.name, ""))
        for row in (*rows, *unreadable, *aside)
    ]
    return LakeTables(record.run_id, every, (summary.get("other_files"), summary.get("other_bytes")))


def table_bytes(store: ArtifactStore, refs: Mapping[str, ArtifactRef]) -> int:
    """Bytes of all tables that were read: what shares are of."""
    return int(pc.sum(store.read(refs[INVENTORY], "tables", ["n_bytes"])["n_bytes"]).as_py() or 0)


def unreadable_tables(root: str, record: RunRecord) -> Sequence[TableRow]:
    """What a run could not read, by name: tables that were never opened, then those that failed in a later stage.

    What the inventory has described may still be out of a later stage's reach, as where only Spark can read it and
    Hadoop's connector is missing: its pairs are left out. Nothing where the run has no inventory.
    """
    if all(stage.stage != INVENTORY for stage in record.stages):
        return ()
    store, refs = newest_refs(root, INVENTORY, record)
    rows = store.read(refs[INVENTORY], "unreadable").to_pylist()
    lost = {
        row["name"]: row["reason"]
        for stage in _READERS
        if stage in refs
        for row in store.read(refs[stage], "unstable").to_pylist()
    }
    formats = store.read(refs[INVENTORY], "tables", ["name", "format"]).to_pylist() if lost else ()
    rows += [{**row, "reason": lost[row["name"]], "hint": _AGAIN} for row in formats if row["name"] in lost]
    return [TableRow(**row, **_UNKNOWN, state="unreadable") for row in rows]


# the stages that read tables' rows, and name those that they left out
_READERS = ("containment", "relations")
_AGAIN = "its pairs are left out; see `lakebed doctor`, then run again"
_UNKNOWN: dict[str, Any] = {"n_rows": None, "n_bytes": None, "n_columns": None}


def _renderings(store: ArtifactStore, inventory: ArtifactRef) -> dict[str, list[str]]:
    """`column rendering` of the text tables, by their names; of several files each rendering once."""
    from lakebed.tasks.containment.text_columns import dotted

    files = store.read(inventory, "files", ["table_id", "casts"])
    files = files.filter(pc.match_substring(files["casts"], ":"))
    tables = store.read(inventory, "tables", ["table_id", "name"])
    names = dict(zip(tables["table_id"].to_pylist(), tables["name"].to_pylist(), strict=True))
    found: dict[str, dict[str, None]] = {}
    for table, casts in zip(files["table_id"].to_pylist(), files["casts"].to_pylist(), strict=True):
        for token, rule in json.loads(casts).items():
            if ":" in rule and token != READING:
                found.setdefault(names[table], {})[f"{dotted(token)} {rule}"] = None
    return {name: list(told) for name, told in found.items()}


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

"""What of an earlier scan still holds, table by table.

A table whose files are all as they were answers from its stored row hashes; of one that has only gained files, the new
files are read. Whatever else changed is read as a whole: rows that are gone cannot be taken out of a table's hashes,
since these do not tell which file they come from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.read import reads_whole
from lakebed.tasks.containment.former import FormerScan, FormerTable, Sample
from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64
from lakebed.tasks.containment.reading import TableReading, table_readings
from lakebed.tasks.containment.scan import ScanPlan, ScanRows
from lakebed.tasks.containment.statistics import LakeStatistics
from lakebed.tasks.inventory.splits import InventoryTables


@dataclass(frozen=True)
class Reuse:
    """What is taken from an earlier scan.

    Attributes:
        taken: what was known of each table that answers from it, by its table_id now.
        grown: the files to read besides, of tables that have gained some.
    """

    former: FormerScan
    taken: Mapping[int, FormerTable]
    grown: Mapping[int, frozenset[str]] = field(default_factory=dict)

    @cached_property
    def unchanged(self) -> dict[int, int]:
        """The table_id now of each table that is as it was, by the id it had."""
        return {known.table_id: table for table, known in self.taken.items() if table not in self.grown}

    def files_to_read(self, files: pa.Table, table_ids: Sequence[int]) -> pa.Table:
        """The rows of the inventory's `files` that have to be read for the given tables."""
        wanted = pa.array([table for table in table_ids if table not in self.taken], pa.int32())
        is_read = pc.is_in(files["table_id"], value_set=wanted)
        if self.grown:
            gained = pa.array(sorted(path for paths in self.grown.values() for path in paths), pa.string())
            is_grown = pc.is_in(files["table_id"], value_set=pa.array(sorted(self.grown), pa.int32()))
            is_read = pc.or_(is_read, pc.and_(is_grown, pc.is_in(files["path"], value_set=gained)))
        return files.filter(is_read)

    def hashes_to_take(self, plan: ScanPlan) -> dict[tuple[int, int], int]:
        """(projection, former table_id) → table_id, of the row hashes that this scan would write too."""
        return {
            (plan.projections[number][0], known.table_id): table
            for table, known in self.taken.items()
            for number in plan.tables[table].projections
        }

    def known_pairs(self, projection: Int64, child: Int32, parent: Int32) -> Int64:
        """The place of each pair among those that were compared before, -1 of those to compare now; shapes (k,)."""
        now, pairs = self.unchanged, self.former.pairs
        columns = (pairs.projection.tolist(), pairs.child.tolist(), pairs.parent.tolist())
        places = {
            (key, now[one], now[other]): place
            for place, (key, one, other) in enumerate(zip(*columns, strict=True))
            if one in now and other in now
        }
        wanted = zip(projection.tolist(), child.tolist(), parent.tolist(), strict=True)
        return np.array([places.get(pair, -1) for pair in wanted], np.int64)

    def changes(self, plan: ScanPlan, lake: LakeStatistics) -> dict[str, int]:
        """Counts for the run's record."""
        gone = set(self.former.tables) - set(lake.names)
        return {
            "tables_taken": len(self.unchanged),
            "tables_appended": len(self.grown),
            "tables_read": len(plan.tables) - len(self.taken),
            "tables_dropped": len(gone),
        }


def plan_reuse(former: FormerScan, inventory: InventoryTables, lake: LakeStatistics, plan: ScanPlan) -> Reuse:
    """Which of the planned tables answer from an earlier scan. O(files of these tables)."""
    readings = table_readings(inventory, sorted(plan.tables))
    is_spark = pc.equal(inventory.tables["read_via"], "spark")
    by_spark = set(inventory.tables.filter(is_spark)["table_id"].to_pylist())
    taken: dict[int, FormerTable] = {}
    grown: dict[int, frozenset[str]] = {}
    for table, reading in readings.items():
        known = former.tables.get(lake.names[table])
        if known is None or not _holds(known, reading, plan, table):
            continue
        gained = reading.files.keys() - known.reading.files.keys()
        if gained and table in by_spark:
            continue
        taken[table] = known
        if gained:
            grown[table] = frozenset(gained)
    return Reuse(former, taken, grown)


def _holds(known: FormerTable, reading: TableReading, plan: ScanPlan, table: int) -> bool:
    """Whether all that was stored of a table is still true of it, and is enough for what is wanted now."""
    scan = plan.tables[table]
    return (
        known.reading.how == reading.how
        and known.reading.files.items() <= reading.files.items()
        and {plan.projections[number][0] for number in scan.projections} <= known.projections
        and known.row_level <= scan.row_level
        and known.value_level <= scan.value_level
    )


def taken_samples(reuse: Reuse, plan: ScanPlan) -> ScanRows:
    """The samples that the scan need not draw again, as the scan would give them."""
    table_of = {known.table_id: table for table, known in reuse.taken.items()}
    numbers = {projection[0]: number for number, projection in plan.projections.items()}
    rows = ScanRows()
    for sample in reuse.former.samples:
        table = table_of.get(sample.table_id)
        if table is None:
            continue
        scan = plan.tables[table]
        if sample.token:
            if sample.token in _tokens(plan, table):
                rows.add("values", table, token=sample.token, data=_thinned(sample, 1, scan.value_level))
        elif (number := numbers.get(sample.projection)) in scan.projections:
            rows.add("rows", table, number, data=_thinned(sample, 2, scan.row_level))
    return rows


def add_digests(rows: ScanRows, reuse: Reuse, plan: ScanPlan, constants: Mapping[str, frozenset[str]]) -> None:
    """The digests of files that this scan, too, would have read as a whole.

    Where fewer columns are wanted than before, the file's footer tells whether they are still all.

    Args:
        rows: to add to.
        reuse: what is taken.
        plan: of the scan.
        constants: tokens of the partition columns, by path of the file.
    """
    for table, known in reuse.taken.items():
        wanted = _tokens(plan, table)
        for path, digest in known.digests.items():
            if wanted == known.tokens or _is_still_whole(plan, path, wanted - constants.get(path, frozenset())):
                rows.add("digest", -1, text=path, data=bytes.fromhex(digest))


def _is_still_whole(plan: ScanPlan, path: str, tokens: frozenset[str]) -> bool:
    try:
        return reads_whole(plan.lake_root, path, sorted(tokens), ignore_case=plan.ignore_case)
    except SourceError:
        return False


def _tokens(plan: ScanPlan, table: int) -> frozenset[str]:
    numbers = plan.tables[table].projections
    return frozenset(token for number in numbers for token in plan.projections[number][1])


def _thinned(sample: Sample, width: int, level: int) -> bytes:
    """The sample at a coarser level: the hashes, of `width` words each, whose first word is below the threshold."""
    words = np.frombuffer(sample.data, np.uint64).reshape(-1, width)
    return words[words[:, 0] >> np.uint64(64 - level) == 0].tobytes() if level else sample.data

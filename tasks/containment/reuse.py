"""What of the previous scan still holds, table by table, and is reused.

A table whose files are all as they were answers from its stored row hashes; of one that has only gained files, the new
files are read. Whatever else changed is read as a whole: rows that are gone cannot be taken out of a table's hashes,
since these do not tell which file they come from.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.read import reads_whole
from lakebed.tasks.containment.hash_files import HashFolders, carry_hashes
from lakebed.tasks.containment.jobs import PairList
from lakebed.tasks.containment.kernel.proof import PairCounts
from lakebed.tasks.containment.kernel.schema_graph import Int64
from lakebed.tasks.containment.previous import (
    ROW_HASHES_FOLDER,
    PreviousScan,
    PreviousTable,
    Sample,
    table_readings,
)
from lakebed.tasks.containment.scan import SCAN_SCHEMA, ScanPlan, ScanRows
from lakebed.tasks.containment.statistics import LakeStatistics
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.previous import count_changes
from lakebed.tasks.scan.splits import InventoryTables


@dataclass(frozen=True)
class Previous:
    """The previous scan, and the folder of the artifact that is being made, below the same root."""

    store: ArtifactStore
    scan: PreviousScan
    folder: str


@dataclass(frozen=True)
class Reuse:
    """What is reused of the previous scan; nothing where there is none.

    Attributes:
        inventory: with those files only that have to be read.
        rows: of SCAN_SCHEMA, as the scan would have given them.
        tables: what was known of each table that answers from it, by its table_id now.
        grown: the files to read besides, of tables that have gained some.
    """

    inventory: InventoryTables
    scan: PreviousScan | None = None
    tables: Mapping[int, PreviousTable] = field(default_factory=dict)
    grown: Mapping[int, frozenset[str]] = field(default_factory=dict)
    rows: pa.Table = field(default_factory=SCAN_SCHEMA.empty_table)

    def is_read(self, table: int) -> bool:
        """Whether any of a table has to be read."""
        return table not in self.tables or table in self.grown

    @cached_property
    def unchanged(self) -> dict[int, int]:
        """The table_id now of each table that is as it was, by the id it had."""
        return {known.table_id: table for table, known in self.tables.items() if table not in self.grown}

    def known_pairs(self, pairs: PairList) -> tuple[Int64, PairCounts]:
        """The place of each pair in the counts that follow, -1 where it must be compared; places (k,)."""
        if self.scan is None:
            return np.full(len(pairs.child), -1, np.int64), PairCounts.none()
        now, known = self.unchanged, self.scan.pairs
        columns = (known.projection.tolist(), known.child.tolist(), known.parent.tolist())
        places = {
            (key, now[one], now[other]): place
            for place, (key, one, other) in enumerate(zip(*columns, strict=True))
            if one in now and other in now
        }
        wanted = zip(pairs.projection.tolist(), pairs.child.tolist(), pairs.parent.tolist(), strict=True)
        return np.array([places.get(pair, -1) for pair in wanted], np.int64), known.counts

    def changes(self, plan: ScanPlan, lake: LakeStatistics) -> dict[str, int]:
        """Counts for the run's record; none where there is no previous scan."""
        if self.scan is None:
            return {}
        others = {"tables_appended": len(self.grown), "tables_read": len(plan.tables) - len(self.tables)}
        # a reading is none of the lake's tables
        known, now = ([name for name in names if "\0" not in name] for names in (self.scan.tables, lake.names))
        n_reused = int((~lake.is_reading[np.array(list(self.unchanged.values()), np.int64)]).sum())
        return count_changes(n_reused, known, now, **others)


def plan_reuse(previous: Previous | None, inventory: InventoryTables, lake: LakeStatistics, plan: ScanPlan) -> Reuse:
    """Which of the planned tables answer from the previous scan; takes over what holds, row hashes included.

    O(files of these tables).
    """
    if previous is None:
        return Reuse(inventory)
    tables, grown = _known_tables(previous.scan, inventory, lake, plan)
    files = inventory.files
    reused = pc.is_in(files["table_id"], value_set=pa.array(sorted(tables), pa.int32()))
    rows = _reused_samples(previous.scan, tables, plan)
    _add_digests(rows, tables, plan, _constants(files.filter(reused)))
    folders = HashFolders(previous.store.storage, previous.scan.hash_folder, f"{previous.folder}/{ROW_HASHES_FOLDER}")
    bits = (previous.scan.bucket_bits, plan.bucket_bits)
    for file in carry_hashes(folders, previous.scan.hash_files, bits, _hashes_to_carry(tables, plan)):
        rows.add("file", file.bucket, n=file.n_rows, n_bytes=file.n_bytes, text=file.path)
    left = replace(inventory, files=_files_to_read(files, reused, grown))
    return Reuse(left, previous.scan, tables, grown, pa.Table.from_batches([rows.batch()]))


def _known_tables(
    previous: PreviousScan, inventory: InventoryTables, lake: LakeStatistics, plan: ScanPlan
) -> tuple[dict[int, PreviousTable], dict[int, frozenset[str]]]:
    """The tables that answer from the previous scan, and the files that some have gained."""
    is_spark = pc.equal(inventory.tables["read_via"], "spark")
    by_spark = set(inventory.tables.filter(is_spark)["table_id"].to_pylist())
    tables: dict[int, PreviousTable] = {}
    grown: dict[int, frozenset[str]] = {}
    for table, reading in table_readings(inventory, sorted(plan.tables)).items():
        known = previous.tables.get(lake.names[table])
        if known is None or not _is_enough(known, plan, table):
            continue
        gained = reading.gained_since(known.reading)
        if gained is None or (gained and table in by_spark):
            continue
        tables[table] = known
        if gained:
            grown[table] = gained
    return tables, grown


def _is_enough(known: PreviousTable, plan: ScanPlan, table: int) -> bool:
    """Whether all projections were hashed, and the samples kept are no coarser than those wanted."""
    scan = plan.tables[table]
    return (
        {plan.projections[number][0] for number in scan.projections} <= known.projections
        and known.row_level <= scan.row_level
        and known.value_level <= scan.value_level
    )


def _files_to_read(files: pa.Table, reused: pa.ChunkedArray, grown: Mapping[int, frozenset[str]]) -> pa.Table:
    """The files of tables that are not reused, and those that reused ones have gained."""
    gained = pa.array(sorted(path for paths in grown.values() for path in paths), pa.string())
    is_grown = pc.is_in(files["table_id"], value_set=pa.array(sorted(grown), pa.int32()))
    return files.filter(pc.or_(pc.invert(reused), pc.and_(is_grown, pc.is_in(files["path"], value_set=gained))))


def _hashes_to_carry(tables: Mapping[int, PreviousTable], plan: ScanPlan) -> dict[tuple[int, int], int]:
    """(projection, previous table_id) → table_id, of the row hashes that this scan would write too."""
    return {
        (plan.projections[number][0], known.table_id): table
        for table, known in tables.items()
        for number in plan.tables[table].projections
    }


def _reused_samples(previous: PreviousScan, tables: Mapping[int, PreviousTable], plan: ScanPlan) -> ScanRows:
    """The samples that the scan need not draw again, as the scan would give them."""
    table_of = {known.table_id: table for table, known in tables.items()}
    numbers = {projection[0]: number for number, projection in plan.projections.items()}
    rows = ScanRows()
    for sample in previous.samples:
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


def _add_digests(
    rows: ScanRows, tables: Mapping[int, PreviousTable], plan: ScanPlan, constants: Mapping[str, frozenset[str]]
) -> None:
    """Adds the digests of files that this scan, too, would have read as a whole.

    Where fewer columns are wanted than before, the file's footer tells whether they are still all; `constants` are the
    tokens of the partition columns, by path of the file.
    """
    for table, known in tables.items():
        wanted = _tokens(plan, table)
        for path, digest in known.digests.items():
            if wanted == known.tokens or _is_still_whole(plan, path, wanted - constants.get(path, frozenset())):
                rows.add("digest", -1, text=path, data=bytes.fromhex(digest))


def _constants(files: pa.Table) -> Mapping[str, frozenset[str]]:
    """Tokens of the partition columns, by path of the file."""
    columns = (files[name].to_pylist() for name in ("path", "partition_values"))
    return {path: frozenset(json.loads(values)) for path, values in zip(*columns, strict=True) if values != "{}"}


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

"""The content scan and the exact comparison as works of an engine: one each, whatever the number of tables."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from typing import Any

import numpy as np
import pyarrow as pa

from lakebed.connectors.errors import SourceBusyError, SourceError
from lakebed.connectors.lake.batches import Split
from lakebed.connectors.lake.files import place_uri
from lakebed.connectors.lake.leaves import batch_leaves, schema_leaves
from lakebed.tasks.containment.hash_files import read_hash_rows
from lakebed.tasks.containment.kernel.fingerprint import Cells
from lakebed.tasks.containment.kernel.proof import PairCounts, PairSums, compare_pairs
from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64
from lakebed.tasks.containment.scan import SCAN_SCHEMA, ScanPlan, ScanRows, scan_cells, scan_splits
from lakebed.tasks.encoding.sums import unveiled, veiled
from lakebed.tasks.runtime.memory import peak_memory_bytes
from lakebed.tasks.scan.engine import Engine, Work, collect
from lakebed.tasks.scan.spark import SparkEngine, TableWork
from lakebed.tasks.scan.splits import InventoryTables, spark_only

COUNTS_SCHEMA = pa.schema(
    [
        pa.field("n_rows", pa.int64(), nullable=False),
        pa.field("peak_bytes", pa.int64(), nullable=False),
        pa.field("counts", pa.binary(), nullable=False),
        pa.field("sums", pa.binary(), nullable=False),
    ]
)


@dataclass(frozen=True)
class DeltaSource:
    """A Delta table that only Spark can read: full path, version, and the top-level columns wanted."""

    table_id: int
    uri: str
    version: int
    columns: tuple[str, ...]


@dataclass(frozen=True)
class PairList:
    """Pairs to compare, and the key of their row hashes. Shapes: projection (k,) int64 ids, child (k,), parent (k,)."""

    projection: Int64
    child: Int32
    parent: Int32
    key: bytes = field(repr=False)


@dataclass(frozen=True)
class Comparison:
    """The exact counts, and what they cost: rows of hashes read, peak memory of a worker."""

    counts: PairCounts
    n_rows: int
    peak_worker_bytes: int


def plan_sources(inventory: InventoryTables, plan: ScanPlan) -> list[DeltaSource]:
    """The planned tables that only Spark can read, with the columns that their projections cover."""
    tokens = {
        table: [token for number in scan.projections for token in plan.projections[number][1]]
        for table, scan in plan.tables.items()
    }
    return delta_sources(inventory, plan.lake_root, tokens)


def delta_sources(inventory: InventoryTables, root: str, tokens: Mapping[int, Sequence[str]]) -> list[DeltaSource]:
    """Those of the tables, given with the tokens wanted of them, that only Spark can read."""
    only_spark = spark_only(inventory)
    return [
        DeltaSource(
            table_id=row["table_id"],
            uri=place_uri(root, row["path"]),
            version=row["delta_version"],
            columns=tuple(dict.fromkeys(json.loads(token)[0] for token in tokens[row["table_id"]])),
        )
        for row in inventory.tables.to_pylist()
        if row["table_id"] in only_spark and row["table_id"] in tokens
    ]


SplitWork = Callable[[ScanPlan, Sequence[Split]], Iterator[pa.RecordBatch]]
CellWork = Callable[[ScanPlan, int, Iterator[Mapping[str, Cells]]], pa.RecordBatch]


def scan_lake(
    engine: Engine, plan: ScanPlan, tasks: Sequence[Sequence[Split]], sources: Sequence[DeltaSource]
) -> pa.Table:
    """Scans all splits and all sources; rows of SCAN_SCHEMA, bounded by the samples' budget."""
    return run_on_tables(engine, plan, tasks, sources, (scan_splits, scan_cells))


def run_on_tables(
    engine: Engine,
    plan: ScanPlan,
    tasks: Sequence[Sequence[Split]],
    sources: Sequence[DeltaSource],
    work: tuple[SplitWork, CellWork],
) -> pa.Table:
    """Runs the worker functions on all splits, and on the tables that only Spark reads, in one job each.

    Args:
        engine: that does it; the local one cannot read the sources.
        plan: sent to every worker once.
        tasks: splits of each task.
        sources: tables for Spark's own reader.
        work: what is done with the splits of a task, and with the cells of a table; both give rows of
            SCAN_SCHEMA. Functions of a module, or partials.
    """
    n_tables = len({split.table_id for task in tasks for split in task})
    on_splits = Work(partial(work[0], plan), SCAN_SCHEMA, f"Reading {n_tables:,} tables")
    found = [collect(engine, on_splits, [list(task) for task in tasks])]
    found += [_read_source(engine, plan, source, work[1]) for source in sources]
    return pa.concat_tables(found)


def _read_source(engine: Engine, plan: ScanPlan, source: DeltaSource, work: CellWork) -> pa.Table:
    """One table that cannot be read must not cost the others: its rows tell why."""
    if not isinstance(engine, SparkEngine):
        return _refused(source, "its files lie where only Spark reads them: `lakebed run --engine spark`")
    try:
        return engine.read_table(_table_work(plan, source, work))
    except SourceBusyError:
        raise
    except SourceError as error:
        return _refused(source, f"{error.what}: {error.value}" if error.value else f"{error.what}; {error.hint}")


def _refused(source: DeltaSource, reason: str) -> pa.Table:
    rows = ScanRows()
    rows.add("error", source.table_id, text=reason)
    return pa.Table.from_batches([rows.batch()])


def _table_work(plan: ScanPlan, source: DeltaSource, work: CellWork) -> TableWork:
    wanted = {token for number in plan.tables[source.table_id].projections for token in plan.projections[number][1]}
    run = partial(_on_batches, work, plan, source, wanted)
    return TableWork(source.uri, source.version, source.columns, run, SCAN_SCHEMA, ignore_case=plan.ignore_case)


def _on_batches(
    work: CellWork, plan: ScanPlan, source: DeltaSource, wanted: set[str], batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    cells = (_cells(batch, wanted, plan.ignore_case) for batch in batches)
    yield work(plan, source.table_id, cells)


def compare(
    engine: Engine, out_uri: str, files: Mapping[int, Sequence[str]], pairs: PairList, *, is_bag: bool
) -> Comparison:
    """Compares the pairs on the row-hash files, one task a bucket."""
    run = partial(_compare_task, out_uri, pairs, is_bag)
    work = Work(run, COUNTS_SCHEMA, f"Comparing {len(pairs.child):,} pairs")
    found = collect(engine, work, [list(paths) for _, paths in sorted(files.items())])
    return _comparison(found.to_pylist(), pairs.key)


def _compare_task(out_uri: str, pairs: PairList, is_bag: bool, paths: Sequence[str]) -> list[pa.RecordBatch]:
    return [compare_bucket(out_uri, paths, pairs, is_bag=is_bag)]


def compare_here(out_uri: str, files: Mapping[int, Sequence[str]], pairs: PairList, *, is_bag: bool) -> Comparison:
    """The same in this process: for few rows a job costs more than the comparison."""
    batches = [compare_bucket(out_uri, paths, pairs, is_bag=is_bag) for _, paths in sorted(files.items())]
    return _comparison([row for batch in batches for row in batch.to_pylist()], pairs.key)


def _comparison(rows: Sequence[Mapping[str, Any]], key: bytes) -> Comparison:
    """The sum over the buckets."""
    parts = [pair_sums(row["counts"], row["sums"], key) for row in rows]
    return Comparison(
        counts=reduce(PairSums.__add__, parts).digested(key),
        n_rows=sum(row["n_rows"] for row in rows),
        peak_worker_bytes=max(row["peak_bytes"] for row in rows),
    )


def compare_bucket(out_uri: str, paths: Sequence[str], pairs: PairList, *, is_bag: bool) -> pa.RecordBatch:
    """Compares the pairs on one bucket's files; one row of counts."""
    rows = read_hash_rows(out_uri, paths, np.union1d(pairs.child, pairs.parent))
    found = compare_pairs(rows, (pairs.projection, pairs.child, pairs.parent), pairs.key, is_bag=is_bag)
    row = [rows.n_rows, peak_memory_bytes(), found.numbers.tobytes(), veiled(found.sums.tobytes(), pairs.key)]
    arrays = [pa.array([value], field.type) for value, field in zip(row, COUNTS_SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=COUNTS_SCHEMA)


def pair_sums(counts: bytes, sums: bytes, key: bytes) -> PairSums:
    """What `compare_bucket` packed of its pairs: the counts, and the sums under their veil."""
    numbers = np.frombuffer(counts, np.int64).reshape(5, -1)
    return PairSums(numbers, np.frombuffer(unveiled(sums, key), np.uint64).reshape(2, numbers.shape[1], 2))


def _cells(batch: pa.RecordBatch, wanted: set[str], ignore_case: bool) -> Mapping[str, Cells]:
    leaves = [leaf for leaf in schema_leaves(batch.schema, ignore_case) if leaf.token in wanted]
    return batch_leaves(batch, leaves)

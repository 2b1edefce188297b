"""The content scan and the exact comparison as Spark jobs: one each, whatever the number of tables."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from typing import Any

import numpy as np
import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.files import place_uri
from lakebed.connectors.lake.leaves import batch_leaves, schema_leaves
from lakebed.connectors.lake.read import Split
from lakebed.connectors.spark.jobs import run_tasks, task_frame
from lakebed.connectors.spark.object_stores import read_delta
from lakebed.connectors.spark.task_counts import counted_tasks
from lakebed.tasks.containment.hash_files import read_hash_rows
from lakebed.tasks.containment.kernel.fingerprint import Cells
from lakebed.tasks.containment.kernel.proof import PairCounts, PairSums, compare_pairs
from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64
from lakebed.tasks.containment.scan import SCAN_SCHEMA, ScanPlan, ScanRows, scan_cells, scan_splits
from lakebed.tasks.encoding.sums import unveiled, veiled
from lakebed.tasks.inventory.splits import InventoryTables
from lakebed.tasks.runtime.memory import peak_memory_bytes
from lakebed.tasks.runtime.progress import shown

SCAN_DDL = (
    "kind string not null, table_id int not null, projection int not null, token string not null, "
    "n bigint not null, n_bytes bigint not null, text string not null, data binary not null"
)
# the second is what Hadoop raises while a table is only being opened
SPARK_ERRORS = (PySparkException, Py4JJavaError)
COUNTS_DDL = "n_rows bigint not null, peak_bytes bigint not null, counts binary not null, sums binary not null"


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
    return [
        DeltaSource(
            table_id=row["table_id"],
            uri=place_uri(root, row["path"]),
            version=row["delta_version"],
            columns=tuple(dict.fromkeys(json.loads(token)[0] for token in tokens[row["table_id"]])),
        )
        for row in inventory.tables.to_pylist()
        if row["read_via"] == "spark" and row["table_id"] in tokens
    ]


SplitWork = Callable[[ScanPlan, Sequence[Split]], Iterator[pa.RecordBatch]]
CellWork = Callable[[ScanPlan, int, Iterator[Mapping[str, Cells]]], pa.RecordBatch]


def scan_lake(
    session: SparkSession, plan: ScanPlan, tasks: Sequence[Sequence[Split]], sources: Sequence[DeltaSource]
) -> pa.Table:
    """Scans all splits and all sources in one job; rows of SCAN_SCHEMA, bounded by the samples' budget."""
    return run_on_tables(session, plan, tasks, sources, (scan_splits, scan_cells))


def run_on_tables(
    session: SparkSession,
    plan: ScanPlan,
    tasks: Sequence[Sequence[Split]],
    sources: Sequence[DeltaSource],
    work: tuple[SplitWork, CellWork],
) -> pa.Table:
    """Runs the worker functions on all splits, and on the tables that Spark itself must read, in one job.

    Args:
        session: to run in.
        plan: sent to every worker once.
        tasks: splits of each task.
        sources: tables for Spark's own reader.
        work: what is done with the splits of a task, and with the cells of a table; both give rows of
            SCAN_SCHEMA.
    """
    try:
        return _collect(session, plan, tasks, sources, work)
    except (SourceError, *SPARK_ERRORS):
        if not sources:
            raise
    # one table that Spark cannot read must not cost the others: each by itself shows which
    return pa.concat_tables(
        [_collect(session, plan, tasks, [], work), *(_collect_alone(session, plan, one, work) for one in sources)]
    )


def _collect(
    session: SparkSession,
    plan: ScanPlan,
    tasks: Sequence[Sequence[Split]],
    sources: Sequence[DeltaSource],
    work: tuple[SplitWork, CellWork],
) -> pa.Table:
    frames = [_split_frame(session, plan, tasks, work[0])] if tasks else []
    frames += [_source_frame(session, plan, source, work[1]) for source in sources]
    if not frames:
        return SCAN_SCHEMA.empty_table()
    n_tables = len({split.table_id for task in tasks for split in task} | {source.table_id for source in sources})
    with (
        shown().step(f"Reading {n_tables:,} tables", len(tasks) + len(sources)) as step,
        counted_tasks(session, step.advance),
    ):
        return reduce(DataFrame.union, frames).toArrow()


def _collect_alone(
    session: SparkSession, plan: ScanPlan, source: DeltaSource, work: tuple[SplitWork, CellWork]
) -> pa.Table:
    try:
        return _collect(session, plan, [], [source], work)
    except SourceError as error:
        reason = f"{error.what}; {error.hint}"
    except SPARK_ERRORS as error:
        reason = f"Spark cannot read it: {str(error).splitlines()[0][:300]}"
    rows = ScanRows()
    rows.add("error", source.table_id, text=reason)
    return pa.Table.from_batches([rows.batch()])


def compare_on_spark(
    session: SparkSession, out_uri: str, files: Mapping[int, Sequence[str]], pairs: PairList, *, is_bag: bool
) -> Comparison:
    """Compares the pairs on the row-hash files, one task a bucket, in one job."""
    buckets = sorted(files)
    shared = (out_uri, [list(files[bucket]) for bucket in buckets], pairs, is_bag)
    with shown().step(f"Comparing {len(pairs.child):,} pairs", len(buckets)) as step:
        rows = run_tasks(session, shared, len(buckets), _compare_task, COUNTS_DDL, step.advance)
    return _comparison(rows.to_pylist(), pairs.key)


def _compare_task(shared: tuple[str, Sequence[Sequence[str]], PairList, bool], number: int) -> list[pa.RecordBatch]:
    out_uri, paths, pairs, is_bag = shared
    return [compare_bucket(out_uri, paths[number], pairs, is_bag=is_bag)]


def compare_here(out_uri: str, files: Mapping[int, Sequence[str]], pairs: PairList, *, is_bag: bool) -> Comparison:
    """The same in this process: for few rows a job costs more than the comparison."""
    batches = [compare_bucket(out_uri, paths, pairs, is_bag=is_bag) for _, paths in sorted(files.items())]
    return _comparison([row for batch in batches for row in batch.to_pylist()], pairs.key)


def _comparison(rows: Sequence[Mapping[str, Any]], key: bytes) -> Comparison:
    """The sum over the buckets."""
    parts = [_unpacked(row["counts"], unveiled(row["sums"], key)) for row in rows]
    return Comparison(
        counts=reduce(PairSums.__add__, parts).digested(key),
        n_rows=sum(row["n_rows"] for row in rows),
        peak_worker_bytes=max(row["peak_bytes"] for row in rows),
    )


def compare_bucket(out_uri: str, paths: Sequence[str], pairs: PairList, *, is_bag: bool) -> pa.RecordBatch:
    """Compares the pairs on one bucket's files; one row of counts."""
    rows = read_hash_rows(out_uri, paths, np.union1d(pairs.child, pairs.parent))
    found = compare_pairs(rows, (pairs.projection, pairs.child, pairs.parent), pairs.key, is_bag=is_bag)
    return pa.RecordBatch.from_pydict(
        {
            "n_rows": pa.array([len(rows.table)], pa.int64()),
            "peak_bytes": pa.array([peak_memory_bytes()], pa.int64()),
            "counts": pa.array([found.numbers.tobytes()], pa.binary()),
            "sums": pa.array([veiled(found.sums.tobytes(), pairs.key)], pa.binary()),
        }
    )


def _unpacked(counts: bytes, sums: bytes) -> PairSums:
    numbers = np.frombuffer(counts, np.int64).reshape(5, -1)
    return PairSums(numbers, np.frombuffer(sums, np.uint64).reshape(2, numbers.shape[1], 2))


def _split_frame(session: SparkSession, plan: ScanPlan, tasks: Sequence[Sequence[Split]], work: SplitWork) -> DataFrame:
    sent = session.sparkContext.broadcast((plan, [list(task) for task in tasks]))
    return task_frame(session, sent, len(tasks), partial(_scan_task, work), SCAN_DDL)


def _scan_task(
    work: SplitWork, shared: tuple[ScanPlan, Sequence[Sequence[Split]]], number: int
) -> Iterator[pa.RecordBatch]:
    plan, tasks = shared
    return work(plan, tasks[number])


def _source_frame(session: SparkSession, plan: ScanPlan, source: DeltaSource, work: CellWork) -> DataFrame:
    frame = read_delta(session, source.uri, source.version)
    given = {name.casefold() if plan.ignore_case else name: name.replace("`", "``") for name in frame.columns}
    # mapInArrow resolves names anew, and takes a dot or a backtick in one for syntax: numbers meanwhile
    frame = frame.select(*(f"`{given[name]}`" for name in source.columns)).toDF(*map(str, range(len(source.columns))))
    wanted = {token for number in plan.tables[source.table_id].projections for token in plan.projections[number][1]}

    def scan(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        named = (batch.rename_columns(list(source.columns)) for batch in batches if batch.num_rows)
        cells = (_cells(batch, wanted, plan.ignore_case) for batch in named)
        yield work(plan, source.table_id, cells)

    return frame.mapInArrow(scan, SCAN_DDL)


def _cells(batch: pa.RecordBatch, wanted: set[str], ignore_case: bool) -> Mapping[str, Cells]:
    leaves = [leaf for leaf in schema_leaves(batch.schema, ignore_case) if leaf.token in wanted]
    return batch_leaves(batch, leaves)

"""The same summary on Spark: edges stay distributed, whatever the number of partitions the bytes are the same.

An iteration is one function of (edges, merges so far) and one job: edges go to the pair of roots they join, a task
replays these trees' merges and so finds the pairs' states, pairs go to their groups, a task merges inside them. What
grows with the vertices (about 30 bytes each) and the summary itself stay on the driver and are sent to each worker.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakebed.connectors.errors import GraphError
from lakebed.connectors.spark.connect import map_batches, map_groups, n_cores, sent
from lakebed.connectors.spark.object_stores import read_delta
from lakebed.connectors.spark.session import shared_session
from lakebed.tasks.encoding.distinct import distinct
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.summary.checkpoint import Checkpoint
from lakebed.tasks.summary.config import MAX_NODES, SummaryConfig
from lakebed.tasks.summary.kernel.candidates import Groups, Split
from lakebed.tasks.summary.kernel.contraction import contract
from lakebed.tasks.summary.kernel.encoding import Placed
from lakebed.tasks.summary.kernel.forest import Forest, binary_forest
from lakebed.tasks.summary.kernel.hashing import hash_ids, stream_key
from lakebed.tasks.summary.kernel.merging import MergeLog, next_iteration
from lakebed.tasks.summary.kernel.model import Int32, Int64, Summary
from lakebed.tasks.summary.kernel.partial import Pairs, encode_part, heights_of, merge_part, pairs_of_edges, roots_of
from lakebed.tasks.summary.verify import Layout, compare_blocks

EDGES_DDL = "part int, u int, v int"
PAIRS_DDL = "part int, a int, b int, state int, cost int"
LEAST_DDL = "root int, least bigint, is_outer boolean"
MERGES_DDL = "grp bigint, sequence bigint, absorbed int, kept int, work bigint"
PLACED_DDL = "source int, target int, sign int"

_EDGES_A_TASK = 2_000_000
Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class Run:
    """A graph on Spark: its edges as rows (source, target), vertices 0 ... n - 1, tasks of a job."""

    session: SparkSession
    edges: DataFrame
    n: int
    n_tasks: int
    config: SummaryConfig

    def send(self, value: Any) -> Any:
        """What workers read as its `.value`: a broadcast where there is a JVM."""
        return sent(self.session, value)


def summarize_on_spark(
    uri: str, n_nodes: int, config: SummaryConfig, workspace: Workspace, checkpoint: Checkpoint
) -> tuple[Summary, dict[str, object]]:
    """The summary of a Delta table of edges, decoded and compared, with counts of the input.

    Raises:
        GraphError: if there are too many nodes or an id is out of range.
        StageError: if the summary does not decode to the graph.
    """
    session = shared_session(workspace.spark).get()
    frame = read_delta(session, uri)
    n_rows = frame.count()
    n_tasks = max(n_cores(session), -(-n_rows // _EDGES_A_TASK))
    run = prepare(session, frame, n_nodes, n_tasks, config)
    log = checkpoint.load()
    with shown().step("Merging on Spark", total=config.iterations) as step:
        step.advance(len(log.ends))

        def keep(found: MergeLog) -> None:
            checkpoint.save(found)
            step.advance()

        log = merge_on_spark(run, log, keep)
    with shown().step("Encoding on Spark"):
        summary = encode_on_spark(run, log)
    with shown().step("Decoding on Spark"):
        n_edges = verify_on_spark(run, summary)
    n_self_loops = frame.where("source = target").count()
    facts: dict[str, object] = {
        "n_edges": n_edges,
        "n_self_loops": n_self_loops,
        "n_duplicates": n_rows - n_self_loops - n_edges,
    }
    facts["iterations"] = len(log.ends)
    return summary, facts


def prepare(session: SparkSession, frame: DataFrame, n: int, n_tasks: int, config: SummaryConfig) -> Run:
    """The run on a frame of edges; self loops are left out, repeated edges where they come together.

    Raises:
        GraphError: if there are too many nodes or an id is out of range.
    """
    if not 0 <= n <= MAX_NODES:
        hint = "summarise parts of the graph, such as its connected components, one by one"
        raise GraphError("too many nodes", value=f"{n:,}", expected=f"0 ... {MAX_NODES:,}", hint=hint)
    source, target = F.col("source"), F.col("target")
    wrong = frame.where((F.least(source, target) < 0) | (F.greatest(source, target) >= n)).limit(6).collect()
    if wrong:
        examples = [f"{row['source']}, {row['target']}" for row in wrong]
        hint = "number the nodes from 0 on"
        raise GraphError("node ids are out of range", expected=f"0 ... {n - 1:,}", hint=hint, examples=examples)
    ends = (F.least(source, target).cast("int").alias("u"), F.greatest(source, target).cast("int").alias("v"))
    return Run(session, frame.where(source != target).select(*ends), n, n_tasks, config)


def merge_on_spark(run: Run, log: MergeLog, on_iteration: Callable[[MergeLog], None] = lambda _: None) -> MergeLog:
    """The iterations that are left; equal to `merge_graph` of the local kernel."""
    while (iteration := next_iteration(log, run.config)) is not None:
        groups = candidates_on_spark(run, log, iteration)
        log = log.extended(*_merges(run, log, groups, iteration))
        on_iteration(log)
    return log


def candidates_on_spark(run: Run, log: MergeLog, iteration: int) -> Groups:
    """The iteration's groups; one job per level, each of which brings a number per root to the driver."""
    root_of = roots_of(log.absorbed, log.kept, run.n)
    split: Split | None = None
    for level in range(run.config.levels):
        if split is not None and not len(split.roots):
            break
        key = stream_key(run.config.seed, iteration, level)
        least, is_outer = _shingles(run, root_of, key)
        # without edges to other roots a root has nothing to save
        split = split or Split(np.flatnonzero(is_outer).astype(np.int32))
        split.by(least[split.roots], run.config.group_size)
    return (split or Split(np.empty(0, np.int32))).finish(run.config.group_size)


def _shingles(run: Run, root_of: Int32, key: np.uint64) -> tuple[Any, Any]:
    """(the least hash of each root's closed neighbourhood, whether it has neighbours) by root, (n,) each."""
    given, n = run.send(root_of), run.n

    def near(batches: Batches) -> Batches:
        hashes, roots = hash_ids(key, 0, n), given.value
        least, is_outer = np.full(n, 1 << 32, np.int64), np.zeros(n, np.bool_)
        for batch in batches:
            u, v = (batch.column(name).to_numpy() for name in ("u", "v"))
            for one, other in ((u, v), (v, u)):
                np.minimum.at(least, roots[one], hashes[other])
                is_outer[roots[one][roots[one] != roots[other]]] = True
        found = np.flatnonzero(least < 1 << 32).astype(np.int32)
        yield pa.record_batch([found, least[found], is_outer[found]], ["root", "least", "is_outer"])

    rows = map_batches(run.edges, near, LEAST_DDL).groupBy("root").agg(F.min("least"), F.max("is_outer")).toArrow()
    least, is_outer = np.full(n, 1 << 32, np.int64), np.zeros(n, np.bool_)
    np.minimum.at(least, root_of, hash_ids(key, 0, n))
    root = rows.column(0).to_numpy()
    least[root] = np.minimum(least[root], rows.column(1).to_numpy())
    is_outer[root] = rows.column(2).to_numpy(zero_copy_only=False)
    return least.astype(np.uint32), is_outer


def _merges(run: Run, log: MergeLog, groups: Groups, iteration: int) -> tuple[Int32, Int32, int]:
    """(absorbed, kept, row entries compared) of all groups, in the groups' order; one job."""
    n_groups = len(groups.bounds) - 1
    if n_groups == 0:
        return np.empty(0, np.int32), np.empty(0, np.int32), 0
    task_of_group = (groups.bounds[:-1] * run.n_tasks // len(groups.roots)).astype(np.int32)
    task_of = np.full(run.n, -1, np.int32)
    task_of[groups.roots] = np.repeat(task_of_group, np.diff(groups.bounds))
    sent_tasks, sent_groups = run.send(task_of), run.send((groups, task_of_group))
    heights = run.send(heights_of(log.absorbed, log.kept, run.n))
    config = run.config

    def to_tasks(batches: Batches) -> Batches:
        tasks = sent_tasks.value
        for batch in batches:
            a, b = (batch.column(name).to_numpy() for name in ("a", "b"))
            both = np.concatenate([tasks[a], np.where(tasks[b] == tasks[a], -1, tasks[b])])
            rows = np.flatnonzero(both >= 0)
            taken = batch.take(pa.array(rows % max(len(a), 1)))
            yield taken.set_column(0, "part", pa.array(both[rows].astype(np.int32)))

    def merge(table: pa.Table) -> pa.Table:
        found_groups, task = sent_groups.value
        pairs = _pairs(table)
        chosen = np.flatnonzero(task == table.column("part")[0].as_py()).astype(np.int64)
        found = merge_part(pairs, found_groups, chosen, heights.value, iteration, config)
        work = pa.table([chosen, chosen * 0 - 1, chosen * 0, chosen * 0, found.work], _names(MERGES_DDL))
        rows = [found.group, found.sequence, found.absorbed, found.kept, found.group * 0]
        return pa.concat_tables(
            [table.cast(_schema(MERGES_DDL)) for table in (pa.table(rows, work.column_names), work)]
        )

    pairs = map_batches(_pairs_frame(run, log), to_tasks, PAIRS_DDL)
    rows = map_groups(pairs, ("part",), merge, MERGES_DDL).toArrow()
    rows = rows.sort_by([("grp", "ascending"), ("sequence", "ascending")])
    sequence, absorbed, kept, work = (rows.column(place).to_numpy() for place in (1, 2, 3, 4))
    is_merge = sequence >= 0
    return absorbed[is_merge], kept[is_merge], int(work.sum())


def _pairs_frame(run: Run, log: MergeLog) -> DataFrame:
    """The states of all pairs of neighbouring roots, by replaying the merges on the edges of each pair."""
    given = run.send((log, roots_of(log.absorbed, log.kept, run.n)))
    n, n_tasks = run.n, run.n_tasks

    def keyed(batches: Batches) -> Batches:
        _, roots = given.value
        for batch in batches:
            u, v = (batch.column(name).to_numpy() for name in ("u", "v"))
            a, b = roots[u].astype(np.uint64), roots[v].astype(np.uint64)
            pair = np.minimum(a, b) << np.uint64(32) | np.maximum(a, b)
            part = (pair * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(33)) % np.uint64(n_tasks)
            yield pa.record_batch([part.astype(np.int32), u, v], _names(EDGES_DDL))

    def states(table: pa.Table) -> pa.Table:
        found = pairs_of_edges(*_distinct(table, n), given.value[0], n)
        rows = [found.a * 0, found.a, found.b, found.state.astype(np.int32), found.cost]
        return pa.table(rows, _names(PAIRS_DDL))

    return map_groups(map_batches(run.edges, keyed, EDGES_DDL), ("part",), states, PAIRS_DDL)


def encode_on_spark(run: Run, log: MergeLog) -> Summary:
    """The best summary on the trees of the merges; the edges that it places come to the driver."""
    forest = binary_forest(run.n, log)
    starts = _tree_ranges(forest, run.n_tasks)
    given = run.send((forest, roots_of(log.absorbed, log.kept, run.n), starts))
    n = run.n

    def keyed(batches: Batches) -> Batches:
        found, _, starts = given.value
        for batch in batches:
            u, v = (batch.column(name).to_numpy() for name in ("u", "v"))
            lower = np.minimum(found.place[u], found.place[v])
            part = np.searchsorted(starts, lower, "right") - 1
            yield pa.record_batch([part.astype(np.int32), u, v], _names(EDGES_DDL))

    def encoded(table: pa.Table) -> pa.Table:
        found, _, starts = given.value
        part = table.column("part")[0].as_py()
        last = starts[part + 1] if part + 1 < len(starts) else len(found.parent)
        placed = encode_part(found, *_distinct(table, n), int(starts[part]), int(last))
        return pa.table([placed.source, placed.target, placed.sign.astype(np.int32)], _names(PLACED_DDL))

    rows = map_groups(map_batches(run.edges, keyed, EDGES_DDL), ("part",), encoded, PLACED_DDL).toArrow()
    source, target, sign = (rows.column(place).to_numpy() for place in range(3))
    return contract(forest, Placed(source, target, sign.astype(np.int8)), run.n)


def _tree_ranges(forest: Forest, n_tasks: int) -> Int64:
    """Where ranges of whole trees begin, in places; about `n_tasks` of them."""
    roots = np.flatnonzero(forest.parent < 0)
    if not len(roots):
        return np.zeros(1, np.int64)
    wanted = np.linspace(0, len(forest.parent), n_tasks, endpoint=False)
    return distinct(roots[np.searchsorted(roots, wanted, "right") - 1])


def verify_on_spark(run: Run, summary: Summary) -> int:
    """Decodes block by block, each against the input's edges; returns the number of edges.

    Raises:
        StageError: if a pair is an edge on one side only.
    """
    layout = Layout(summary)
    blocks = np.array([first for first, _ in layout.blocks()], np.int64)
    if not len(blocks):
        return 0
    given, n_tasks = run.send((layout, blocks)), min(run.n_tasks, len(blocks))

    def keyed(batches: Batches) -> Batches:
        found, starts = given.value
        for batch in batches:
            u, v = (batch.column(name).to_numpy() for name in ("u", "v"))
            block = np.searchsorted(starts, np.minimum(found.place[u], found.place[v]), "right") - 1
            yield pa.record_batch([(block * n_tasks // len(starts)).astype(np.int32), u, v], _names(EDGES_DDL))

    def compared(table: pa.Table) -> pa.Table:
        found, starts = given.value
        part = table.column("part")[0].as_py()
        mine = np.flatnonzero(np.arange(len(starts)) * n_tasks // len(starts) == part)
        last = int(starts[mine[-1] + 1]) if mine[-1] + 1 < len(starts) else found.n
        edges = np.column_stack(_distinct(table, found.n))
        n_edges = compare_blocks(found, np.append(starts[mine], last), edges)
        return pa.table([[part], [n_edges]], ["part", "n_edges"]).cast(_schema("part int, n_edges bigint"))

    # a block without a row of the input is decoded as well
    rows = map_batches(run.edges, keyed, EDGES_DDL)
    parts = run.session.createDataFrame([(part, 0, 0) for part in range(n_tasks)], EDGES_DDL)
    counts = map_groups(rows.union(parts), ("part",), compared, "part int, n_edges bigint").toArrow()
    return int(np.sum(counts.column("n_edges").to_numpy()))


def _distinct(table: pa.Table, n: int) -> tuple[Int32, Int32]:
    """The edges of a task, each once, without those that only name the task."""
    u, v = (table.column(name).to_numpy().astype(np.int64) for name in ("u", "v"))
    keys = distinct((u * n + v)[u != v])
    return (keys // n).astype(np.int32), (keys % n).astype(np.int32)


def _pairs(table: pa.Table) -> Pairs:
    a, b, state, cost = (table.column(name).to_numpy() for name in ("a", "b", "state", "cost"))
    return Pairs(a, b, state.astype(np.uint8), cost)


def _names(ddl: str) -> list[str]:
    return [part.split()[0] for part in ddl.split(", ")]


def _schema(ddl: str) -> pa.Schema:
    kinds = {"int": pa.int32(), "bigint": pa.int64(), "boolean": pa.bool_()}
    return pa.schema([(part.split()[0], kinds[part.split()[1]]) for part in ddl.split(", ")])

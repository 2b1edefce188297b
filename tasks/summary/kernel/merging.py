"""The iterations of merging: candidate groups, merging inside each, and the result made common to all."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np
from numba import njit

from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.candidates import Groups, candidate_groups
from lakebed.tasks.summary.kernel.graph import Graph
from lakebed.tasks.summary.kernel.groups import Merges, Rule, merge_groups
from lakebed.tasks.summary.kernel.hashing import hashed, stream_key
from lakebed.tasks.summary.kernel.model import Int32, Int64
from lakebed.tasks.summary.kernel.pair_states import StateTables, state_tables
from lakebed.tasks.summary.kernel.rows import Rows, Scratch, empty_view, graph_rows, new_scratch, replay
from lakebed.tasks.summary.kernel.threads import start_threads

DRAWS = 1 << 20
"""The level, in the hashes' streams, of the draws inside groups."""
_N_CHUNKS = 32
_LEAST_WORK = 1 << 20


@dataclass(frozen=True)
class MergeLog:
    """All merges so far, which is all of the state that an iteration needs: replayed, they give the rest.

    In the k-th merge the root of `absorbed[k]` joins that of `kept[k]` and both become children of node n + k. A
    root goes by one of its vertices.

    Shapes: absorbed, kept (n_merges,) int32; ends (n_iterations,) int64, merges after each iteration;
    work (n_iterations,) int64, row entries compared in each.
    """

    absorbed: Int32
    kept: Int32
    ends: Int64
    work: Int64

    @staticmethod
    def none() -> "MergeLog":
        """No merge, no iteration."""
        ids, counts = np.empty(0, np.int32), np.empty(0, np.int64)
        return MergeLog(ids, ids, counts, counts)

    def extended(self, absorbed: Int32, kept: Int32, work: int) -> "MergeLog":
        """The log after one more iteration."""
        return MergeLog(
            np.concatenate([self.absorbed, absorbed]),
            np.concatenate([self.kept, kept]),
            np.append(self.ends, np.int64(len(self.kept) + len(kept))),
            np.append(self.work, np.int64(work)),
        )


def next_iteration(log: MergeLog, config: SummaryConfig) -> int | None:
    """The number of the iteration that comes next, from 1; None if there is none."""
    done = len(log.ends)
    if done < config.iterations:
        return done + 1
    is_spent = config.work_budget > 0 and int(log.work.sum()) >= config.work_budget
    return None if is_spent or done >= config.iterations + config.extra_iterations else done + 1


def threshold(iteration: int, config: SummaryConfig) -> float:
    """The least share of edges that a merge must save: 1 / (1 + t), and 0 in the final iterations and after.

    Departs from the paper, which has one final iteration: others meet other partners.
    """
    n_final = min(config.final_iterations, max(1, config.iterations // 6))
    return 1.0 / (1 + iteration) if iteration <= config.iterations - n_final else 0.0


def merge_graph(
    graph: Graph,
    config: SummaryConfig,
    log: MergeLog | None = None,
    on_iteration: Callable[[MergeLog], None] = lambda _: None,
) -> MergeLog:
    """Merges roots until no iteration is left; `log` holds those that are done already.

    Each group of an iteration sees the others as they were at its start, so neither threads nor their order show in
    the result. Departs from Lee, Ko, Shin 2022, where groups follow one another.
    Cost: O(iterations · (n + m)) for groups of bounded size.
    """
    log = log or MergeLog.none()
    with start_threads(config.threads) as threads:
        merger = Merger(graph, config, threads)
        merger.apply(log.absorbed, log.kept)
        while (iteration := next_iteration(log, config)) is not None:
            groups = merger.groups(iteration)
            absorbed, kept, work = merger.merge(groups, iteration)
            merger.apply(absorbed, kept)
            log = log.extended(absorbed, kept, work)
            on_iteration(log)
    return log


class Merger:
    """The rows of all roots, and a view for each thread."""

    def __init__(self, graph: Graph, config: SummaryConfig, threads: Executor) -> None:
        self._graph, self._config, self._threads = graph, config, threads
        self._rows: Rows = graph_rows(graph.indptr, graph.neighbours)
        self._tables: StateTables = state_tables()
        self._joined = np.arange(graph.n_nodes, dtype=np.int32)
        self._scratch = new_scratch(graph.n_nodes)
        self._idle: SimpleQueue[tuple[Rows, Scratch]] = SimpleQueue()

    def groups(self, iteration: int) -> Groups:
        """The iteration's groups of roots that have neighbours."""
        root_of = _find_roots(self._joined)
        is_root = (root_of == np.arange(len(root_of), dtype=np.int32)) & (self._rows.length > 0)
        roots = np.flatnonzero(is_root).astype(np.int32)
        return candidate_groups(self._graph, root_of, roots, iteration, self._config, self._threads)

    def merge(self, groups: Groups, iteration: int) -> tuple[Int32, Int32, int]:
        """(absorbed, kept, row entries compared) of all groups, in the groups' order."""
        n_groups = len(groups.bounds) - 1
        empty = np.empty(len(groups.roots), np.int32)
        merges = Merges(empty, empty.copy(), np.zeros(n_groups, np.int64), np.zeros(n_groups, np.int64))
        rule = Rule(threshold(iteration, self._config), self._config.max_height)
        keys = draw_keys(stream_key(self._config.seed, iteration, DRAWS), groups.roots, groups.bounds)

        def work(chosen: Int64) -> None:
            view, scratch = self._take_view()
            view = merge_groups(
                self._rows, view, scratch, self._tables, groups.roots, groups.bounds, chosen, keys[chosen], rule, merges
            )
            self._idle.put((view, scratch))

        for _ in self._threads.map(work, _chunks(self._rows.length, groups)):
            pass
        absorbed, kept = _collect(groups.bounds, merges)
        return absorbed, kept, int(merges.work.sum())

    def apply(self, absorbed: Int32, kept: Int32) -> None:
        """Makes merges common to all rows."""
        self._rows = replay(self._rows, self._scratch, self._tables, absorbed, kept)
        self._joined[absorbed] = kept

    def _take_view(self) -> tuple[Rows, Scratch]:
        if not self._idle.empty():
            return self._idle.get()
        n = self._graph.n_nodes
        return empty_view(n, self._config.group_size), new_scratch(n)


@njit(cache=True, nogil=True)
def draw_keys(key, roots, bounds):  # type: ignore[no-untyped-def]
    """The key of each group's draws, which depends on its lowest root. Shapes: result (n_groups,) uint64."""
    keys = np.empty(len(bounds) - 1, np.uint64)
    for g in range(len(keys)):
        keys[g] = hashed(key, roots[bounds[g] : bounds[g + 1]].min())
    return keys


def _chunks(length: Int32, groups: Groups) -> list[Int64]:
    """Groups in parts of like work, the largest groups first."""
    sizes = np.diff(groups.bounds)
    if not len(sizes):
        return []
    work = np.add.reduceat(length[groups.roots].astype(np.int64), groups.bounds[:-1]) * sizes
    order = np.argsort(-work, kind="stable")
    ends = np.cumsum(work[order])
    target = max(int(ends[-1]) // _N_CHUNKS, _LEAST_WORK)
    cuts = np.flatnonzero(np.diff(ends // target)) + 1
    return [part for part in np.split(order, cuts) if len(part)]


@njit(cache=True, nogil=True)
def _collect(bounds, merges):  # type: ignore[no-untyped-def]
    n_merges = merges.n.sum()
    absorbed, kept = np.empty(n_merges, np.int32), np.empty(n_merges, np.int32)
    used = 0
    for g in range(len(merges.n)):
        for i in range(bounds[g], bounds[g] + merges.n[g]):
            absorbed[used], kept[used] = merges.absorbed[i], merges.kept[i]
            used += 1
    return absorbed, kept


@njit(cache=True, nogil=True)
def _find_roots(joined):  # type: ignore[no-untyped-def]
    """The root of each vertex; paths are shortened in place. Shapes: joined, result (n,) int32."""
    for v in range(len(joined)):
        root = v
        while joined[root] != root:
            root = joined[root]
        at = v
        while joined[at] != root:
            joined[at], at = root, joined[at]
    return joined.copy()

"""Graph algorithms that ask the summary instead of the graph."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.connectors.errors import GraphError
from lakebed.tasks.summary.kernel.model import Int8, Int32, Int64, Layout
from lakebed.tasks.summary.kernel.operator import SummaryOperator
from lakebed.tasks.summary.kernel.queries import degrees, list_neighbours, query_arrays, require_vertices

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class PageRank:
    """Ranks that sum to 1, and how they were reached. Shapes: rank (n_nodes,) float64."""

    rank: Float64
    n_iterations: int
    change: float


def distances(layout: Layout, source: int) -> Int32:
    """Edges on a shortest way from `source` to every vertex, -1 where there is none (breadth first).

    Raises: GraphError: if there is no such vertex.
    """
    (start,) = require_vertices(layout, np.array([source]))
    distance = np.full(layout.n_nodes, -1, np.int32)
    distance[start] = 0
    _spread(query_arrays(layout), start, distance, _work(layout.n_nodes), 1)
    return distance


def components(layout: Layout) -> Int32:
    """The connected component of every vertex, numbered by their lowest vertices; an isolated vertex is one."""
    return _components(query_arrays(layout), _work(layout.n_nodes))  # type: ignore[no-any-return]


def page_rank(layout: Layout, damping: float = 0.85, tolerance: float = 1e-10, max_iterations: int = 200) -> PageRank:
    """PageRank by power iteration, each step one product on the summary (Page et al. 1999).

    What vertices without edges hold is spread over all. Stops when the ranks change by less than `tolerance` in all.

    Raises: GraphError: if the graph is empty, or damping is not in [0, 1).
    """
    n = layout.n_nodes
    if n == 0:
        raise GraphError("an empty graph has no ranks", expected="at least one vertex")
    if not 0 <= damping < 1:
        raise GraphError("no such damping", value=damping, expected="0 ≤ damping < 1")
    spread, isolated = SummaryOperator(layout, "walk_transposed"), degrees(layout) == 0
    rank, change, step = np.full(n, 1 / n), np.inf, 0
    while step < max_iterations and change >= tolerance:
        lost = 1 - damping + damping * rank[isolated].sum()
        following = damping * (spread @ rank) + lost / n
        change, rank, step = float(np.abs(following - rank).sum()), following, step + 1
    return PageRank(rank, step, change)


def count_triangles(layout: Layout) -> Int64:
    """The triangles that each vertex is part of; their sum is three times their number.

    Shapes: (n_nodes,) int64. One neighbour query an edge, from the end of lower degree.
    """
    order = np.argsort(degrees(layout), kind="stable")
    place_in_order = np.empty(layout.n_nodes, np.int64)
    place_in_order[order] = np.arange(layout.n_nodes)
    return _triangles(query_arrays(layout), place_in_order)  # type: ignore[no-any-return]


def _work(n_nodes: int) -> tuple[Int8, Int32, Int32]:
    return np.zeros(n_nodes, np.int8), np.empty(n_nodes + 1, np.int32), np.empty(n_nodes, np.int32)


@njit(cache=True, nogil=True)
def _spread(arrays: Any, source: int, mark: Int32, work: tuple[Int8, Int32, Int32], step: int) -> None:
    """Marks everything that can be reached from `source`, which is marked: with the mark it is reached from, plus step.

    Shapes: mark (n_nodes,), -1 where not reached yet; work: count and row as `list_neighbours`, queue (n_nodes,).
    """
    count, row, queue = work
    queue[0] = source
    n_queued, head = 1, 0
    while head < n_queued:
        v = queue[head]
        head += 1
        n_row = list_neighbours(arrays, v, count, row)
        for w in row[:n_row]:
            if mark[w] < 0:
                mark[w] = mark[v] + step
                queue[n_queued] = w
                n_queued += 1


@njit(cache=True, nogil=True)
def _components(arrays: Any, work: tuple[Int8, Int32, Int32]):  # type: ignore[no-untyped-def]
    component, n_components = np.full(len(work[0]), -1, np.int32), 0
    for source in range(len(component)):
        if component[source] < 0:
            component[source] = n_components
            _spread(arrays, source, component, work, 0)
            n_components += 1
    return component


@njit(cache=True, nogil=True)
def _triangles(arrays: Any, rank: Int64):  # type: ignore[no-untyped-def]
    """u, v, w in the order of their ranks: u's later neighbours are marked, then looked for among v's."""
    n_nodes = len(rank)
    count, row, other = np.zeros(n_nodes, np.int8), np.empty(n_nodes + 1, np.int32), np.empty(n_nodes + 1, np.int32)
    marked, triangles = np.zeros(n_nodes, np.bool_), np.zeros(n_nodes, np.int64)
    for u in range(n_nodes):
        n_row = list_neighbours(arrays, u, count, row)
        for v in row[:n_row]:
            marked[v] = rank[v] > rank[u]
        for v in row[:n_row]:
            if rank[v] <= rank[u]:
                continue
            n_other = list_neighbours(arrays, v, count, other)
            for w in other[:n_other]:
                if marked[w] and rank[w] > rank[v]:
                    triangles[u] += 1
                    triangles[v] += 1
                    triangles[w] += 1
        for v in row[:n_row]:
            marked[v] = False
    return triangles

"""Questions about single vertices, answered on the summary.

A vertex is joined to w when the signs of the edges between the nodes above the one and the nodes above the other sum
to 1. What lies below a node is one slice of the depth-first order, so neighbours are found by adding each sign over the
slice of its partner.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.connectors.errors import GraphError
from lakebed.tasks.summary.kernel.model import Int8, Int32, Int64, Layout

Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Neighbourhoods:
    """The neighbours of several vertices: those of the i-th are vertex[start[i] : start[i + 1]], in no order.

    Shapes: start (n_queries + 1,) int64; vertex int32.
    """

    start: Int64
    vertex: Int32


def neighbours(layout: Layout, vertex: int) -> Int32:
    """The neighbours of a vertex, ascending. O(their number + what n-edges take away + edges above the vertex).

    Raises: GraphError: if there is no such vertex.
    """
    return np.sort(neighbours_of(layout, np.array([vertex])).vertex)


def neighbours_of(layout: Layout, vertices: NDArray[Any]) -> Neighbourhoods:
    """The neighbours of each of the vertices; raises as `neighbours`."""
    wanted = require_vertices(layout, vertices)
    # from the system, which hands out zeros without writing them: one query must not cost what the graph is large
    work = np.zeros(layout.n_nodes, np.int8), np.empty(layout.n_nodes + 1, np.int32)
    start, found = _neighbours_of(query_arrays(layout), work, wanted)
    return Neighbourhoods(start, found)


def degrees(layout: Layout) -> Int64:
    """The number of neighbours of every vertex, without listing them. O(n_forest + signed edges).

    Shapes: (n_nodes,) int64.
    """
    count = _degrees(
        layout.parent, layout.leaf_start, layout.end, layout.plus_start, layout.minus_start, layout.partner
    )
    result: Int64 = count[layout.place] - layout.self_sum
    return result


def have_edges(layout: Layout, source: NDArray[Any], target: NDArray[Any]) -> Bool:
    """Whether each pair of vertices is joined; a vertex is not joined to itself.

    Raises: GraphError: as `neighbours`.
    """
    left, right = require_vertices(layout, source), require_vertices(layout, target)
    edges = (layout.plus_start, layout.minus_start, layout.partner)
    joined: Bool = _have_edges(layout.parent, layout.place, layout.end, *edges, left, right)
    return joined


def has_edge(layout: Layout, source: int, target: int) -> bool:
    """Whether two vertices are joined; raises as `neighbours`."""
    return bool(have_edges(layout, np.array([source]), np.array([target]))[0])


def query_arrays(layout: Layout) -> tuple[Any, ...]:
    """What the compiled queries take."""
    return (
        layout.parent,
        layout.place,
        layout.leaves,
        layout.end,
        layout.leaf_start,
        layout.plus_start,
        layout.minus_start,
        layout.partner,
    )


def require_vertices(layout: Layout, vertices: NDArray[Any]) -> Int64:
    """The numbers as int64.

    Raises: GraphError: if one is no vertex.
    """
    wanted = np.asarray(vertices, np.int64).reshape(-1)
    wrong = wanted[(wanted < 0) | (wanted >= layout.n_nodes)]
    if len(wrong):
        raise GraphError(
            "no such vertex in the summary",
            value=int(wrong[0]),
            expected=f"numbers 0 to {layout.n_nodes - 1}" if layout.n_nodes else "none: the graph is empty",
        )
    return wanted


@njit(cache=True, nogil=True)
def list_neighbours(arrays: Any, vertex: int, count: Int8, out: Int32) -> int:
    """Writes the neighbours of `vertex` to `out`, in no order; returns how many. `arrays` as `query_arrays`.

    Shapes: count (n_nodes,) int8 zeros, left so; out (n_nodes + 1,) int32.
    """
    parent, place, leaves, end, leaf_start, plus_start, minus_start, partner = arrays
    n_found, first = 0, place[vertex]
    at = first
    n_minus = 0
    while at >= 0:
        n_minus += plus_start[at + 1] - minus_start[at]
        at = parent[at]
    at = first
    while at >= 0:
        for k in range(plus_start[at], minus_start[at]):
            other = partner[k]
            for leaf in range(leaf_start[other], leaf_start[end[other]]):
                if n_minus == 0:
                    out[n_found] = leaves[leaf]
                    n_found += 1 if leaves[leaf] != vertex else 0
                else:
                    count[leaf] += 1
        for k in range(minus_start[at], plus_start[at + 1]):
            other = partner[k]
            for leaf in range(leaf_start[other], leaf_start[end[other]]):
                count[leaf] -= 1
        at = parent[at]
    if n_minus == 0:
        return n_found
    at = first
    while at >= 0:
        for k in range(plus_start[at], plus_start[at + 1]):
            other = partner[k]
            for leaf in range(leaf_start[other], leaf_start[end[other]]):
                if count[leaf] > 0 and leaves[leaf] != vertex:
                    out[n_found] = leaves[leaf]
                    n_found += 1
                count[leaf] = 0
        at = parent[at]
    return n_found


@njit(cache=True, nogil=True)
def _neighbours_of(arrays: Any, work: tuple[Int8, Int32], wanted: Int64):  # type: ignore[no-untyped-def]
    count, row = work
    start, found = np.zeros(len(wanted) + 1, np.int64), np.empty(16 * len(wanted), np.int32)
    for i in range(len(wanted)):
        n_row = list_neighbours(arrays, wanted[i], count, row)
        if start[i] + n_row > len(found):
            larger = np.empty(2 * (start[i] + n_row), np.int32)
            larger[: start[i]] = found[: start[i]]
            found = larger
        found[start[i] : start[i] + n_row] = row[:n_row]
        start[i + 1] = start[i] + n_row
    return start, found[: start[-1]].copy()


@njit(cache=True, nogil=True)
def _degrees(  # type: ignore[no-untyped-def]
    parent: Int32, leaf_start: Int64, end: Int32, plus_start: Int64, minus_start: Int64, partner: Int32
):
    count = np.zeros(len(parent), np.int64)
    for at in range(len(parent)):
        if parent[at] >= 0:
            count[at] = count[parent[at]]
        for k in range(plus_start[at], plus_start[at + 1]):
            size = leaf_start[end[partner[k]]] - leaf_start[partner[k]]
            count[at] += size if k < minus_start[at] else -size
    return count


@njit(cache=True, nogil=True)
def _have_edges(  # type: ignore[no-untyped-def]
    parent, place, end, plus_start, minus_start, partner, source, target
):
    joined = np.zeros(len(source), np.bool_)
    for i in range(len(source)):
        if source[i] == target[i]:
            continue
        other, at, total = place[target[i]], place[source[i]], 0
        while at >= 0:
            for k in range(plus_start[at], plus_start[at + 1]):
                if partner[k] <= other < end[partner[k]]:
                    total += 1 if k < minus_start[at] else -1
            at = parent[at]
        joined[i] = total == 1
    return joined

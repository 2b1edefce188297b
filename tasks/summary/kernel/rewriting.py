"""A summary carried over to a graph in which few edges are other, without merging anew what is as it was.

Vertices that were there keep their place in the forest, new ones are merged among themselves. Then rows are encoded
anew on the forest, as many as have an end of each pair that is other, and each as cheap as the other rows allow: for a
row u, with r(v) what the edges above u leave to be added at v,

    g(y, c) = Σ over children y' of f(y', c);  a vertex v: 0 if r(v) = c, else infinite
    f(y, c) = min(g(y, c), 1 + min over c' = c ± 1 of g(y, c'))

where an edge {u, y} of either sign is what a step from c to c' costs. It is our own.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.contraction import contract
from lakebed.tasks.summary.kernel.encoding import Placed
from lakebed.tasks.summary.kernel.forest import Forest, children
from lakebed.tasks.summary.kernel.graph import Graph, build_graph
from lakebed.tasks.summary.kernel.merging import MergeLog, merge_graph
from lakebed.tasks.summary.kernel.model import Int8, Int32, Int64, Summary, places

FAR = 1 << 28
"""A cost that nothing has."""


class Edges(NamedTuple):
    """Signed edges, listed at both their ends; sign 0 where one was taken out.

    Shapes: end (2c,) int32, edge i's nodes at 2i and 2i + 1; sign (c,) int8; first (N,) int64, the last of a node's
    ends, following (2c,) int64, the one before it, -1 at the last; used (1,) int64, edges.
    """

    end: Int32
    sign: Int8
    first: Int64
    following: Int64
    used: Int64


class Carried(NamedTuple):
    """A summary carried over, the rows that were encoded anew, and the pairs of vertices that are other."""

    summary: Summary
    n_rows: int
    n_pairs: int


def carried_over(summary: Summary, graph: Graph, now: Int32, config: SummaryConfig) -> Carried:
    """The summary of a graph, from that of an earlier one.

    Shapes: now (summary.n_nodes,) int32, the vertex that each earlier one is, -1 where it is gone.
    Cost: O(n + m) for comparing; merging and encoding only where edges are other.
    """
    n = graph.n_nodes
    is_new = np.ones(n, np.bool_)
    is_new[now[now >= 0]] = False
    ends = now[summary.decode()]
    earlier = build_graph(ends[(ends >= 0).all(axis=1)], n)
    pairs = _other_pairs(earlier.indptr, earlier.neighbours, graph.indptr, graph.neighbours)
    is_row = _rows_to_encode(pairs, n)
    is_free = is_new & ~is_row
    parent, edges = _renumbered(summary, n, now)
    parent = _with_trees(parent, n, _merge_free(graph, is_free, config))
    rows = np.flatnonzero(is_row).astype(np.int32)
    return Carried(_reencoded(graph, parent, edges, rows), len(rows), len(pairs))


def _merge_free(graph: Graph, is_free: NDArray[np.bool_], config: SummaryConfig) -> MergeLog:
    """The merges of free vertices with each other, on the edges that they have."""
    source, target = _edges_of(graph.indptr, graph.neighbours, is_free)
    if not len(source):
        return MergeLog.none()
    there, numbers = np.unique(np.concatenate([source, target]), return_inverse=True)
    log = merge_graph(build_graph(numbers.reshape(2, -1).T, len(there)), config)
    absorbed, kept = _merges_within(log.absorbed, log.kept, is_free[there])
    there = there.astype(np.int32)
    return MergeLog(there[absorbed], there[kept], log.ends, log.work)


def _renumbered(summary: Summary, n: int, now: Int32) -> tuple[Int32, tuple[Int32, Int32, Int8]]:
    """The parents under the vertices' new numbers, and the edges between nodes that have a vertex left."""
    n_inner = summary.n_forest - summary.n_nodes
    number = np.concatenate([now, np.arange(n, n + n_inner, dtype=np.int32)])
    parent = np.full(n + n_inner, -1, np.int32)
    is_child = (summary.parent >= 0) & (number >= 0)
    parent[number[is_child]] = number[summary.parent[is_child]]
    is_held = _has_vertices(parent, n)
    parent[~is_held] = -1
    signed = summary.signed_edges
    source, target = number[signed.source], number[signed.target]
    is_kept = (source >= 0) & (target >= 0) & is_held[source] & is_held[target]
    return parent, (source[is_kept], target[is_kept], signed.sign[is_kept])


def _with_trees(parent: Int32, n: int, log: MergeLog) -> Int32:
    """The parents with a node for each merge behind them."""
    first, second = children(n, log)
    n_before, n_merges = len(parent), len(first)
    found = np.concatenate([parent, np.full(n_merges, -1, np.int32)])
    above = np.arange(n_before, n_before + n_merges, dtype=np.int32)
    for below in (first, second):
        found[np.where(below >= n, below + (n_before - n), below)] = above
    return found


def _reencoded(graph: Graph, parent: Int32, edges: tuple[Int32, Int32, Int8], rows: Int32) -> Summary:
    """The rows encoded anew, then what pays for nothing taken out."""
    n = graph.n_nodes
    place, end = places(parent)
    # the same by place, in which a parent comes before what is below it
    up = np.full(len(parent), -1, np.int32)
    has_parent = np.flatnonzero(parent >= 0)
    up[place[has_parent]] = place[parent[has_parent]]
    node = np.empty(len(parent), np.int32)
    node[place] = np.arange(len(parent), dtype=np.int32)
    vertex = np.where(node < n, node, -1).astype(np.int32)
    source, target, sign = edges
    held = _listed(place[source], place[target], sign, len(parent))
    source, target, sign = _encode_rows(graph.indptr, graph.neighbours, up, end, vertex, place[:n], held, rows)
    low, high = np.minimum(source, target), np.maximum(source, target)
    return contract(Forest(up, end, vertex, node, place), Placed(low, high, sign), n)


def _rows_to_encode(pairs: Int32, n: int) -> NDArray[np.bool_]:
    """Rows that have an end of each pair: of its two the one with more pairs. Shapes: pairs (k, 2); result (n,)."""
    n_pairs, is_row = np.bincount(pairs.reshape(-1), minlength=n), np.zeros(n, np.bool_)
    is_row[np.where(n_pairs[pairs[:, 1]] > n_pairs[pairs[:, 0]], pairs[:, 1], pairs[:, 0])] = True
    return is_row


@njit(cache=True, nogil=True)
def _other_pairs(indptr, neighbours, indptr_now, neighbours_now):  # type: ignore[no-untyped-def]
    """The pairs that are an edge in one of two graphs only, the lower number first. Shapes: result (k, 2) int32."""
    n = len(indptr) - 1
    found, used = np.empty(1024, np.int32), 0
    for v in range(n):
        i, end_i = indptr[v], indptr[v + 1]
        j, end_j = indptr_now[v], indptr_now[v + 1]
        while i < end_i or j < end_j:
            a = neighbours[i] if i < end_i else n
            b = neighbours_now[j] if j < end_j else n
            i += a <= b
            j += b <= a
            if a != b and min(a, b) > v:
                if used >= len(found):
                    found = _longer(found)
                found[used], found[used + 1] = v, min(a, b)
                used += 2
    return found[:used].copy().reshape(-1, 2)


@njit(cache=True, nogil=True)
def _edges_of(indptr, neighbours, is_free):  # type: ignore[no-untyped-def]
    """The edges with a free end, each once."""
    count = 0
    for v in range(len(is_free)):
        if is_free[v]:
            count += indptr[v + 1] - indptr[v]
    source, target, used = np.empty(count, np.int32), np.empty(count, np.int32), 0
    for v in range(len(is_free)):
        if is_free[v]:
            for k in range(indptr[v], indptr[v + 1]):
                if not is_free[neighbours[k]] or neighbours[k] > v:
                    source[used], target[used] = v, neighbours[k]
                    used += 1
    return source[:used].copy(), target[:used].copy()


@njit(cache=True, nogil=True)
def _merges_within(absorbed, kept, is_free):  # type: ignore[no-untyped-def]
    """The merges of trees that hold free vertices only."""
    is_whole, is_taken = is_free.copy(), np.zeros(len(kept), np.bool_)
    for k in range(len(kept)):
        is_taken[k] = is_whole[absorbed[k]] and is_whole[kept[k]]
        is_whole[kept[k]] = is_taken[k]
    return absorbed[is_taken], kept[is_taken]


@njit(cache=True, nogil=True)
def _has_vertices(parent, n):  # type: ignore[no-untyped-def]
    """Which nodes are a vertex or have one below them; children have lower numbers."""
    found = np.zeros(len(parent), np.bool_)
    for x in range(len(parent)):
        found[x] |= x < n
        if found[x] and parent[x] >= 0:
            found[parent[x]] = True
    return found


@njit(cache=True, nogil=True)
def _listed(source, target, sign, n_nodes):  # type: ignore[no-untyped-def]
    m = len(sign)
    size = m + m // 8 + 1024
    edges = Edges(
        np.empty(2 * size, np.int32),
        np.zeros(size, np.int8),
        np.full(n_nodes, -1, np.int64),
        np.empty(2 * size, np.int64),
        np.zeros(1, np.int64),
    )
    for i in range(m):
        edges = _append(edges, source[i], target[i], sign[i])
    return edges


@njit(cache=True, nogil=True)
def _append(edges, x, y, sign):  # type: ignore[no-untyped-def]
    i = edges.used[0]
    if i >= len(edges.sign):
        size = i + i // 2 + 64
        end, following = np.empty(2 * size, np.int32), np.empty(2 * size, np.int64)
        signs = np.zeros(size, np.int8)
        end[: 2 * i], following[: 2 * i], signs[:i] = edges.end[: 2 * i], edges.following[: 2 * i], edges.sign[:i]
        edges = Edges(end, signs, edges.first, following, edges.used)
    edges.end[2 * i], edges.end[2 * i + 1], edges.sign[i] = x, y, sign
    edges.following[2 * i], edges.first[x] = edges.first[x], 2 * i
    if x != y:
        edges.following[2 * i + 1], edges.first[y] = edges.first[y], 2 * i + 1
    edges.used[0] = i + 1
    return edges


@njit(cache=True, nogil=True)
def _child_counts(parent):  # type: ignore[no-untyped-def]
    found = np.zeros(len(parent), np.int32)
    for x in range(len(parent)):
        if parent[x] >= 0:
            found[parent[x]] += 1
    return found


@njit(cache=True, nogil=True)
def _encode_rows(indptr, neighbours, parent, end, vertex, place, edges, rows):  # type: ignore[no-untyped-def]
    """Encodes each row anew on the forest, one after the other; the signed edges that there are then, by place."""
    n_nodes = len(parent)
    left = np.zeros(n_nodes, np.int32)  # r by place of a vertex, 0 at the end of each row
    n_children, n_seen = _child_counts(parent), np.zeros(n_nodes, np.int32)
    cost, is_seen = np.zeros((n_nodes, 3), np.int32), np.zeros(n_nodes, np.bool_)
    best, is_above = np.zeros((n_nodes, 3), np.int32), np.zeros(n_nodes, np.bool_)
    for row in rows:
        u = place[row]
        at = edges.first[u]
        while at >= 0:
            edges.sign[at >> 1] = 0
            at = edges.following[at]
        touched = _what_is_left(indptr, neighbours, parent, end, vertex, place, edges, row, left)
        x = u
        while x >= 0:
            is_above[x] = True
            x = parent[x]
        visited = _paths_up(parent, touched, is_seen)
        _cheapest(parent, vertex, left, visited, is_above, n_children, n_seen, cost, best)
        edges = _place_edges(parent, end, vertex, u, visited, is_seen, is_above, cost, best, edges)
        for x in visited:
            is_seen[x], n_seen[x] = False, 0
            cost[x, 0], cost[x, 1], cost[x, 2] = 0, 0, 0
        for x in touched:
            left[x] = 0
        x = u
        while x >= 0:
            is_above[x] = False
            x = parent[x]
    used = edges.used[0]
    is_there = edges.sign[:used] != 0
    ends = edges.end[: 2 * used].reshape(-1, 2)
    return ends[is_there, 0].copy(), ends[is_there, 1].copy(), edges.sign[:used][is_there].copy()


@njit(cache=True, nogil=True)
def _what_is_left(indptr, neighbours, parent, end, vertex, place, edges, row, left):  # type: ignore[no-untyped-def]
    """Writes what the edges above a row leave to be added at each vertex; returns the places that are not 0."""
    u = place[row]
    found, used = np.empty(1024, np.int32), 0
    x = parent[u]
    while x >= 0:
        at = edges.first[x]
        while at >= 0:
            sign = edges.sign[at >> 1]
            if sign != 0:
                y = edges.end[at ^ 1]
                for w in range(y, end[y]):
                    if vertex[w] >= 0 and w != u:
                        if used >= len(found):
                            found = _longer(found)
                        found[used] = w
                        used += 1
                        left[w] -= sign
            at = edges.following[at]
        x = parent[x]
    for k in range(indptr[row], indptr[row + 1]):
        w = place[neighbours[k]]
        if used >= len(found):
            found = _longer(found)
        found[used] = w
        used += 1
        left[w] += 1
    touched = np.unique(found[:used])
    return touched[left[touched] != 0]


@njit(cache=True, nogil=True)
def _longer(array):  # type: ignore[no-untyped-def]
    found = np.empty(2 * len(array), array.dtype)
    found[: len(array)] = array
    return found


@njit(cache=True, nogil=True)
def _paths_up(parent, touched, is_seen):  # type: ignore[no-untyped-def]
    """The places and all above them, ascending."""
    found, used = np.empty(1024, np.int32), 0
    for w in touched:
        x = w
        while x >= 0 and not is_seen[x]:
            if used >= len(found):
                found = _longer(found)
            found[used] = x
            used += 1
            is_seen[x] = True
            x = parent[x]
    return np.sort(found[:used])


@njit(cache=True, nogil=True)
def _cheapest(parent, vertex, left, visited, is_above, n_children, n_seen, cost, best):  # type: ignore[no-untyped-def]
    """Fills g (`cost`) and the c' of the least f (`best`), by c + 1, from below; a parent has a lower place."""
    for i in range(len(visited) - 1, -1, -1):
        x = visited[i]
        if vertex[x] >= 0:
            for c in range(3):
                cost[x, c] = 0 if left[x] == c - 1 else FAR
        else:
            n_others = n_children[x] - n_seen[x]
            cost[x, 0] += n_others
            cost[x, 2] += n_others
        for c in range(3):
            least, value = c, cost[x, c]
            if not is_above[x]:
                for other in (c - 1, c + 1):
                    if 0 <= other <= 2 and cost[x, other] + 1 < value:
                        least, value = other, cost[x, other] + 1
            best[x, c] = least
            if parent[x] >= 0:
                cost[parent[x], c] = min(FAR, cost[parent[x], c] + value)
        if parent[x] >= 0:
            n_seen[parent[x]] += 1


@njit(cache=True, nogil=True)
def _place_edges(parent, end, vertex, u, visited, is_seen, is_above, cost, best, edges):  # type: ignore[no-untyped-def]
    """Follows the choices from the roots down."""
    todo = [(np.int32(0), np.int8(0))]
    todo.pop()
    for x in visited:
        if parent[x] < 0:
            todo.append((x, np.int8(0)))
    while todo:
        x, c = todo.pop()
        if not is_seen[x]:
            # nothing is left to be added below: what was placed above is taken back
            if c != 0 and x != u:
                edges = _append(edges, u, x, np.int8(-c))
            continue
        chosen = np.int8(best[x, c + 1] - 1)
        if chosen != c:
            edges = _append(edges, u, x, np.int8(chosen - c))
        if vertex[x] >= 0:
            continue
        y = x + 1
        while y < end[x]:
            todo.append((np.int32(y), chosen))
            y = end[y]
    return edges

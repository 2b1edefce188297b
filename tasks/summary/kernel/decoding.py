"""The graph back from its summary."""

import numpy as np
from numba import njit

from lakebed.tasks.summary.kernel.model import Int32, Int64, Summary


def decode(summary: Summary) -> Int32:
    """Every edge, lower id first, ascending by (lower, higher). Shapes: result (n_edges, 2).

    Cost: O(Σ over vertices of the sizes of the nodes that a signed edge joins with one of its ancestors).
    """
    order, start, end = leaf_slices(summary.parent, summary.n_nodes)
    indptr, partner, sign = incidence(summary)
    return _decode(summary.n_nodes, summary.parent, order, start, end, indptr, partner, sign)  # type: ignore[no-any-return]


def leaf_slices(parent: Int32, n_nodes: int) -> tuple[Int32, Int32, Int32]:
    """The vertices in an order in which each node's are one slice: (order, start, end).

    Shapes: order (n_nodes,); start, end (n_forest,).
    """
    return _leaf_slices(parent, n_nodes)  # type: ignore[no-any-return]


def incidence(summary: Summary) -> tuple[Int64, Int32, "np.ndarray[tuple[int], np.dtype[np.int8]]"]:
    """The signed edges by node, an edge of a node with itself once: (indptr, partner, sign)."""
    edges = summary.signed_edges
    is_other = edges.source != edges.target
    node = np.concatenate([edges.source, edges.target[is_other]])
    order = np.argsort(node, kind="stable")
    indptr = np.zeros(summary.n_forest + 1, np.int64)
    np.cumsum(np.bincount(node, minlength=summary.n_forest), out=indptr[1:])
    partner = np.concatenate([edges.target, edges.source[is_other]])[order]
    return indptr, partner, np.concatenate([edges.sign, edges.sign[is_other]])[order]


@njit(cache=True)
def _leaf_slices(parent, n):  # type: ignore[no-untyped-def]
    n_all = len(parent)
    size = np.zeros(n_all, np.int32)
    size[:n] = 1
    for x in range(n_all):
        if parent[x] >= 0:
            size[parent[x]] += size[x]
    start, free = np.empty(n_all, np.int32), np.empty(n_all, np.int32)
    order = np.empty(n, np.int32)
    at = 0
    for x in range(n_all - 1, -1, -1):
        if parent[x] < 0:
            start[x] = at
            at += size[x]
        else:
            start[x] = free[parent[x]]
            free[parent[x]] += size[x]
        free[x] = start[x]
        if x < n:
            order[start[x]] = x
    return order, start, start + size


@njit(cache=True)
def _decode(n, parent, order, start, end, indptr, partner, sign):  # type: ignore[no-untyped-def]
    count, touched = np.zeros(n, np.int32), np.empty(n, np.int32)
    out, used = np.empty((1024, 2), np.int32), 0
    for u in range(n):
        n_touched, x = 0, np.int32(u)
        while x >= 0:
            for k in range(indptr[x], indptr[x + 1]):
                for i in range(start[partner[k]], end[partner[k]]):
                    w = order[i]
                    if w > u:
                        touched[n_touched] = w
                        n_touched += count[w] == 0
                        count[w] += sign[k]
            x = parent[x]
        found = touched[:n_touched]
        found.sort()
        if used + n_touched > len(out):
            larger = np.empty((used + max(used // 2, n_touched), 2), np.int32)
            larger[:used] = out[:used]
            out = larger
        for w in found:
            if count[w] == 1:
                out[used, 0], out[used, 1] = u, w
                used += 1
            count[w] = 0
    return out[:used].copy()

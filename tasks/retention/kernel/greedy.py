"""The greedy fallback: delete, one after the other, the table whose deletion saves most now.

A table's gain is its cost of keeping, less its cheapest rebuild from a kept table, less what the tables that are
rebuilt from it pay more for their next best parent. Deletions only take choices away, so gains only fall, and the
gains in the heap are upper bounds: the best is taken once it is still the best when computed anew.
"""

import heapq

import numba as nb
import numpy as np

from lakebed.tasks.retention.kernel.model import Bool, Float64, Int64


def greedy_choice(keep_cost: Float64, sure_cost: Float64, edges: tuple[Int64, Int64, Float64]) -> Bool:
    """Which tables to keep; never worse than keeping all.

    Shapes: keep_cost, sure_cost (n,); edges (child, parent, cost) (m,) each.
    Cost: O((n + m) log n) gains, each over the edges at the table and its children.
    """
    child, parent, cost = edges
    n = len(keep_cost)
    up_order = np.lexsort((parent, cost, child))
    down_order = np.lexsort((child, parent))
    ups = (_offsets(child, n), parent[up_order], cost[up_order])
    downs = (_offsets(parent, n), child[down_order])
    return np.asarray(_delete_greedily(keep_cost, sure_cost, ups, downs), np.bool_)


def _offsets(ends: Int64, n: int) -> Int64:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(ends, minlength=n))]).astype(np.int64)


@nb.njit(cache=True, nogil=True)
def _delete_greedily(keep_cost, sure_cost, ups, downs):  # type: ignore[no-untyped-def]
    n = len(keep_cost)
    keep = np.ones(n, np.bool_)
    heap = [(-_gain(v, keep, keep_cost, sure_cost, ups, downs), v) for v in range(n)]
    heapq.heapify(heap)
    while heap:
        _, v = heapq.heappop(heap)
        gain = _gain(v, keep, keep_cost, sure_cost, ups, downs)
        if gain <= 0.0:
            continue
        if heap and gain < -heap[0][0]:
            heapq.heappush(heap, (-gain, v))
        else:
            keep[v] = False
    return keep


@nb.njit(cache=True, nogil=True)
def _gain(v, keep, keep_cost, sure_cost, ups, downs):  # type: ignore[no-untyped-def]
    """What deleting the kept table v saves now; minus infinity where it, or what hangs on it, cannot be rebuilt."""
    gain = keep_cost[v] - _cheapest(v, -1, keep, sure_cost, ups)
    start, children = downs
    for place in range(start[v], start[v + 1]):
        u = children[place]
        if not keep[u]:
            gain -= _cheapest(u, v, keep, sure_cost, ups) - _cheapest(u, -1, keep, sure_cost, ups)
    return gain


@nb.njit(cache=True, nogil=True)
def _cheapest(v, without, keep, sure_cost, ups):  # type: ignore[no-untyped-def]
    """The cheapest rebuild of v from a kept table other than `without`; a table's edges are ordered by cost."""
    start, parents, costs = ups
    for place in range(start[v], start[v + 1]):
        p = parents[place]
        if keep[p] and p != without:
            return min(costs[place], sure_cost[v])
    return sure_cost[v]

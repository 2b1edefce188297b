"""Trees, solved in linear time: the line-graph programme of R2D2 (Dyn-Lin), widened to trees and mutual edges.

For a table v with subtrees u, seen from a root: K_v is the least cost of the subtree with v kept, D_v with v deleted
and rebuilt from inside or from a sure parent, S_v with v deleted and its own rebuild left to the table above it.

    S_v = Σ_u min(K_u, D_u)
    D_v = S_v + min(sure_v, min_u [cost(v from u) + K_u - min(K_u, D_u)])
    K_v = keep_v + Σ_u min(K_u, D_u, S_u + cost(u from v))

On a line whose edges all point up this is the paper's K_i = keep_i + min(K_{i-1}, D_{i-1}), D_i = rebuild_i + K_{i-1},
read from the other end.
"""

import numba as nb
import numpy as np

from lakebed.tasks.retention.kernel.model import Bool, Float64, Int64

_KEPT, _INSIDE, _ABOVE = 0, 1, 2


def solve_forest(keep_cost: Float64, sure_cost: Float64, child: Int64, parent: Int64, edge_cost: Float64) -> Bool:
    """Which tables of a forest are kept at the least cost; of equal costs, keeping wins.

    Shapes: keep_cost, sure_cost (n,); child, parent, edge_cost (m,). As undirected pairs the edges form a forest.
    Cost: O(n + m).
    """
    return np.asarray(_solve(keep_cost, sure_cost, child, parent, edge_cost), np.bool_)


@nb.njit(cache=True, nogil=True)
def _solve(keep_cost, sure_cost, child, parent, edge_cost):  # type: ignore[no-untyped-def]
    n = len(keep_cost)
    order, above, from_above, to_above = _root_forest(n, child, parent, edge_cost)
    kept, inside, outside = keep_cost.copy(), np.empty(n), np.zeros(n)
    helper_gain, helper = sure_cost.copy(), np.full(n, -1, np.int64)
    for place in range(n - 1, -1, -1):
        v = order[place]
        inside[v] = outside[v] + helper_gain[v]
        up = above[v]
        if up < 0:
            continue
        own = min(kept[v], inside[v])
        outside[up] += own
        kept[up] += min(own, outside[v] + from_above[v])
        gain = to_above[v] + kept[v] - own
        if gain < helper_gain[up]:
            helper_gain[up], helper[up] = gain, v
    return _states(order, above, from_above, (kept, inside, outside), helper) == _KEPT


@nb.njit(cache=True, nogil=True)
def _states(order, above, from_above, costs, helper):  # type: ignore[no-untyped-def]
    """Walks down again: what each table is, given what the table above it is."""
    kept, inside, outside = costs
    state = np.empty(len(order), np.int8)
    for v in order:
        up = above[v]
        best = _KEPT if kept[v] <= inside[v] else _INSIDE
        if up >= 0 and state[up] == _KEPT and outside[v] + from_above[v] < min(kept[v], inside[v]):
            best = _ABOVE
        if up >= 0 and state[up] == _INSIDE and helper[up] == v:
            best = _KEPT
        state[v] = best
    return state


@nb.njit(cache=True, nogil=True)
def _root_forest(n, child, parent, edge_cost):  # type: ignore[no-untyped-def]
    """Tables in breadth-first order, the one above each, and the costs of rebuilding it from there and the reverse."""
    start, incident = _incidence(n, child, parent)
    order, above = np.empty(n, np.int64), np.full(n, -1, np.int64)
    from_above, to_above = np.full(n, np.inf), np.full(n, np.inf)
    is_seen = np.zeros(n, np.bool_)
    n_seen = 0
    for root in range(n):
        if is_seen[root]:
            continue
        is_seen[root], order[n_seen], head = True, root, n_seen
        n_seen += 1
        while head < n_seen:
            v = order[head]
            head += 1
            for place in range(start[v], start[v + 1]):
                edge = incident[place]
                other = parent[edge] if child[edge] == v else child[edge]
                if other == above[v]:
                    if child[edge] == v:
                        from_above[v] = min(from_above[v], edge_cost[edge])
                    else:
                        to_above[v] = min(to_above[v], edge_cost[edge])
                elif not is_seen[other]:
                    is_seen[other], above[other], order[n_seen] = True, v, other
                    n_seen += 1
    return order, above, from_above, to_above


@nb.njit(cache=True, nogil=True)
def _incidence(n, child, parent):  # type: ignore[no-untyped-def]
    """The edges at each table, as offsets and edge numbers."""
    start = np.zeros(n + 1, np.int64)
    for edge in range(len(child)):
        start[child[edge] + 1] += 1
        start[parent[edge] + 1] += 1
    start = np.cumsum(start)
    free, incident = start[:-1].copy(), np.empty(2 * len(child), np.int64)
    for edge in range(len(child)):
        for v in (child[edge], parent[edge]):
            incident[free[v]] = edge
            free[v] += 1
    return start, incident

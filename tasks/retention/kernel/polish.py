"""What is done to any solver's choice: no needless deletion, no missed one, and of equal copies the right one kept."""

import numba as nb
import numpy as np

from lakebed.tasks.retention.kernel.model import Bool, RetentionGraph

MAX_PASSES = 8
# two costs closer than this, relatively, are equal: sums of a few thousand terms err less
TOLERANCE = 1e-12


def polish(graph: RetentionGraph, keep: Bool) -> Bool:
    """The same choice or one that costs no more.

    A deleted table that costs no more to keep is kept; a kept one on which nothing hangs is deleted if that is cheaper;
    of two mutual copies of which one is kept, the one of lower rank is, where the cost does not rise.
    Cost: O(passes · Σ over edges of the degrees at both ends), at most 8 passes.
    """
    n = graph.n_tables
    down = np.lexsort((graph.rank[graph.child], graph.parent)).astype(np.int64)
    starts = tuple(
        np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(ends, minlength=n))]).astype(np.int64)
        for ends in (graph.child, graph.parent)
    )
    ups = (starts[0], graph.parent, graph.edge_cost)
    downs = (starts[1], graph.child[down])
    order = np.argsort(graph.rank, kind="stable").astype(np.int64)
    return np.asarray(_polish(keep.copy(), order, graph.rank, graph.is_pinned, graph.keep_cost, ups, downs), np.bool_)


@nb.njit(cache=True, nogil=True)
def _polish(keep, order, rank, is_pinned, keep_cost, ups, downs):  # type: ignore[no-untyped-def]
    for _ in range(MAX_PASSES):
        n_changes = 0
        for v in order:
            n_changes += _reconsider(v, keep, is_pinned, keep_cost, ups, downs)
        for v in order:
            n_changes += _exchange(v, keep, rank, is_pinned, keep_cost, ups, downs)
        if n_changes == 0:
            break
    return keep


@nb.njit(cache=True, nogil=True)
def _reconsider(v, keep, is_pinned, keep_cost, ups, downs):  # type: ignore[no-untyped-def]
    """Keeps or deletes v alone, where that costs less."""
    if keep[v] and is_pinned[v]:
        return 0
    before = _cost_at(v, v, keep, keep_cost, ups, downs)
    was_kept = keep[v]
    keep[v] = not was_kept
    after = _cost_at(v, v, keep, keep_cost, ups, downs)
    slack = TOLERANCE * max(before, after) if before < np.inf and after < np.inf else 0.0
    # of equal costs, keeping wins
    is_better = after < before - slack if was_kept else after <= before + slack
    if not is_better:
        keep[v] = was_kept
    return 1 if is_better else 0


@nb.njit(cache=True, nogil=True)
def _exchange(v, keep, rank, is_pinned, keep_cost, ups, downs):  # type: ignore[no-untyped-def]
    """Keeps the deleted v instead of a kept mutual copy of higher rank, where that costs no more."""
    if keep[v]:
        return 0
    start, parents, _ = ups
    for place in range(start[v], start[v + 1]):
        p = parents[place]
        if not keep[p] or is_pinned[p] or rank[p] < rank[v] or not _has_parent(p, v, ups):
            continue
        before = _cost_at(v, p, keep, keep_cost, ups, downs)
        keep[v], keep[p] = True, False
        after = _cost_at(v, p, keep, keep_cost, ups, downs)
        if after <= before * (1.0 + TOLERANCE):
            return 1
        keep[v], keep[p] = False, True
    return 0


@nb.njit(cache=True, nogil=True)
def _cost_at(v, p, keep, keep_cost, ups, downs):  # type: ignore[no-untyped-def]
    """The cost of v and p and of the deleted tables that could be rebuilt from either; p may be v."""
    start, children = downs
    cost = _own_cost(v, keep, keep_cost, ups)
    if p != v:
        cost += _own_cost(p, keep, keep_cost, ups)
    for place in range(start[v], start[v + 1]):
        u = children[place]
        if not keep[u] and u != p:
            cost += _own_cost(u, keep, keep_cost, ups)
    if p != v:
        for place in range(start[p], start[p + 1]):
            u = children[place]
            if not keep[u] and u != v and not _has_parent(u, v, ups):
                cost += _own_cost(u, keep, keep_cost, ups)
    return cost


@nb.njit(cache=True, nogil=True)
def _own_cost(v, keep, keep_cost, ups):  # type: ignore[no-untyped-def]
    """Of keeping v, or of rebuilding it from the cheapest kept parent; a table's edges are ordered by cost."""
    if keep[v]:
        return keep_cost[v]
    start, parents, costs = ups
    for place in range(start[v], start[v + 1]):
        if keep[parents[place]]:
            return costs[place]
    return np.inf


@nb.njit(cache=True, nogil=True)
def _has_parent(v, p, ups):  # type: ignore[no-untyped-def]
    start, parents, _ = ups
    for place in range(start[v], start[v + 1]):
        if parents[place] == p:
            return True
    return False

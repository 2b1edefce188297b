"""Random retention graphs, and the optimum by trying every choice: plain Python, apart from the kernels."""

from itertools import product

import numpy as np

from lakebed.tasks.retention.kernel.model import retention_graph


def random_graph(rng, n, density=0.3, *, ties=False):
    """Any directed graph; with `ties`, costs are few whole numbers, so that many choices cost the same."""
    child, parent = np.nonzero((rng.random((n, n)) < density) & ~np.eye(n, dtype=bool))
    return with_costs(rng, n, child, parent, ties=ties)


def random_tree(rng, n, *, is_line=False):
    """A tree whose edges point up, down or both ways."""
    above = [place - 1 if is_line else int(rng.integers(0, place)) for place in range(1, n)]
    pairs = []
    for v, up in enumerate(above, 1):
        kind = rng.integers(0, 3)
        pairs += [(v, up)] if kind != 1 else []
        pairs += [(up, v)] if kind != 0 else []
    child, parent = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    return with_costs(rng, n, child, parent)


def with_costs(rng, n, child, parent, *, ties=False):
    keep = rng.integers(0, 4, n).astype(float) if ties else rng.gamma(1.0, 10.0, n)
    cost = rng.integers(0, 4, len(child)).astype(float) if ties else rng.gamma(1.0, 3.0, len(child))
    return retention_graph(keep, rng.random(n) < 0.03, (child, parent, cost), rng.permutation(n))


def optimum(graph):
    """The least cost over every choice of tables to keep."""
    edges = {}
    for child, parent, cost in zip(graph.child.tolist(), graph.parent.tolist(), graph.edge_cost.tolist(), strict=True):
        edges.setdefault(child, []).append((parent, cost))
    keep_cost, is_pinned = graph.keep_cost.tolist(), graph.is_pinned.tolist()
    best = float("inf")
    for keep in product((True, False), repeat=graph.n_tables):
        cost = 0.0
        for v, is_kept in enumerate(keep):
            if is_kept:
                cost += keep_cost[v]
            elif is_pinned[v]:
                cost = float("inf")
            else:
                cost += min((c for p, c in edges.get(v, ()) if keep[p]), default=float("inf"))
            if cost >= best:
                break
        best = min(best, cost)
    return best

import numpy as np
import pytest

from lakebed.tasks.retention.kernel.greedy import greedy_choice
from tests.tasks.retention.kernel.graphs import random_graph


def slow_greedy(keep_cost, sure, edges):
    """The same rule, every gain computed anew in every step."""
    n = len(keep_cost)

    def cheapest(v, kept):
        return min([sure[v], *(c for u, p, c in edges if u == v and p in kept)])

    kept = set(range(n))
    while True:
        gains = {}
        for v in kept:
            rest = kept - {v}
            lost = sum(cheapest(u, rest) - cheapest(u, kept) for u in range(n) if u not in kept)
            gains[v] = keep_cost[v] - cheapest(v, rest) - lost
        best = min(gains, key=lambda v: (-gains[v], v), default=None)
        if best is None or gains[best] <= 0:
            return [v in kept for v in range(n)]
        kept.discard(best)


@pytest.mark.parametrize("seed", range(40))
def test_gains_that_are_kept_lazily_lead_to_the_same_choice(seed):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, 12, 0.3)
    sure = np.where(rng.random(12) < 0.2, 4.0, np.inf)
    edges = list(zip(graph.child.tolist(), graph.parent.tolist(), graph.edge_cost.tolist(), strict=True))
    kept = greedy_choice(graph.keep_cost, sure, (graph.child, graph.parent, graph.edge_cost))
    assert kept.tolist() == slow_greedy(graph.keep_cost.tolist(), sure.tolist(), edges)

import numpy as np
import pytest

from lakebed.tasks.retention.kernel.ilp import Programme, linear_bound, solve_ilp
from tests.tasks.retention.kernel.graphs import optimum, random_graph


def programme_of(graph):
    return Programme(graph.keep_cost, np.full(graph.n_tables, np.inf), graph.child, graph.parent, graph.edge_cost)


@pytest.mark.parametrize("seed", range(20))
def test_bounds_lie_below_the_optimum_and_the_exact_one_on_it(seed):
    graph = random_graph(np.random.default_rng(seed), 9, 0.4)
    graph.is_pinned[:] = False
    best = optimum(graph)
    assert solve_ilp(programme_of(graph), 60.0).bound == pytest.approx(best)
    assert linear_bound(programme_of(graph), 60.0) <= best * (1 + 1e-9)


def test_the_linear_relaxation_can_lie_strictly_below():
    """Three tables in a ring: half of each would do."""
    ring = Programme(np.ones(3), np.full(3, np.inf), np.array([0, 1, 2]), np.array([1, 2, 0]), np.zeros(3))
    assert linear_bound(ring, 60.0) == pytest.approx(1.5)
    assert solve_ilp(ring, 60.0).bound == pytest.approx(2.0)


def test_no_time_means_no_proof():
    rng = np.random.default_rng(0)
    ends = np.unique(rng.integers(0, 3000, (2, 9000)), axis=1)
    ends = ends[:, ends[0] != ends[1]]
    hard = Programme(rng.uniform(0.95, 1.05, 3000), np.full(3000, np.inf), ends[0], ends[1], np.zeros(ends.shape[1]))
    result = solve_ilp(hard, 0.0)
    assert result.keep is None or result.bound < float(hard.keep_cost[result.keep].sum())

import numpy as np
import pytest

from lakebed.tasks.retention.kernel.curve import curve_budgets, savings_curve
from lakebed.tasks.retention.kernel.model import retention_graph
from lakebed.tasks.retention.kernel.solve import Effort, solve
from tests.tasks.retention.kernel.graphs import random_graph


def test_budgets_run_from_none_to_the_slowest():
    budgets = curve_budgets(np.array([1.0, 2.0, 3.0, 4.0]), 5)
    assert budgets.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert curve_budgets(np.empty(0), 5).tolist() == [0.0]
    assert len(curve_budgets(np.arange(1000.0), 12)) == 11 or len(curve_budgets(np.arange(1000.0), 12)) == 12


@pytest.mark.parametrize("seed", range(15))
def test_each_point_is_the_optimum_over_the_fast_enough_edges(seed):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, 9, 0.4)
    seconds = np.empty(len(graph.child))
    seconds[graph.number] = rng.gamma(1.0, 10.0, len(graph.child))
    points = savings_curve(graph, seconds, np.full(9, 8), curve_budgets(seconds, 6), Effort(60.0))
    for point in points:
        fast = seconds[graph.number] <= point.budget_s
        edges = (graph.child[fast], graph.parent[fast], graph.edge_cost[fast])
        best = solve(retention_graph(graph.keep_cost, graph.is_pinned, edges, graph.rank), Effort(60.0))
        assert point.saving == pytest.approx(graph.keep_cost.sum() - best.cost)
        assert point.slowest_s <= point.budget_s
        assert point.bytes_deleted == 8 * point.n_deleted
    savings = [point.saving for point in points]
    assert savings == sorted(savings)
    assert points[-1].saving == pytest.approx(graph.keep_cost.sum() - solve(graph, Effort(60.0)).cost)

import numpy as np
import pytest

from lakebed.tasks.retention.kernel.model import retention_graph, total_cost
from lakebed.tasks.retention.kernel.polish import polish
from tests.tasks.retention.kernel.graphs import random_graph


@pytest.mark.parametrize("seed", range(60))
def test_a_choice_never_gets_dearer(seed):
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, 10, 0.3, ties=seed % 2 == 0)
    keep = np.ones(10, bool)
    for v in rng.permutation(10):
        trial = keep.copy()
        trial[v] = False
        keep = trial if not graph.is_pinned[v] and np.isfinite(total_cost(graph, trial)) else keep
    better = polish(graph, keep)
    assert total_cost(graph, better) <= total_cost(graph, keep) * (1 + 1e-9)
    assert better[graph.is_pinned].all()


def test_needless_deletions_are_undone_and_missed_ones_made():
    graph = retention_graph(
        np.array([9.0, 3.0, 5.0]), np.zeros(3, bool), (np.array([1, 2]), np.array([0, 0]), np.array([4.0, 1.0]))
    )
    assert polish(graph, np.array([True, False, True])).tolist() == [True, True, False]


def test_a_dearer_copy_is_not_kept_for_its_rank():
    edges = (np.array([0, 1]), np.array([1, 0]), np.array([0.0, 0.0]))
    graph = retention_graph(np.array([2.0, 1.0]), np.zeros(2, bool), edges, np.array([0, 1]))
    assert polish(graph, np.array([False, True])).tolist() == [False, True]

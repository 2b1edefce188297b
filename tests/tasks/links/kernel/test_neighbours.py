import networkx as nx
import numpy as np
import pytest

from tasks.links.kernel.neighbours import (
    adamic_adar,
    adjacency,
    common_neighbours,
    resource_allocation,
    shared_neighbour_scores,
)
from tests.tasks.links.graphs import communities


@pytest.fixture(scope="module")
def sample():
    edges, n = communities()
    graph = nx.Graph(edges.tolist())
    pairs = np.random.default_rng(1).integers(0, n - 1, (300, 2))
    return graph, adjacency(edges, n), pairs[pairs[:, 0] != pairs[:, 1]]


@pytest.mark.parametrize(
    ("weight", "reference"),
    [(adamic_adar, nx.adamic_adar_index), (resource_allocation, nx.resource_allocation_index)],
)
def test_scores_equal_networkx(sample, weight, reference):
    graph, matrix, pairs = sample
    pairs = pairs[[a in graph and b in graph for a, b in pairs.tolist()]]
    expected = [score for _, _, score in reference(graph, pairs.tolist())]
    assert shared_neighbour_scores(matrix, pairs, weight(matrix)) == pytest.approx(expected)


def test_common_neighbours_are_counted(sample):
    _, matrix, pairs = sample
    counts = (matrix @ matrix).toarray()[pairs[:, 0], pairs[:, 1]]
    assert np.array_equal(shared_neighbour_scores(matrix, pairs, common_neighbours(matrix)), counts)


def test_an_isolated_node_shares_nothing(sample):
    _, matrix, _ = sample
    last = matrix.shape[0] - 1
    assert shared_neighbour_scores(matrix, np.array([[0, last]]), common_neighbours(matrix)).tolist() == [0.0]

import networkx as nx
import numpy as np
import pytest

from lakebed.tasks.links.kernel.neighbours import (
    adamic_adar,
    adjacency,
    common_neighbours,
    neighbourhoods,
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


def test_several_weights_are_those_of_one_by_one_and_the_order_of_pairs_changes_nothing(sample):
    _, matrix, pairs = sample
    weights = np.stack([common_neighbours(matrix), adamic_adar(matrix), resource_allocation(matrix)], axis=1)
    together = shared_neighbour_scores(matrix, pairs, weights)
    for column in range(3):
        assert np.array_equal(together[:, column], shared_neighbour_scores(matrix, pairs, weights[:, column]))
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    assert np.array_equal(shared_neighbour_scores(matrix, pairs[order], weights), together[order])


def test_tables_are_compared_by_what_their_columns_touch():
    # columns 0, 1 of table 3; column 2 of table 4; values 5, 6, 7
    edges = np.array([[0, 3], [1, 3], [2, 4], [0, 5], [1, 6], [2, 5], [2, 6], [2, 7]])
    graph, owner = adjacency(edges, 8), np.array([3, 3, 4, 3, 4, 5, 6, 7])
    reach = neighbourhoods(graph, owner)
    assert reach[[3]].indices.tolist() == [0, 1, 3, 5, 6]
    assert reach[[2]].indices.tolist() == graph[[2]].indices.tolist()
    tables = np.array([[3, 4]])
    assert shared_neighbour_scores(graph, tables, common_neighbours(graph)).tolist() == [0.0]
    assert shared_neighbour_scores(reach, tables, common_neighbours(graph)).tolist() == [2.0]
    assert neighbourhoods(graph, None) is graph

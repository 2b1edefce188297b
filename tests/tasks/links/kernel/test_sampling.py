import numpy as np
import pytest

from lakebed.tasks.links.kernel.neighbours import adjacency
from lakebed.tasks.links.kernel.propagation import transition_matrix
from lakebed.tasks.links.kernel.sampling import NeighbourSampler
from tests.tasks.links.graphs import communities


@pytest.fixture(scope="module")
def matrix():
    edges, n = communities()
    return transition_matrix(adjacency(edges, n))


def test_rows_are_cut_to_the_sample_and_scaled_up(matrix):
    nodes = np.arange(0, 60, 3)
    around, block = NeighbourSampler(matrix, 3).around(nodes, 1, (0, 1, 2))
    rows = np.searchsorted(around, nodes)
    degrees = np.diff(matrix.indptr)[nodes]
    assert np.array_equal(np.diff(block.indptr)[rows], np.minimum(degrees, 3))
    sums = block.sum(axis=1)[rows]
    assert sums[degrees > 0] == pytest.approx(1.0)


def test_a_sample_has_no_neighbour_twice_and_only_true_ones(matrix):
    around, block = NeighbourSampler(matrix, 4).around(np.arange(120), 1, (5, 0, 0))
    full = matrix[around][:, around].toarray() > 0
    assert not (block.toarray()[full == 0] > 0).any()
    assert block.nnz == np.minimum(np.diff(matrix.indptr), 4).sum()


def test_samples_are_spread_over_the_neighbours(matrix):
    node = int(np.diff(matrix.indptr).argmax())
    degree = np.diff(matrix.indptr)[node]
    counts = np.zeros(matrix.shape[0])
    for step in range(600):
        around, block = NeighbourSampler(matrix, 2).around(np.array([node]), 1, (0, 0, step))
        counts[around[block[[int(np.searchsorted(around, node))]].indices]] += 1
    expected = 1200 / degree
    drawn = counts[counts > 0]
    assert len(drawn) == degree
    assert np.abs(drawn - expected).max() < 5 * np.sqrt(expected)


def test_a_wide_sample_is_the_whole_neighbourhood(matrix):
    around, block = NeighbourSampler(matrix, 1000).around(np.array([0]), 2, (0, 0, 0))
    first = np.searchsorted(around, 0)
    assert np.allclose(block[[first]].toarray(), matrix[[0]][:, around].toarray())

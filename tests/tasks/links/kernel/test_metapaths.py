import numpy as np
import pytest

from lakebed.tasks.links.kernel.metapaths import metapath_columns
from lakebed.tasks.links.kernel.neighbours import adjacency


def test_paths_are_counted_by_the_kind_of_what_lies_between():
    # columns 0 and 1 share values 2 and 3 and the name 4; column 5 has the name alone
    edges = np.array([[0, 2], [0, 3], [0, 4], [1, 2], [1, 3], [1, 4], [4, 5], [1, 6]])
    kind = np.array([0, 0, 1, 1, 2, 0, 1], np.int8)
    found = metapath_columns(adjacency(edges, 7), kind, np.array([[0, 1], [0, 5]]))
    counts, weighted, share, of_pair = np.split(found, 4, axis=1)
    assert np.expm1(counts) == pytest.approx(np.array([[0, 2, 1], [0, 0, 1]]))
    assert np.expm1(weighted) == pytest.approx(np.array([[0, 1, 1 / 3], [0, 0, 1 / 3]]))
    assert share[0, 1] == pytest.approx(1 / 1.05) and share[1, 1] == 0
    assert of_pair.tolist() == [[1, 0, 0], [1, 0, 0]]

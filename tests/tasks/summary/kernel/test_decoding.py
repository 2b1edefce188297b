"""Decoding by the definition."""

import numpy as np

from lakebed.tasks.summary.kernel.decoding import decode, leaf_slices
from lakebed.tasks.summary.kernel.model import SignedEdges, Summary


def test_the_definition_on_a_small_summary() -> None:
    # 5 = {0, 1}, 6 = {5, 2}: all pairs in 6 but (0, 1); 6 with 3 but 2; nothing at 4
    parent = np.array([5, 5, 6, -1, -1, 6, -1], np.int32)
    source, target = np.array([2, 3, 5, 6], np.int32), np.array([3, 6, 5, 6], np.int32)
    summary = Summary(5, parent, SignedEdges(source, target, np.array([-1, 1, -1, 1], np.int8)))
    assert decode(summary).tolist() == [[0, 2], [0, 3], [1, 2], [1, 3]]
    assert summary.cost() == 4 + 4


def test_slices_hold_the_vertices_below() -> None:
    parent = np.array([5, 6, 5, -1, 6, 6, -1], np.int32)
    order, start, end = leaf_slices(parent, 5)
    assert sorted(order[start[6] : end[6]].tolist()) == [0, 1, 2, 4]
    assert sorted(order[start[5] : end[5]].tolist()) == [0, 2]
    assert order[start[3] : end[3]].tolist() == [3]

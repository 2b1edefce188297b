"""The binary forest in preorder."""

import numpy as np

from lakebed.tasks.summary.kernel.forest import binary_forest, children
from lakebed.tasks.summary.kernel.merging import MergeLog


def test_three_merges() -> None:
    ids = np.array([0, 3, 1], np.int32), np.array([1, 4, 4], np.int32)
    log = MergeLog(*ids, np.array([3]), np.array([0]))
    first, second = children(6, log)
    assert (first.tolist(), second.tolist()) == ([0, 3, 6], [1, 4, 7])
    forest = binary_forest(6, log)
    # roots by age: 2, 5, then 8 = ((0 1) (3 4))
    assert forest.node.tolist() == [2, 5, 8, 6, 0, 1, 7, 3, 4]
    assert forest.parent.tolist() == [-1, -1, -1, 2, 3, 3, 2, 6, 6]
    assert forest.end.tolist() == [1, 2, 9, 6, 5, 6, 9, 8, 9]
    assert forest.vertex.tolist() == [2, 5, -1, -1, 0, 1, -1, 3, 4]
    np.testing.assert_array_equal(forest.node[forest.place], np.arange(9))

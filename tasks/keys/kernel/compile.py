"""Fills numba's disk cache with this stage's kernels."""

import numpy as np

from lakebed.tasks.keys.kernel.columns import Lake, numbered
from lakebed.tasks.keys.kernel.features import ColumnFacts
from lakebed.tasks.keys.kernel.search import within_folders
from lakebed.tasks.keys.kernel.trees import Trees, tree_chances


def compile_kernels() -> None:
    """Calls each kernel once, on two tables of one column."""
    hashes = [np.arange(3, dtype=np.uint64)] * 2
    two, none = np.full(2, 3.0), np.full(2, np.nan)
    places = np.arange(2)
    held = numbered(hashes, [None, None])
    lake = Lake(["a", "b"], ["b_id", "id"], places, places, two, two, two, places, none, none, two, *held)
    one, leaf = np.zeros(1), np.array([-1])
    trees = Trees(leaf, one, leaf, leaf, one, np.zeros(1, np.int64), np.zeros(1, np.int64), one)
    within_folders(ColumnFacts.of(lake), lambda held: tree_chances(trees, held.features), 0.0)

"""Fills numba's disk cache with this stage's kernels."""

import numpy as np

from lakebed.tasks.keys.kernel.columns import Lake, numbered
from lakebed.tasks.keys.kernel.compile import compile_kernels as compile_keys
from lakebed.tasks.keys.kernel.features import ColumnFacts
from lakebed.tasks.topics.kernel.graph import table_graph
from lakebed.tasks.topics.kernel.tree import tree_of


def compile_kernels() -> None:
    """Calls each kernel once, on two tables of one column."""
    compile_keys()
    hashes = [np.arange(3, dtype=np.uint64)] * 2
    two, none, places = np.full(2, 3.0), np.full(2, np.nan), np.arange(2)
    held = numbered(hashes, [None, None])
    lake = Lake(["a", "b"], ["b_id", "id"], places, places, two, two, two, places, none, none, two, *held)
    tree_of(table_graph(ColumnFacts.of(lake), lambda pairs: np.ones(len(pairs.pairs.a)), 0.0))

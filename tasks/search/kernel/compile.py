"""Fills numba's disk cache with this package's kernels."""

import numpy as np

from lakebed.tasks.index.kernel.likeness import Rows
from lakebed.tasks.index.kernel.postings import Postings
from lakebed.tasks.keys.kernel.columns import Lake, numbered, postings
from lakebed.tasks.search.kernel.asked import asked_column, find_columns
from lakebed.tasks.search.kernel.cosines import AskedRows, Shares, most_pairs


def compile_kernels() -> None:
    """Calls each kernel once, on one row of one term and one column of one value."""
    one = np.zeros(1, np.int64)
    rows = Rows(np.arange(2), np.zeros(1, np.int32), np.ones(1, np.float32))
    for mapped in (rows.indptr, rows.item, rows.weight):
        mapped.setflags(write=False)
    asked = AskedRows.of(rows, 1)
    asked.cosines(rows, one)
    two, none = np.full(1, 2.0), np.full(1, np.nan)
    lake = Lake(
        ["a"], ["b"], one, one, two, two, two, one, none, none, two, *numbered([np.zeros(1, np.uint64)], [None])
    )
    indptr, columns = postings(lake)
    for mapped in (indptr, columns):
        mapped.setflags(write=False)
    found = find_columns(Postings(lake.indptr, lake.values, indptr, columns), lake, asked_column(lake, 0))
    most_pairs(asked, rows, Shares.of([found], 1), (one, one + 1), 1.0)

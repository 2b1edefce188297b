"""Which columns share which values, as two CSR arrays, and overlaps counted on them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.encoding.pairs import sorted_pairs

Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]
UInt64 = NDArray[np.uint64]
Float64 = NDArray[np.float64]

FULL = np.uint64((1 << 64) - 1)


@dataclass(frozen=True)
class Postings:
    """Columns 0 … c - 1 and values 0 … v - 1, a value's number rising with its hash.

    Shapes: value_indptr (c + 1,) into value (m,): each column's values, ascending; column_indptr (v + 1,) into column
    (m,): each value's columns, ascending.
    """

    value_indptr: Int64
    value: Int32
    column_indptr: Int64
    column: Int32

    @property
    def n_columns(self) -> int:
        """Columns."""
        return len(self.value_indptr) - 1

    def values_of(self, column: int) -> Int32:
        """The values of a column that stand in another one too."""
        return self.value[self.value_indptr[column] : self.value_indptr[column + 1]]


@dataclass(frozen=True)
class ColumnSizes:
    """How many values each column has. Shapes: (c,) each.

    Attributes:
        n_distinct: distinct values, an estimate where they were cut.
        n_sampled: values that took part.
        threshold: greatest hash kept; `FULL` where all were.
    """

    n_distinct: Int64
    n_sampled: Int64
    threshold: UInt64


def make_postings(source: Int64, target: Int64, n_columns: int, n_values: int) -> Postings:
    """Postings of (column, value) edges, ascending by (source, target). Shapes: (m,) each."""
    value_indptr = np.zeros(n_columns + 1, np.int64)
    np.cumsum(np.bincount(source, minlength=n_columns), out=value_indptr[1:])
    column_indptr = np.zeros(n_values + 1, np.int64)
    np.cumsum(np.bincount(target, minlength=n_values), out=column_indptr[1:])
    columns = sorted_pairs(target, source)[1].astype(np.int32)
    return Postings(value_indptr, target.astype(np.int32), column_indptr, columns)


def overlaps(postings: Postings, values: NDArray[np.integer]) -> Int64:
    """How many of the values each column has, (c,). O(sum of the values' columns)."""
    starts = postings.column_indptr[values]
    sizes = postings.column_indptr[values + 1] - starts
    ends = np.cumsum(sizes)
    if not len(ends) or not ends[-1]:
        return np.zeros(postings.n_columns, np.int64)
    at = np.repeat(starts - np.concatenate([[0], ends[:-1]]), sizes) + np.arange(ends[-1])
    return np.bincount(postings.column[at], minlength=postings.n_columns)

"""Which columns share which values, as two CSR arrays, and overlaps counted on them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    order = np.argsort(target, kind="stable")
    return Postings(value_indptr, target.astype(np.int32), column_indptr, source[order].astype(np.int32))


def overlaps(postings: Postings, values: NDArray[np.integer]) -> Int64:
    """How many of the values each column has, (c,). O(sum of the values' columns)."""
    starts = postings.column_indptr[values]
    sizes = postings.column_indptr[values + 1] - starts
    ends = np.cumsum(sizes)
    if not len(ends) or not ends[-1]:
        return np.zeros(postings.n_columns, np.int64)
    at = np.repeat(starts - np.concatenate([[0], ends[:-1]]), sizes) + np.arange(ends[-1])
    return np.bincount(postings.column[at], minlength=postings.n_columns)


def shares(overlap: Int64, n_sampled: int, threshold: np.uint64, sizes: ColumnSizes) -> Float64:
    """Which share of a column's distinct values each other column has, (c,).

    Exact where neither was cut; else counted below the lesser threshold of the two, where both kept everything.

    Args:
        overlap: (c,) values in common.
        n_sampled: values of the asked column that took part.
        threshold: its greatest hash kept.
        sizes: of all columns.
    """
    mine = float(threshold) / 2.0**64
    theirs = sizes.threshold.astype(np.float64) / 2.0**64
    comparable = np.where(theirs < mine, n_sampled * theirs / mine, float(n_sampled))
    found: Float64 = np.minimum(1.0, overlap / np.maximum(comparable, 1.0))
    return found


def sketched_overlaps(sketches: tuple[UInt64, Int64], hashes: UInt64, n_distinct: Int64) -> Int64:
    """How many of a column's values each other column has, judged by the sketch of its least hashes, (c,).

    Exact for columns that their sketch holds whole.

    Args:
        sketches: (hashes, columns) of all sketches.
        hashes: (m,) of the asked column, ascending.
        n_distinct: (c,) distinct values of each column.
    """
    n_columns = len(n_distinct)
    if not len(hashes):
        return np.zeros(n_columns, np.int64)
    place = np.minimum(np.searchsorted(hashes, sketches[0]), len(hashes) - 1)
    is_held = hashes[place] == sketches[0]
    n_held = np.bincount(sketches[1][is_held], minlength=n_columns)
    n_sketched = np.maximum(np.bincount(sketches[1], minlength=n_columns), 1)
    estimated: Int64 = np.floor(n_held / n_sketched * np.maximum(n_distinct, n_sketched) + 0.5).astype(np.int64)
    return np.minimum(estimated, len(hashes))


def best_in_table(score: Float64, table_starts: Int64) -> tuple[Float64, Int64]:
    """The greatest score among each table's columns, and the column that has it, the first of equals.

    Shapes: score (c,), columns of one table side by side; table_starts (t,): where each table's columns begin.
    """
    best = np.maximum.reduceat(score, table_starts)
    sizes = np.diff(np.concatenate([table_starts, [len(score)]]))
    is_best = score == np.repeat(best, sizes)
    place = np.where(is_best, np.arange(len(score)), len(score))
    return best, np.minimum.reduceat(place, table_starts)

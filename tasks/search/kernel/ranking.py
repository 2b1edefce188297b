"""Which columns hold a column's values, and which tables a table's, from shares counted on the postings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.index.kernel.postings import (
    ColumnSizes,
    Float64,
    Int64,
    Postings,
    best_in_table,
    overlaps,
    shares,
)

NAME_BONUS = 0.25
BACK_WEIGHT = 0.05
MAX_QUERY_COLUMNS = 128


@dataclass(frozen=True)
class AskedColumn:
    """A column that is asked about.

    Attributes:
        values: (m,) of its values, the numbers of those that have one.
        n_distinct: distinct values.
        n_sampled: those that took part, with a number or without.
        threshold: greatest hash kept.
        is_same_name: (c,) which columns have its name.
        at_least: (c,) values in common known from elsewhere, as from sketches; None where the numbers say all.
    """

    values: NDArray[np.integer]
    n_distinct: int
    n_sampled: int
    threshold: np.uint64
    is_same_name: NDArray[np.bool_]
    at_least: Int64 | None = None


@dataclass(frozen=True)
class Shares:
    """Of the asked column and each other one. Shapes: (c,) each.

    Attributes:
        overlap: values in common that were counted.
        forth: share of the asked column's values that the other has.
        back: share of the other's values that the asked one has.
    """

    overlap: Int64
    forth: Float64
    back: Float64


@dataclass(frozen=True)
class TableScores:
    """How well each table holds what was asked. Shapes: score, forth (t,); best (q, t) columns; share (q, t).

    Attributes:
        score: forth, less where names differ, plus a twentieth of back, which decides between equals; at most 1.05.
        forth: share of the asked table's values, weighted alike, that the table has.
        best: for each asked column the column of the table that holds most of it.
        share: how much that is.
    """

    score: Float64
    forth: Float64
    best: Int64
    share: Float64


def column_shares(postings: Postings, sizes: ColumnSizes, asked: AskedColumn) -> Shares:
    """Counts the asked column's values in every column. O(values' columns)."""
    overlap = overlaps(postings, asked.values)
    if asked.at_least is not None:
        overlap = np.maximum(overlap, asked.at_least)
    forth = shares(overlap, asked.n_sampled, asked.threshold, sizes)
    estimated = np.minimum(forth * asked.n_distinct, sizes.n_distinct)
    back: Float64 = np.where(overlap > 0, estimated / np.maximum(sizes.n_distinct, 1), 0.0)
    return Shares(overlap, np.where(overlap > 0, forth, 0.0), back)


def score_tables(
    postings: Postings, sizes: ColumnSizes, table_starts: Int64, asked: Sequence[AskedColumn]
) -> TableScores:
    """Each asked column is looked for in each table; a column of the same name counts more, and so do many values.

    Columns of one value tell next to nothing, those of many tell more: a column of n distinct values weighs
    log2(1 + n). Only the 128 columns of most values are looked at.

    Shapes: table_starts (t,): where each table's columns begin.
    """
    asked = sorted(asked, key=lambda column: -column.n_distinct)[:MAX_QUERY_COLUMNS]
    n_tables, n_asked = len(table_starts), len(asked)
    best, share = np.zeros((n_asked, n_tables), np.int64), np.zeros((n_asked, n_tables))
    named, back_total = np.zeros((n_asked, n_tables)), np.zeros(postings.n_columns)
    for row, column in enumerate(asked):
        found = column_shares(postings, sizes, column)
        value = found.forth * np.where(column.is_same_name, 1.0, 1.0 - NAME_BONUS)
        named[row], best[row] = best_in_table(value, table_starts)
        share[row] = found.forth[best[row]]
        np.maximum(back_total, found.back, out=back_total)
    weight = np.log2(1.0 + np.array([max(column.n_distinct, 1) for column in asked], np.float64))
    total = max(float(weight.sum()), 1e-9)
    score = weight @ named / total + BACK_WEIGHT * _back(back_total, sizes, table_starts)
    return TableScores(score, weight @ share / total, best, share)


def _back(back: Float64, sizes: ColumnSizes, table_starts: Int64) -> Float64:
    """Of each table, the share of its own values that was asked about, weighted by information."""
    weight = np.log2(1.0 + np.maximum(sizes.n_distinct, 1))
    held: Float64 = np.add.reduceat(back * weight, table_starts) / np.add.reduceat(weight, table_starts)
    return held

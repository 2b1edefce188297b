"""Cosines of a few asked rows of terms with very many others, and which tables may have enough columns like them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba as nb
import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.index.kernel.likeness import Float32, Rows
from lakebed.tasks.keys.kernel.columns import Float64, Int64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakebed.tasks.search.kernel.asked import Found

Int32 = NDArray[np.int32]
# sums of float32 in another order
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class AskedRows:
    """q rows of length 1 by their terms.

    Shapes: slot (F,): the place of each term that a row has, counted from 1, else 0; indptr (t + 1,) into row (m,) and
    weight (m,): the rows of each such term.
    """

    n: int
    slot: Int32
    indptr: Int64
    row: Int32
    weight: Float32

    @staticmethod
    def of(rows: Rows, n_terms: int) -> "AskedRows":
        """Of rows whose items are below `n_terms`. O(F + m log m)."""
        order = np.argsort(rows.item, kind="stable")
        terms, first = np.unique(rows.item[order], return_index=True)
        slot = np.zeros(n_terms, np.int32)
        slot[terms] = np.arange(1, len(terms) + 1, dtype=np.int32)
        indptr = np.append(first, len(order)).astype(np.int64)
        return AskedRows(len(rows.indptr) - 1, slot, indptr, rows.owner[order].astype(np.int32), rows.weight[order])

    def cosines(self, rows: Rows, chosen: Int64) -> Float64:
        """With some of other rows, which have length 1 too, (q, len(chosen)). O(their items)."""
        out = np.zeros((len(chosen), self.n))
        item = np.asarray(rows.item, np.int32)
        _cosines(rows.indptr, item, rows.weight, chosen, self.slot, self.indptr, self.row, self.weight, out)
        return out.T


@dataclass(frozen=True)
class Shares:
    """What each of C columns shares with the q asked ones.

    Shapes: indptr (C + 1,) into row (m,): the number of the asked column, forth and back (m,), as in `Found`.
    """

    indptr: Int64
    row: Int32
    forth: Float64
    back: Float64

    @staticmethod
    def of(found: "Sequence[Found]", n_columns: int) -> "Shares":
        """Of what was found of each asked column. O(m)."""
        column = np.concatenate([np.empty(0, np.int64), *(one.column for one in found)])
        indptr = np.concatenate([[0], np.cumsum(np.bincount(column, minlength=n_columns))]).astype(np.int64)
        shares = Shares(indptr, np.empty(len(column), np.int32), np.empty(len(column)), np.empty(len(column)))
        free = indptr[:-1].copy()
        for row, one in enumerate(found):
            _put(row, one.column, one.forth, one.back, free, shares.row, shares.forth, shares.back)
        return shares

    def between(self, start: int, end: int, q: int) -> tuple[Float64, Float64]:
        """(forth, back) of the columns from `start` to `end`, (q, end - start) both."""
        held = slice(int(self.indptr[start]), int(self.indptr[end]))
        place = np.repeat(np.arange(end - start), np.diff(self.indptr[start : end + 1]))
        forth, back = np.zeros((q, end - start)), np.zeros((q, end - start))
        forth[self.row[held], place], back[self.row[held], place] = self.forth[held], self.back[held]
        return forth, back


def most_pairs(asked: AskedRows, rows: Rows, shares: Shares, spans: tuple[Int64, Int64], least: float) -> Int64:
    """Of each table, how many pairs of an asked and an own column can have cosine and share of `least` together, (t,).

    At least as many as an assignment finds: the asked columns that have such a partner, or its own that have one, if
    they are fewer.

    Args:
        asked: rows of the asked columns.
        rows: of the lake's columns.
        shares: what these share with them.
        spans: where each table's columns begin and end, (t,) both.
        least: cosine and share together.

    Complexity: O(the columns' terms and shares).
    """
    out = np.zeros(len(spans[0]), np.int64)
    _most_pairs(
        spans[0], spans[1], rows.indptr, np.asarray(rows.item, np.int32), rows.weight, asked.slot, asked.indptr,
        asked.row, asked.weight, shares.indptr, shares.row, shares.forth, asked.n, least - _TOLERANCE, out,
    )  # fmt: skip
    return out


@nb.njit(cache=True, nogil=True)
def _cosines(
    indptr: Int64,
    item: Int32,
    weight: Float32,
    chosen: Int64,
    slot: Int32,
    asked_indptr: Int64,
    asked_row: Int32,
    asked_weight: Float32,
    out: Float64,
) -> None:
    for place in range(len(chosen)):
        for at in range(indptr[chosen[place]], indptr[chosen[place] + 1]):
            found = slot[item[at]]
            if found:
                for held in range(asked_indptr[found - 1], asked_indptr[found]):
                    out[place, asked_row[held]] += weight[at] * asked_weight[held]


@nb.njit(cache=True, nogil=True)
def _put(
    row: int,
    column: Int64,
    forth: Float64,
    back: Float64,
    free: Int64,
    rows: Int32,
    forths: Float64,
    backs: Float64,
) -> None:
    for at in range(len(column)):
        place = free[column[at]]
        free[column[at]] += 1
        rows[place], forths[place], backs[place] = row, forth[at], back[at]


@nb.njit(cache=True, nogil=True)
def _most_pairs(
    start: Int64,
    end: Int64,
    indptr: Int64,
    item: Int32,
    weight: Float32,
    slot: Int32,
    asked_indptr: Int64,
    asked_row: Int32,
    asked_weight: Float32,
    share_indptr: Int64,
    share_row: Int32,
    forth: Float64,
    q: int,
    least: float,
    out: Int64,
) -> None:
    score, met = np.zeros(q), np.full(q, -1, np.int64)
    for table in range(len(start)):
        n_rows, n_columns = 0, 0
        for column in range(start[table], end[table]):
            score[:] = 0
            for at in range(share_indptr[column], share_indptr[column + 1]):
                score[share_row[at]] += forth[at]
            for at in range(indptr[column], indptr[column + 1]):
                found = slot[item[at]]
                if found:
                    for held in range(asked_indptr[found - 1], asked_indptr[found]):
                        score[asked_row[held]] += weight[at] * asked_weight[held]
            is_met = False
            for row in range(q):
                if score[row] >= least:
                    is_met = True
                    if met[row] != table:
                        met[row] = table
                        n_rows += 1
            n_columns += is_met
        out[table] = min(n_rows, n_columns)

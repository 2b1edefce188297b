"""A column that is asked about, of the lake or not, and the columns that have its values."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numba as nb
import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.index.kernel.likeness import gather, is_nameless
from lakebed.tasks.index.kernel.postings import Postings
from lakebed.tasks.keys.kernel.columns import KINDS, Bool, Float64, Int64, Lake

# a value that every column has still tells something
LEAST_RARITY = 0.1
_INT = KINDS.index("int")


@dataclass(frozen=True)
class AskedColumn:
    """A column that is asked about.

    Shapes: place (m,): its values by number, ascending; one that the lake lacks lies between two numbers, at n - .5.

    Attributes:
        n_distinct: folded values, an estimate where they were cut.
        last: number up to which it kept all of them.
        counts_rows: whether it only numbers the rows.
    """

    name: str
    place: Float64
    n_distinct: float
    last: float = np.inf
    counts_rows: bool = False

    @cached_property
    def values(self) -> Int64:
        """The numbers of those that the lake has."""
        known: Int64 = self.place[self.place == np.floor(self.place)].astype(np.int64)
        return known


@dataclass(frozen=True)
class Found:
    """The columns that have a value of an asked one. Shapes: (m,) each.

    Attributes:
        column: ascending.
        n_common: values of both that are known.
        forth: share of the asked column's values that the other has.
        back: share of the other's values that the asked one has.
        worth: as forth, each value weighing its rarity.
        rarity: mean of the asked values; 0 where there are none.
    """

    column: Int64
    n_common: Int64
    forth: Float64
    back: Float64
    worth: Float64
    rarity: float


def asked_column(lake: Lake, column: int, counts_rows: bool = False) -> AskedColumn:
    """A column of the lake."""
    place = lake.values[lake.indptr[column] : lake.indptr[column + 1]].astype(np.float64)
    last = float(lake.last[column]) if lake.last[column] < len(lake.hashes) - 1 else np.inf
    return AskedColumn(lake.names[column], place, float(lake.n_distinct[column]), last, counts_rows)


def outside_columns(lake: Lake, table: Lake) -> Sequence[AskedColumn]:
    """The columns of a table that is not in the lake.

    Args:
        lake: whose values have numbers.
        table: a lake of this table alone.
    """
    place = np.searchsorted(lake.hashes, table.hashes).astype(np.float64)
    at = np.minimum(place.astype(np.int64), max(len(lake.hashes) - 1, 0))
    place[lake.hashes[at] != table.hashes if len(lake.hashes) else slice(None)] -= 0.5
    counts_rows, columns = numbers_rows(table), []
    for column, name in enumerate(table.names):
        values = table.values[table.indptr[column] : table.indptr[column + 1]]
        is_cut = table.n_distinct[column] > len(values)
        last = float(place[table.last[column]]) if is_cut and len(place) else np.inf
        columns.append(
            AskedColumn(name, place[values], float(table.n_distinct[column]), last, bool(counts_rows[column]))
        )
    return columns


def numbers_rows(lake: Lake) -> Bool:
    """Which columns only number the rows: whole numbers, each once, without a gap from 0 or 1 on, or without a name.

    Pandas writes such; what two tables share in them tells nothing. Shapes: result (C,).
    """
    is_nobodys = np.array(
        [is_nameless(*held) for held in zip(lake.names, lake.position.tolist(), strict=True)], np.bool_
    )
    is_each_once = (lake.kind == _INT) & (lake.n_rows > 1) & (lake.n_distinct >= lake.n_rows)
    with np.errstate(invalid="ignore"):
        is_dense = ((lake.low == 0) | (lake.low == 1)) & (lake.high - lake.low + 1 == lake.n_distinct)
    found: Bool = is_each_once & (is_dense | is_nobodys)
    return found


def find_columns(postings: Postings, lake: Lake, asked: AskedColumn) -> Found:
    """The columns that have a value of the asked one. O(the values' columns)."""
    rarity = rarities(postings, asked)
    counts, worth = np.zeros(postings.n_columns, np.int64), np.zeros(postings.n_columns)
    known = rarity[asked.place == np.floor(asked.place)]
    _meet(asked.values, known, postings.column_indptr, postings.column, counts, worth)
    column = np.flatnonzero(counts)
    # beyond the lesser threshold of two cut columns nothing can be compared
    is_cut = lake.last[column] < len(lake.hashes) - 1
    n_mine = np.full(len(column), len(asked.place))
    n_mine[is_cut] = np.searchsorted(asked.place, lake.last[column[is_cut]], side="right")
    mass = np.concatenate([[0.0], np.cumsum(rarity)])[n_mine]
    n_theirs = _n_until(lake, column, asked.last)
    forth = np.minimum(counts[column] / np.maximum(n_mine, 1), 1.0)
    back = np.minimum(counts[column] / np.maximum(n_theirs, 1), 1.0)
    worth = np.minimum(worth[column] / np.maximum(mass, 1e-9), 1.0)
    return Found(column, counts[column], forth, back, worth, float(rarity.mean()) if len(rarity) else 0.0)


@nb.njit(cache=True, nogil=True)
def _meet(
    values: Int64, rarity: Float64, indptr: Int64, column: NDArray[np.int32], counts: Int64, worth: Float64
) -> None:
    """How many of the values each column has, and how rare these are together."""
    for place in range(len(values)):
        for at in range(indptr[values[place]], indptr[values[place] + 1]):
            counts[column[at]] += 1
            worth[column[at]] += rarity[place]


def rarities(postings: Postings, asked: AskedColumn) -> Float64:
    """How rare each of the asked values is in the lake, (m,)."""
    held = np.zeros(len(asked.place))
    values = asked.values
    held[asked.place == np.floor(asked.place)] = postings.column_indptr[values + 1] - postings.column_indptr[values]
    found: Float64 = np.log((postings.n_columns + 1) / (held + 1)) + LEAST_RARITY
    return found


def mean_rarity(postings: Postings, asked: AskedColumn) -> float:
    """Of those of its values that the lake has; 0 where there are none."""
    values = asked.values
    held = postings.column_indptr[values + 1] - postings.column_indptr[values]
    rarity = np.log((postings.n_columns + 1) / (held + 1.0))
    return float(rarity.mean()) if len(rarity) else 0.0


def _n_until(lake: Lake, columns: Int64, last: float) -> Int64:
    """How many of the values that columns kept have at most this number, (m,)."""
    if np.isinf(last):
        found: Int64 = lake.indptr[columns + 1] - lake.indptr[columns]
        return found
    at, place = gather(lake.indptr, columns)
    found = np.bincount(place[lake.values[at] <= last], minlength=len(columns))
    return found

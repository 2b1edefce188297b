"""The columns of a lake as arrays: what is counted of each, and which folded values it has."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.encoding.pairs import sorted_pairs

Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]
UInt64 = NDArray[np.uint64]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

KINDS = ("none", "int", "float", "text")
FULL = np.uint64((1 << 64) - 1)
# the standard error of a distinct count estimated from 65,536 kept hashes is .4 %; three of them
CUT_TOLERANCE = 0.012


@dataclass(frozen=True)
class Lake:
    """C columns of T tables, columns of one table side by side.

    Shapes: tables (T,); table_of, position, n_rows, n_filled, n_distinct, kind, low, high, length (C,);
    indptr (C + 1,) into values (m,): each column's value numbers, ascending, and so in the order of their hashes;
    last (C,) number up to which a column kept all of its values; hashes (V,) of the values, ascending.

    Attributes:
        tables: names, with the folder before the last slash.
        names: (C,) of the columns.
        n_rows: of the column's table.
        n_filled: cells that are neither null nor an empty text.
        n_distinct: folded values; an estimate where they were cut.
        kind: index in KINDS.
        low, high: bounds of numbers, NaN where values are not numbers.
        length: mean characters of a value.
    """

    tables: Sequence[str]
    names: Sequence[str]
    table_of: Int64
    position: Int64
    n_rows: Float64
    n_filled: Float64
    n_distinct: Float64
    kind: Int64
    low: Float64
    high: Float64
    length: Float64
    indptr: Int64
    values: Int32
    last: Int64
    hashes: UInt64

    @property
    def n(self) -> int:
        """Columns."""
        return len(self.names)

    @cached_property
    def is_unique(self) -> Bool:
        """Which columns have as many values as filled cells, and two or more, (C,)."""
        kept = np.diff(self.indptr)
        need = np.where(self.n_distinct > kept, (1 - CUT_TOLERANCE) * self.n_filled, self.n_filled)
        return (self.n_distinct > 1) & (self.n_distinct >= need)

    @cached_property
    def shared(self) -> tuple[Int64, Int64, Int32]:
        """The values that stand in two columns or more, most of all values being alone.

        Returns: (s,) where they stand in `values`; (C + 1,) where those of each column begin; (s,) their numbers among
        themselves.
        """
        is_shared = np.bincount(self.values, minlength=len(self.hashes)) > 1
        places = np.flatnonzero(is_shared[self.values])
        number = np.cumsum(is_shared, dtype=np.int32) - np.int32(1)
        return places, np.searchsorted(places, self.indptr), number[self.values[places]]

    @cached_property
    def folder_of(self) -> Int64:
        """A number of each column's folder, (C,); folders ascend by name."""
        folders = [name.rpartition("/")[0] for name in self.tables]
        number = {folder: place for place, folder in enumerate(sorted(set(folders)))}
        return np.array([number[folder] for folder in folders], np.int64)[self.table_of]


def joined_lake(lake: Lake, table: Lake) -> Lake:
    """A lake with the columns of one table more, the last; their values are left out."""
    figures = ("position", "n_rows", "n_filled", "n_distinct", "kind", "low", "high", "length")
    return Lake(
        tables=[*lake.tables, *table.tables],
        names=[*lake.names, *table.names],
        table_of=np.concatenate([lake.table_of, table.table_of + len(lake.tables)]),
        indptr=np.concatenate([lake.indptr, np.full(table.n, lake.indptr[-1])]),
        values=lake.values,
        last=np.concatenate([lake.last, np.full(table.n, len(lake.hashes) - 1)]),
        hashes=lake.hashes,
        **{name: np.concatenate([getattr(lake, name), getattr(table, name)]) for name in figures},
    )


def numbered(hashes: Sequence[UInt64], thresholds: Sequence[int | None]) -> tuple[Int64, Int32, Int64, UInt64]:
    """Value numbers of columns of hashes: (indptr, values, last, hashes) of `Lake`. O(m log m).

    Args:
        hashes: of each column, ascending.
        thresholds: greatest hash kept; None where all were.
    """
    indptr = np.concatenate([[0], np.cumsum([len(one) for one in hashes])]).astype(np.int64)
    every = np.concatenate([np.empty(0, np.uint64), *hashes])
    known, number = np.unique(every, return_inverse=True)
    limits = np.array([FULL if one is None else one for one in thresholds], np.uint64)
    return indptr, number.astype(np.int32), np.searchsorted(known, limits, side="right") - 1, known


def postings(lake: Lake) -> tuple[Int64, Int32]:
    """The columns of each value, ascending: (indptr (V + 1,), columns (m,))."""
    n_values = int(lake.values.max()) + 1 if len(lake.values) else 0
    indptr = np.zeros(n_values + 1, np.int64)
    np.cumsum(np.bincount(lake.values, minlength=n_values), out=indptr[1:])
    owner = np.repeat(np.arange(lake.n, dtype=np.int32), np.diff(lake.indptr))
    return indptr, sorted_pairs(lake.values, owner)[1].astype(np.int32)

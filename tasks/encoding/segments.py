"""Columns of many small tables, one behind the other, so that a call is made for a type and not for a column."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types as t

Int64 = NDArray[np.int64]
UInt64 = NDArray[np.uint64]
Place = tuple[int, str]
"""The number of a table and the token of a column."""

# beyond so many rows a column pays for its own calls
SMALL_ROWS = 4096
_FULL_BYTES, _FULL_COLUMNS = 8 << 20, 4096


@dataclass(frozen=True)
class Segments:
    """Columns of one type. Shapes: places (k,); values (n,); starts (k + 1,): where each column begins in values."""

    places: list[Place]
    values: pa.Array
    starts: Int64

    @property
    def owner(self) -> Int64:
        """The column of each cell, (n,), ascending."""
        return np.repeat(np.arange(len(self.places)), np.diff(self.starts))

    def without_nulls(self) -> tuple[pa.Array, Int64]:
        """The cells that are there, (m,), and the column of each."""
        if not self.values.null_count:
            return self.values, self.owner
        is_there = np.asarray(self.values.is_valid().to_numpy(zero_copy_only=False))
        return self.values.drop_null(), self.owner[is_there]


@dataclass
class SmallColumns:
    """Columns that wait for others of their type."""

    _held: dict[pa.DataType, list[tuple[Place, pa.Array]]] = field(default_factory=dict)
    _n_bytes: dict[pa.DataType, int] = field(default_factory=dict)

    @staticmethod
    def takes(values: pa.Array) -> bool:
        """Whether a column is small, and of a type that is read in segments: integers, floats, text."""
        kind = values.type
        is_plain = t.is_integer(kind) or t.is_float32(kind) or t.is_float64(kind)
        return 0 < len(values) <= SMALL_ROWS and bool(is_plain or t.is_string(kind) or t.is_large_string(kind))

    def add(self, place: Place, values: pa.Array) -> None:
        """Takes a column, or a part of one, in."""
        self._held.setdefault(values.type, []).append((place, values))
        self._n_bytes[values.type] = self._n_bytes.get(values.type, 0) + _size(values)

    def full(self) -> Iterator[Segments]:
        """Hands out the types of which enough is there."""
        for kind in list(self._held):
            if self._n_bytes[kind] > _FULL_BYTES or len(self._held[kind]) > _FULL_COLUMNS:
                yield self._segments(kind)

    def rest(self) -> Iterator[Segments]:
        """Hands out all that is there."""
        for kind in list(self._held):
            yield self._segments(kind)

    def _segments(self, kind: pa.DataType) -> Segments:
        del self._n_bytes[kind]
        places, arrays = zip(*self._held.pop(kind), strict=True)
        starts = np.cumsum([0, *map(len, arrays)], dtype=np.int64)
        # offsets of 32 bits would bound the text of all columns together
        wide = [array.cast(pa.large_string()) for array in arrays] if t.is_string(kind) else arrays
        return Segments(list(places), pa.concat_arrays(wide), starts)


def _size(values: pa.Array) -> int:
    """Bytes of the cells; Arrow takes long to say it of numbers."""
    is_text = t.is_string(values.type) or t.is_large_string(values.type)
    return int(values.nbytes) if is_text else len(values) * (values.type.bit_width // 8)


def counted_pairs(values: pa.Array, owner: Int64) -> tuple[pa.Array, Int64, Int64, Int64]:
    """The distinct values, (d,), and of each (column, value): column, place among the distinct ones, cells, (u,) each.

    Shapes: values, owner (n,), without nulls.
    """
    encoded = values.dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    counted = pc.value_counts(pa.array(owner << 32 | codes))
    pairs = counted.field("values").to_numpy()
    return encoded.dictionary, pairs >> 32, pairs & 0xFFFFFFFF, counted.field("counts").to_numpy()


def first_of_each(owner: Int64, hashes: UInt64) -> Int64:
    """Places of the first of each (column, hash), by column and hash; shapes (n,), result (u,)."""
    if not len(hashes):
        return np.empty(0, np.int64)
    order = np.argsort(hashes)
    # short numbers are sorted by counting
    narrow = owner[order].astype(np.uint16) if owner.max() < 1 << 16 else owner[order]
    order = order[np.argsort(narrow, kind="stable")]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (hashes[order[1:]] != hashes[order[:-1]]) | (owner[order[1:]] != owner[order[:-1]])
    # which of equal ones a sort puts first is left to it
    return np.minimum.reduceat(order, np.flatnonzero(is_first))


def starts_of(owner: Int64, n: int) -> Int64:
    """Where each of n columns begins among ascending owners, and the end, (n + 1,)."""
    return np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n))])

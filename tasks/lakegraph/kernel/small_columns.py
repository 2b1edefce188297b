"""The samples of many small columns of one type; the same as those of each column alone."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types as t

from lakebed.tasks.encoding.segments import Int64, Place, Segments, counted_pairs, first_of_each, starts_of
from lakebed.tasks.encoding.sip_hashes import value_hashes
from lakebed.tasks.lakegraph.kernel.folding import TextNumbers, folded_texts
from lakebed.tasks.lakegraph.kernel.samples import (
    VALUE_KEY,
    FloatRule,
    UInt64,
    floats_taking_part,
    labels_of,
)

Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]


def sample_segments(segments: Segments, n_kept: int, rule: FloatRule) -> Iterator[tuple[Place, bytes, bytes]]:
    """Of each column the bytes of its `ValueSample` and of its `FoldedSample`.

    Args:
        segments: integers, floats or text.
        n_kept: how many values of a column are kept at most.
        rule: what floats become.
    """
    kind = segments.values.type
    sample = _floats if t.is_floating(kind) else _integers if t.is_integer(kind) else _texts
    exact, folded = sample(segments, rule)
    yield from zip(segments.places, exact.cut(n_kept), folded.cut(n_kept), strict=True)


@dataclass(frozen=True)
class _Exact:
    """Distinct values of k columns. Shapes: hashes (u,) ascending in each column, labels (u,), starts (k + 1,)."""

    hashes: UInt64
    labels: pa.LargeStringArray
    starts: Int64

    def cut(self, n_kept: int) -> Iterator[bytes]:
        """The bytes of each column's sample, cut to so many values; the parts of all columns are made at once."""
        offsets, text = self._texts()
        sizes = np.diff(offsets).astype(np.int32).tobytes()
        heads, hashes = np.stack(_cut(self.starts, n_kept), axis=1).tobytes(), self.hashes.tobytes()
        ends = offsets.tolist()
        for number, (first, last) in enumerate(_spans(self.starts, n_kept)):
            head = heads[16 * number : 16 * (number + 1)]
            text_of = text[ends[first] : ends[last]]
            yield b"".join([head, hashes[8 * first : 8 * last], sizes[4 * first : 4 * last], text_of])

    def _texts(self) -> tuple[Int64, memoryview]:
        """Offsets and bytes of the labels, which a fresh array holds side by side."""
        joined = pa.concat_arrays([self.labels])
        _, offsets, text = joined.buffers()
        if not len(joined):
            return np.zeros(1, np.int64), memoryview(b"")
        return np.frombuffer(offsets, np.int64, len(joined) + 1), memoryview(text or b"")


@dataclass(frozen=True)
class _Folded:
    """Folded values of k columns. Shapes: hashes (u,) ascending in each column; starts (k + 1,); others (k,)."""

    hashes: UInt64
    starts: Int64
    n_filled: Int64
    has_texts: Bool
    has_fractions: Bool
    low: Float64
    high: Float64
    is_own: bool

    def cut(self, n_kept: int) -> Iterator[bytes]:
        """The bytes of each column's `FoldedSample`, cut to so many values."""
        is_cut = _cut(self.starts, n_kept)[1]
        flags = (is_cut, np.full_like(is_cut, self.is_own), self.n_filled, self.has_texts, self.has_fractions)
        counts = np.stack(flags, axis=1).astype(np.int64)
        heads = np.concatenate([counts, np.stack([self.low, self.high], axis=1).view(np.int64)], axis=1)
        size, every, hashes = 8 * heads.shape[1], heads.tobytes(), self.hashes.tobytes()
        for number, (first, last) in enumerate(_spans(self.starts, n_kept)):
            yield every[size * number : size * (number + 1)] + hashes[8 * first : 8 * last]


def _cut(starts: Int64, n_kept: int) -> tuple[Int64, Int64]:
    """How many values each column keeps, and whether it has more; (k,) each."""
    sizes = np.diff(starts)
    return np.minimum(sizes, n_kept), (sizes > n_kept).astype(np.int64)


def _spans(starts: Int64, n_kept: int) -> Iterator[tuple[int, int]]:
    """From where to where the values stand that each column keeps."""
    return zip(starts[:-1].tolist(), (starts[:-1] + _cut(starts, n_kept)[0]).tolist(), strict=True)


def _integers(segments: Segments, rule: FloatRule) -> tuple[_Exact, _Folded]:
    n = len(segments.places)
    held, owner = segments.without_nulls()
    values, column, code, _ = counted_pairs(held, owner)
    exact = _exact(values, column, code, n)
    return exact, _of_numbers(held.to_numpy(zero_copy_only=False), owner, n, np.zeros(n, np.bool_))


def _floats(segments: Segments, rule: FloatRule) -> tuple[_Exact, _Folded]:
    n = len(segments.places)
    held, owner = segments.without_nulls()
    is_finite = np.isfinite(held.to_numpy(zero_copy_only=False))
    if not is_finite.all():
        held, owner = held.filter(pa.array(is_finite)), owner[is_finite]
    numbers = held.to_numpy(zero_copy_only=False)
    is_whole = np.floor(numbers) == numbers
    folded = _of_numbers(numbers, owner, n, np.bincount(owner[~is_whole], minlength=n) > 0)
    if rule.floats == "whole":
        held, owner = held.filter(pa.array(is_whole)), owner[is_whole]
    elif rule.floats == "out":
        held, owner = held.slice(0, 0), owner[:0]
    values = floats_taking_part(held, rule)
    return _exact(values, owner, np.arange(len(values)), n), folded


def _texts(segments: Segments, rule: FloatRule) -> tuple[_Exact, _Folded]:
    n = len(segments.places)
    values, column, code, counts = counted_pairs(*segments.without_nulls())
    texts = folded_texts(values)
    is_there = np.asarray(pc.not_equal(texts, "").to_numpy(zero_copy_only=False))
    filled = is_there[code]
    owner, code_there = column[filled], code[filled]
    found = TextNumbers.of(texts)
    hashes = found.hashes[code_there]
    order = first_of_each(owner, hashes)
    is_number = ~np.isnan(found.numbers[code_there])
    low, high = _bounds(found.numbers[code_there[is_number]], owner[is_number], n)
    folded = _Folded(
        hashes[order],
        starts_of(owner[order], n),
        np.bincount(owner, counts[filled], minlength=n).astype(np.int64),
        np.bincount(owner[~is_number], minlength=n) > 0,
        np.bincount(owner[found.is_fraction[code_there]], minlength=n) > 0,
        low,
        high,
        is_own=True,
    )
    return _exact(values, column, code, n), folded


def _exact(values: pa.Array, owner: Int64, code: Int64, n: int) -> _Exact:
    """From the values, and the column and place in `values` of each cell that counts."""
    every = value_hashes(values, None, VALUE_KEY)
    hashes = every[code]
    order = first_of_each(owner, hashes)
    chosen = pa.array(code[order])
    # what is told of a value is made once, of the fewer ones
    if len(values) < len(order):
        labels = labels_of(values, every).take(chosen)
    else:
        labels = labels_of(values.take(chosen), hashes[order])
    return _Exact(hashes[order], labels, starts_of(owner[order], n))


def _of_numbers(numbers: NDArray[np.generic], owner: Int64, n: int, has_fractions: Bool) -> _Folded:
    """Counts and bounds alone; the hashes are those of the exact sample."""
    none, nothing = np.empty(0, np.uint64), np.zeros(n + 1, np.int64)
    n_filled = np.bincount(owner, minlength=n)
    return _Folded(none, nothing, n_filled, np.zeros(n, np.bool_), has_fractions, *_bounds(numbers, owner, n), False)


def _bounds(numbers: NDArray[np.generic], owner: Int64, n: int) -> tuple[Float64, Float64]:
    """Least and greatest number of each column, (n,); inf and -inf where there is none. `owner` is ascending."""
    low, high = np.full(n, np.inf), np.full(n, -np.inf)
    if len(owner):
        starts = np.flatnonzero(np.diff(owner, prepend=-1))
        # a zero has no sign
        low[owner[starts]] = np.minimum.reduceat(numbers, starts) + 0.0
        high[owner[starts]] = np.maximum.reduceat(numbers, starts) + 0.0
    return low, high

"""Bottom-k samples of the distinct values of a column, coordinated over all columns by one hash.

Every column keeps the values of its k least hashes (Beyer et al., SIGMOD 2007, KMV). Two columns that were both cut
keep the same of their common values below the lesser of their two greatest hashes, so an overlap of samples estimates
the overlap of columns; a column of at most k distinct values is kept whole, and of two such the overlap is exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types as t

from lakebed.tasks.encoding.cells import value_is_null
from lakebed.tasks.encoding.distinct import is_first
from lakebed.tasks.encoding.sip_hashes import value_hashes
from lakebed.tasks.encoding.types import type_class

UInt64 = NDArray[np.uint64]

# a sample only has to be the same in every column, so its key is no secret
VALUE_KEY = b"lakebed-value-id"
LABEL_CHARS = 80


@dataclass(frozen=True)
class FloatRule:
    """What floats and decimals become: `out`, `whole`, `rounded` or `exact`; `digits` are significant ones."""

    floats: str = "out"
    digits: int = 6


@dataclass(frozen=True)
class ValueSample:
    """The values of the least hashes.

    Shapes: hashes (m,) uint64 ascending, each once; labels (m,) what people read, large_string.

    Attributes:
        is_cut: whether there were more.
    """

    hashes: UInt64
    labels: pa.LargeStringArray
    is_cut: bool = False

    @staticmethod
    def none() -> "ValueSample":
        """Of no values."""
        return ValueSample(np.empty(0, np.uint64), pa.array([], pa.large_string()))

    @property
    def n_distinct(self) -> int:
        """Distinct values of the column; of a cut sample the estimate (m - 1) / (greatest hash / 2^64)."""
        if not self.is_cut:
            return len(self.hashes)
        return int((len(self.hashes) - 1) / (float(self.hashes[-1]) / 2.0**64))

    def to_bytes(self) -> bytes:
        """The sample as bytes: number, cut, hashes, sizes of the labels, labels."""
        labels = self.labels.cast(pa.large_binary())
        sizes = pc.binary_length(labels).to_numpy(zero_copy_only=False).astype(np.int32)
        text = b"".join(labels.to_pylist()) if len(labels) < 64 else _joined(labels)
        return sample_bytes(self.hashes, sizes, text, is_cut=self.is_cut)

    @staticmethod
    def from_bytes(data: bytes) -> "ValueSample":
        """The sample that `to_bytes` wrote."""
        n, is_cut = np.frombuffer(data, np.int64, 2).tolist()
        hashes = np.frombuffer(data, np.uint64, n, 16)
        sizes = np.frombuffer(data, np.int32, n, 16 + 8 * n)
        offsets = np.zeros(n + 1, np.int64)
        np.cumsum(sizes, out=offsets[1:])
        text = pa.py_buffer(data)[16 + 12 * n :]
        return ValueSample(hashes, pa.LargeStringArray.from_buffers(n, pa.py_buffer(offsets), text), bool(is_cut))


def sample_bytes(hashes: UInt64, sizes: NDArray[np.int32], text: bytes | memoryview, *, is_cut: bool) -> bytes:
    """The bytes of a `ValueSample`: `sizes` are those of its labels in bytes, `text` the labels side by side."""
    head = np.array([len(hashes), is_cut], np.int64)
    return b"".join([head.tobytes(), hashes.tobytes(), sizes.tobytes(), text])


@dataclass(frozen=True)
class Least:
    """The least hashes that are known of a column: what is above them all is in no sample of it.

    Attributes:
        limit: the greatest of them; None while they are not as many as are kept.
        held: (m,) those that need not be told again, ascending.
    """

    limit: np.uint64 | None = None
    held: UInt64 = field(default_factory=lambda: np.empty(0, np.uint64))

    def chosen(self, hashes: UInt64) -> NDArray[np.int64]:
        """Places of the hashes that may be in a sample, in the order of the hashes."""
        if self.limit is None:
            return np.argsort(hashes)
        places = np.flatnonzero(hashes <= self.limit)
        return places[np.argsort(hashes[places])]

    def is_new(self, ordered: UInt64) -> NDArray[np.bool_]:
        """Which of some ascending hashes need to be told."""
        if not len(self.held):
            return np.ones(len(ordered), np.bool_)
        at = np.minimum(np.searchsorted(self.held, ordered), len(self.held) - 1)
        return np.asarray(self.held[at] != ordered)


NOTHING_KNOWN = Least()


def sample_values(values: pa.Array, n_kept: int, rule: FloatRule, known: Least = NOTHING_KNOWN) -> ValueSample:
    """The sample of one batch of a column. O(n log n); O(n) where little of the batch is below what is known.

    Args:
        values: the cells, nulls among them.
        n_kept: how many values are kept at most.
        rule: what floats become.
        known: of the column, from other batches.

    Raises:
        SourceError: for a type that has no canonical cells.
    """
    values = _taking_part(values, rule)
    if not len(values):
        return ValueSample.none()
    # a look into a hash table is cheaper than a hash, a sort and a label
    return sample_distinct(pc.unique(values) if _is_repeating(values.type) else values, n_kept, known)


def sample_distinct(
    values: pa.Array, n_kept: int, known: Least = NOTHING_KNOWN, found: UInt64 | None = None
) -> ValueSample:
    """The sample of values without nulls, of which few or none repeat; `found` (n,) are their hashes, if known."""
    found = value_hashes(values, None, VALUE_KEY) if found is None else found
    order = known.chosen(found)
    hashes = found[order]
    is_new = is_first(hashes)
    if not is_new.all():
        # of equal ones the first stands, whichever the sort has put before the others
        hashes, order = hashes[is_new], np.minimum.reduceat(order, np.flatnonzero(is_new))
    is_cut = len(hashes) > n_kept or known.limit is not None
    # labels of zeros may differ, of which the lesser stays
    kind = values.type.value_type if t.is_dictionary(values.type) else values.type
    if len(known.held) and not (t.is_floating(kind) or t.is_decimal(kind)):
        is_new = known.is_new(hashes)
        hashes, order = hashes[is_new], order[is_new]
    return ValueSample(hashes[:n_kept], labels_of(values.take(pa.array(order[:n_kept])), hashes), is_cut)


def merge_samples(parts: Sequence[ValueSample], n_kept: int) -> ValueSample:
    """The sample of the whole from those of its parts, in any order; of two labels of a value the lesser stays."""
    if len(parts) == 1:
        return parts[0]
    hashes = np.concatenate([part.hashes for part in parts])
    labels = pa.concat_arrays([part.labels for part in parts])
    order = np.argsort(hashes)
    is_new = is_first(hashes[order])
    again = np.flatnonzero(~is_new)
    # labels decide between equal hashes, so that the order of the parts does not
    if not labels.take(pa.array(order[again])).equals(labels.take(pa.array(order[again - 1]))):
        order = np.lexsort((np.asarray(pc.rank(labels, tiebreaker="dense").to_numpy(zero_copy_only=False)), hashes))
    kept = order[is_new]
    is_cut = len(kept) > n_kept or any(part.is_cut for part in parts)
    return ValueSample(hashes[kept[:n_kept]], labels.take(pa.array(kept[:n_kept])), is_cut)


def labels_of(values: pa.Array, hashes: UInt64) -> pa.LargeStringArray:
    """What people read for each value: its text, cut to 80 characters; the type and the hash where it has none."""
    if t.is_dictionary(values.type):
        values = values.dictionary_decode()
    name = type_class(values.type)
    if name in {"nested", "binary", "duration"}:
        return pa.array([f"{name} {number:016x}" for number in hashes[: len(values)].tolist()], pa.large_string())
    if t.is_integer(values.type):
        return values.cast(pa.large_string())
    text = values if t.is_large_string(values.type) else values.cast(pa.string()).cast(pa.large_string())
    return pc.utf8_slice_codeunits(text, 0, LABEL_CHARS)


def _joined(labels: pa.LargeBinaryArray) -> bytes:
    """The bytes of all labels, which a fresh array holds side by side."""
    joined = pa.concat_arrays([labels])
    offsets = np.frombuffer(joined.buffers()[1], np.int64, len(joined) + 1, joined.offset * 8)
    return bytes(memoryview(joined.buffers()[2])[offsets[0] : offsets[-1]])


def _is_repeating(type_: pa.DataType) -> bool:
    return bool(t.is_integer(type_) or t.is_boolean(type_) or t.is_string(type_) or t.is_large_string(type_))


def _taking_part(values: pa.Array, rule: FloatRule) -> pa.Array:
    """The cells that are values: no nulls, no NaN, and of floats and decimals what the rule says."""
    if values.null_count or t.is_dictionary(values.type):
        values = values.filter(pa.array(~value_is_null(values)))
    if not (t.is_floating(values.type) or t.is_decimal(values.type)):
        return values
    if rule.floats == "out":
        return values.slice(0, 0)
    if t.is_floating(values.type):
        values = values.filter(pc.is_finite(values))
    if rule.floats == "whole":
        return values.filter(pc.equal(pc.floor(values), values))
    return floats_taking_part(values, rule)


def floats_taking_part(values: pa.Array, rule: FloatRule) -> pa.Array:
    """What finite floats and decimals become; rounded where the rule says so."""
    return pa.array(_rounded(values, rule.digits)) if rule.floats == "rounded" else values


def _rounded(values: pa.Array, digits: int) -> NDArray[np.float64]:
    """The values rounded to significant digits, half to even, as float64."""
    floats = np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    with np.errstate(divide="ignore"):
        magnitude = np.where(floats == 0, 0.0, np.floor(np.log10(np.abs(floats))))
    places = digits - 1 - magnitude
    up = places >= 0
    with np.errstate(over="ignore", invalid="ignore"):
        scale = 10.0 ** np.abs(places)
        moved = np.rint(np.where(up, floats * scale, floats / scale))
        rounded = np.where(up, moved / scale, moved * scale)
    return np.where(np.isfinite(rounded), rounded, floats)

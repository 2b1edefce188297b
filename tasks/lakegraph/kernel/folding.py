"""Values folded for search and keys: what two people would call the same is the same.

Text is trimmed, runs of blanks become one, and case goes; text that is a canonical number becomes that number; dates
and times become their text; an empty text is nothing. Numbers and all else stay as the exact sample has them, so their
folded hashes are its hashes. Containment's own equality knows nothing of this.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types as t

from lakebed.tasks.encoding.ascii_text import EMPTY, OTHER, WORD, UInt8, folded_ascii
from lakebed.tasks.encoding.cells import value_is_null
from lakebed.tasks.encoding.distinct import distinct, is_first
from lakebed.tasks.encoding.sip_hashes import value_hashes
from lakebed.tasks.encoding.types import type_class
from lakebed.tasks.lakegraph.kernel.samples import (
    NOTHING_KNOWN,
    VALUE_KEY,
    FloatRule,
    Least,
    UInt64,
    ValueSample,
    sample_distinct,
    sample_values,
)

_WHOLE = r"^-?(0|[1-9][0-9]{0,17})(\.0+)?$"
_FRACTION = r"^-?[0-9]+\.[0-9]+$"
_NO_LABELS = pa.array([], pa.large_string())
_FIELDS = 5
_LOOKED_AT = 4096


@dataclass(frozen=True)
class FoldedSample:
    """The folded values of a column, or of a part of it.

    Shapes: hashes (m,) uint64 ascending, each once, the least of them; empty for columns that folding leaves alone.

    Attributes:
        is_cut: whether there were more.
        is_own: whether folding changes values of this type, so that `hashes` are not those of the exact sample.
        n_filled: cells that are neither null nor an empty text.
        has_texts: whether there are values that are no number.
        has_fractions: whether there are numbers that are not whole.
        low, high: least and greatest number; inf and -inf where there is none.
    """

    hashes: UInt64
    is_cut: bool = False
    is_own: bool = False
    n_filled: int = 0
    has_texts: bool = False
    has_fractions: bool = False
    low: float = np.inf
    high: float = -np.inf

    @property
    def kind(self) -> str:
        """`none`, `int`, `float`, or `text` where a value is no number."""
        if not self.n_filled:
            return "none"
        return "text" if self.has_texts else "float" if self.has_fractions else "int"

    @property
    def n_distinct(self) -> int:
        """Distinct folded values; of a cut sample the estimate of `ValueSample`."""
        return ValueSample(self.hashes, _NO_LABELS, self.is_cut).n_distinct

    def to_bytes(self) -> bytes:
        """The sample as bytes: counts, bounds, hashes."""
        counts = np.array([self.is_cut, self.is_own, self.n_filled, self.has_texts, self.has_fractions], np.int64)
        return counts.tobytes() + np.array([self.low, self.high]).tobytes() + self.hashes.tobytes()

    @staticmethod
    def from_bytes(data: bytes) -> "FoldedSample":
        """The sample that `to_bytes` wrote."""
        is_cut, is_own, n_filled, has_texts, has_fractions = np.frombuffer(data, np.int64, _FIELDS).tolist()
        low, high = np.frombuffer(data, np.float64, 2, 8 * _FIELDS).tolist()
        hashes = np.frombuffer(data, np.uint64, -1, 8 * _FIELDS + 16)
        return FoldedSample(
            hashes, bool(is_cut), bool(is_own), n_filled, bool(has_texts), bool(has_fractions), low, high
        )

    @staticmethod
    def none() -> "FoldedSample":
        """Of no cells."""
        return FoldedSample(np.empty(0, np.uint64))


@dataclass(frozen=True)
class Known:
    """What earlier batches say of a column: its least hashes, as they are and folded, and whether values repeat."""

    exact: Least = NOTHING_KNOWN
    folded: Least = NOTHING_KNOWN
    is_repeating: bool = True


ALL_NEW = Known()


def sample_and_fold(
    values: pa.Array, n_kept: int, rule: FloatRule, known: Known = ALL_NEW
) -> tuple[ValueSample, FoldedSample]:
    """What `sample_values` and `fold_values` give for one batch of a column, with one look for its distinct values."""
    kind = values.type
    is_counted = t.is_integer(kind) or t.is_string(kind) or t.is_large_string(kind) or t.is_temporal(kind)
    if not is_counted or t.is_duration(kind) or t.is_interval(kind) or not len(values):
        return sample_values(values, n_kept, rule, known.exact), fold_values(values, n_kept, known)
    held = values.drop_null() if values.null_count else values
    if t.is_integer(kind):
        values = pc.unique(held) if known.is_repeating else held
        return sample_distinct(values, n_kept, known.exact), replace(_of_numbers(values), n_filled=len(held))
    texts = _plain_text(held) if t.is_string(kind) else held
    counts = None
    if known.is_repeating:
        counted = pc.value_counts(texts)
        texts, counts = counted.field("values"), counted.field("counts")
    if t.is_temporal(kind):
        return sample_distinct(texts, n_kept, known.exact), _of_counted_texts(_plain_text(texts), counts, n_kept, known)
    hashes = value_hashes(texts, None, VALUE_KEY)
    return (
        sample_distinct(texts, n_kept, known.exact, hashes),
        _of_counted_texts(texts, counts, n_kept, known, hashes),
    )


def is_repeating(values: pa.Array) -> bool:
    """Whether half of the first values of a batch or fewer are distinct, so that a look for equal ones pays."""
    first = values.slice(0, _LOOKED_AT)
    is_comparable = t.is_primitive(first.type) or t.is_string(first.type) or t.is_large_string(first.type)
    return not is_comparable or 2 * int(pc.count_distinct(first).as_py()) <= len(first)


def fold_values(values: pa.Array, n_kept: int, known: Known = ALL_NEW) -> FoldedSample:
    """The folded sample of one batch of a column. O(n), and O(u log u) for u distinct texts.

    Args:
        values: the cells, nulls among them.
        n_kept: how many values are kept at most.
        known: of the column, from other batches.
    """
    if values.null_count or t.is_dictionary(values.type):
        values = values.filter(pa.array(~value_is_null(values)))
    kind = type_class(values.type)
    if kind == "number":
        return _of_numbers(values)
    if kind not in {"string", "date", "timestamp", "time"}:
        return replace(FoldedSample.none(), n_filled=len(values), has_texts=len(values) > 0)
    counted = pc.value_counts(_plain_text(values))
    return _of_counted_texts(counted.field("values"), counted.field("counts"), n_kept, known)


def _of_counted_texts(
    texts: pa.LargeStringArray, counts: pa.Array | None, n_kept: int, known: Known, hashes: UInt64 | None = None
) -> FoldedSample:
    """From texts, how often each occurs (None: once), and their hashes, if known."""
    folded, kinds = _folded(texts)
    if hashes is None or not folded.equals(texts):
        hashes = value_hashes(folded, None, VALUE_KEY)
    # what may be a number, or is told apart by Arrow alone
    others = folded.filter(pa.array(kinds > WORD))
    others = pc.unique(others.filter(pc.not_equal(others, "")))
    is_there = kinds != EMPTY
    if (kinds == OTHER).any():
        is_there = _mask(pc.not_equal(folded, ""))
    n_filled = int(is_there.sum() if counts is None else counts.to_numpy()[is_there].sum())
    found = _of_texts(others, hashes[kinds == WORD], n_kept, known.folded)
    return replace(found, is_own=True, n_filled=n_filled)


def merge_folded(parts: Sequence[FoldedSample], n_kept: int) -> FoldedSample:
    """The sample of the whole from those of its parts, in any order."""
    if len(parts) == 1:
        return parts[0]
    hashes = distinct(np.concatenate([part.hashes for part in parts]))
    return FoldedSample(
        hashes[:n_kept],
        len(hashes) > n_kept or any(part.is_cut for part in parts),
        any(part.is_own for part in parts),
        sum(part.n_filled for part in parts),
        any(part.has_texts for part in parts),
        any(part.has_fractions for part in parts),
        min(part.low for part in parts),
        max(part.high for part in parts),
    )


def folded_texts(texts: pa.Array) -> pa.Array:
    """Trimmed, with single blanks, in lower case; large_string in, large_string out. No text may be null."""
    return _folded(texts)[0]


def _folded(texts: pa.LargeStringArray) -> tuple[pa.LargeStringArray, UInt8]:
    """The same, and what `folded_ascii` says of each."""
    folded, kinds = folded_ascii(texts)
    is_other = pa.array(kinds == OTHER)
    if not pc.any(is_other).as_py():
        return folded, kinds
    others = pc.utf8_lower(pc.utf8_trim_whitespace(texts.filter(is_other)))
    is_odd = pc.match_substring_regex(others, r"[\s\p{Z}][\s\p{Z}]|[^\S ]|[^\P{Z} ]")
    if pc.any(is_odd).as_py():
        others = pc.if_else(is_odd, pc.replace_substring_regex(others, r"[\s\p{Z}]+", " "), others)
    return pc.replace_with_mask(folded, is_other, others), kinds


def _plain_text(values: pa.Array) -> pa.LargeStringArray:
    if t.is_dictionary(values.type):
        values = values.dictionary_decode()
    if t.is_large_string(values.type):
        return values
    texts = values.cast(pa.string()).cast(pa.large_string())
    # the text of a timestamp has as many decimals as its type
    return pc.replace_substring_regex(texts, r"\.0+$", "") if t.is_timestamp(values.type) else texts


@dataclass(frozen=True)
class TextNumbers:
    """Folded texts, and those that are numbers as numbers.

    Shapes: hashes (n,) uint64; numbers (n,) float64, NaN where the text is none; is_fraction (n,).
    """

    hashes: UInt64
    numbers: NDArray[np.float64]
    is_fraction: NDArray[np.bool_]

    @staticmethod
    def of(texts: pa.Array) -> "TextNumbers":
        """Of folded texts, large_string."""
        is_whole = _mask(pc.match_substring_regex(texts, _WHOLE))
        is_fraction = _mask(pc.match_substring_regex(texts, _FRACTION)) & ~is_whole
        is_word = ~(is_whole | is_fraction)
        whole, fractions, words = (texts.filter(pa.array(mask)) for mask in (is_whole, is_fraction, is_word))
        whole = pc.cast(pc.replace_substring_regex(whole, r"\.0+$", ""), pa.int64())
        fractions = pc.cast(fractions, pa.float64())
        hashes, numbers = np.empty(len(texts), np.uint64), np.full(len(texts), np.nan)
        for mask, one in ((is_word, words), (is_whole, whole), (is_fraction, fractions)):
            hashes[mask] = value_hashes(one, None, VALUE_KEY)
            if one is not words:
                numbers[mask] = one.to_numpy(zero_copy_only=False)
        return TextNumbers(hashes, numbers, is_fraction)


def _mask(values: pa.Array) -> NDArray[np.bool_]:
    return np.asarray(values.to_numpy(zero_copy_only=False), np.bool_)


def _of_texts(texts: pa.Array, words: UInt64, n_kept: int, known: Least) -> FoldedSample:
    """Of distinct folded texts, of which those that are numbers become numbers, and of the hashes of others."""
    found = TextNumbers.of(texts)
    every = np.concatenate([words, found.hashes])
    hashes = every[known.chosen(every)]
    hashes = hashes[is_first(hashes)]
    is_cut = len(hashes) > n_kept or known.limit is not None
    hashes = hashes[known.is_new(hashes)]
    numbers = found.numbers[~np.isnan(found.numbers)]
    return FoldedSample(
        hashes[:n_kept],
        is_cut,
        has_texts=len(words) > 0 or len(numbers) < len(texts),
        has_fractions=bool(found.is_fraction.any()),
        low=float(numbers.min(initial=np.inf)) + 0.0,
        high=float(numbers.max(initial=-np.inf)) + 0.0,
    )


def _of_numbers(values: pa.Array) -> FoldedSample:
    """Counts and bounds alone; the hashes are those of the exact sample."""
    if t.is_dictionary(values.type):
        values = values.dictionary_decode()
    is_whole = t.is_integer(values.type)
    if not is_whole:
        values = values.cast(pa.float64(), safe=False)
        values = values.filter(pc.is_finite(values))
    has_fractions = not is_whole and bool(pc.any(pc.not_equal(pc.floor(values), values)).as_py())
    bounds = pc.min_max(values) if len(values) else None
    return FoldedSample(
        np.empty(0, np.uint64),
        n_filled=len(values),
        has_fractions=has_fractions,
        # a zero has no sign
        low=np.inf if bounds is None else float(bounds["min"].as_py()) + 0.0,
        high=-np.inf if bounds is None else float(bounds["max"].as_py()) + 0.0,
    )

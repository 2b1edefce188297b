"""Multisets of row hashes: their order-free hash, and their distinct members with counts."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.encoding.signatures import (
    READ_TABLE,
    READ_WORDS,
    TABLE,
    WORDS,
    Integers,
    Words,
    inner,
    int64,
    kernel,
    tuple_of,
)
from lakebed.tasks.encoding.sip_hashes import KEY_BYTES, Hashes, domain_state
from lakebed.tasks.encoding.siphash import sum_lanes
from lakebed.tasks.encoding.words import MULTISET_DOMAIN

MULTISET_BYTES = 32
_N_LANES = 4
_MAX_BUCKET_BITS = 16
_ROWS_PER_BUCKET = 64
_INSERTION_ROWS = 24
_NO_COUNTS = np.empty(0, np.uint64)

Counts = NDArray[np.uint64] | NDArray[np.int64]


def multiset_hash(hashes: Hashes, counts: Counts | None = None) -> bytes:
    """32 bytes for a multiset of row hashes, the same for every order, additive over disjoint parts.

    Four lanes of 64 bits, summed modulo 2^64 and weighted by the counts: the two words of the row hash and two
    more that SipHash draws from it. Sums, not XOR: two equal rows do not cancel.

    Shapes: hashes (n, 2); counts (n,) or None: once each.
    """
    weights = _weights(len(hashes), counts)
    if len(hashes) == 0:
        return bytes(MULTISET_BYTES)
    lanes = sum_lanes(_lane_state(), np.ascontiguousarray(hashes), weights)
    return np.array(lanes, dtype="<u8").tobytes()


def add_multiset_hashes(parts: Iterable[bytes]) -> bytes:
    """The hash of the union, with multiplicities added, of the multisets that the parts are hashes of."""
    total = np.zeros(_N_LANES, np.uint64)
    for part in parts:
        if len(part) != MULTISET_BYTES:
            raise ValueError(f"a multiset hash has {len(part)} bytes, expected {MULTISET_BYTES}")
        total += np.frombuffer(part, "<u8")
    return total.astype("<u8").tobytes()


def distinct_counts(hashes: Hashes, counts: Counts | None = None) -> tuple[Hashes, NDArray[np.int64]]:
    """The distinct hashes in the order of (high, low), and how often each occurs.

    Args:
        hashes: (n, 2) in any order.
        counts: (n,) of each, to merge partial counts; None: one each.

    Returns: (m, 2) sorted hashes and (m,) counts. Expected O(n) for hashes spread evenly, O(n log n) at worst.
    """
    n = len(hashes)
    if n == 0:
        return np.empty((0, 2), np.uint64), np.empty(0, np.int64)
    weights = _weights(n, counts)
    rows = np.ascontiguousarray(hashes)
    bits = min(_MAX_BUCKET_BITS, max(n // _ROWS_PER_BUCKET, 1).bit_length() - 1)
    shift = max(int(rows[:, 0].max()).bit_length() - bits, 0)
    rows, weights = bucket_sort(rows, weights, shift, bits)
    unique, totals = count_runs(rows, weights)
    return unique, totals.view(np.int64)


def _weights(n: int, counts: Counts | None) -> Words:
    if counts is None:
        return _NO_COUNTS
    if len(counts) != n:
        raise ValueError(f"{n} hashes cannot have {len(counts)} counts")
    return np.ascontiguousarray(counts).astype(np.uint64)


@cache
def _lane_state() -> NDArray[np.uint64]:
    """The key is fixed: the row hashes are keyed already."""
    return domain_state(MULTISET_DOMAIN, 0, bytes(KEY_BYTES))


@inner
def _is_less(rows: Words, i: int, high: np.uint64, low: np.uint64) -> bool:
    return bool(rows[i, 0] < high or (rows[i, 0] == high and rows[i, 1] < low))


@inner
def _is_more(rows: Words, i: int, high: np.uint64, low: np.uint64) -> bool:
    return bool(rows[i, 0] > high or (rows[i, 0] == high and rows[i, 1] > low))


@inner
def _swap(rows: Words, weights: Words, i: int, j: int) -> None:
    rows[i, 0], rows[j, 0] = rows[j, 0], rows[i, 0]
    rows[i, 1], rows[j, 1] = rows[j, 1], rows[i, 1]
    if weights.size:
        weights[i], weights[j] = weights[j], weights[i]


@inner
def _insertion_sort(rows: Words, weights: Words, first: int, end: int) -> None:
    for i in range(first + 1, end):
        high, low, j = rows[i, 0], rows[i, 1], i
        weight = weights[i] if weights.size else np.uint64(0)
        while j > first and _is_more(rows, j - 1, high, low):
            rows[j, 0], rows[j, 1] = rows[j - 1, 0], rows[j - 1, 1]
            if weights.size:
                weights[j] = weights[j - 1]
            j -= 1
        rows[j, 0], rows[j, 1] = high, low
        if weights.size:
            weights[j] = weight


@inner
def _partition(rows: Words, weights: Words, first: int, end: int) -> tuple[int, int]:
    """Rows below, equal to and above a pivot; the bounds of the middle part, which many equal rows keep large."""
    middle = (first + end) // 2
    high, low = rows[middle, 0], rows[middle, 1]
    below, i, above = first, first, end
    while i < above:
        if _is_less(rows, i, high, low):
            _swap(rows, weights, below, i)
            below += 1
            i += 1
        elif rows[i, 0] == high and rows[i, 1] == low:
            i += 1
        else:
            above -= 1
            _swap(rows, weights, i, above)
    return below, above


@inner
def _sort_range(rows: Words, weights: Words, first: int, end: int, stack: Integers) -> None:
    """Quicksort with a stack of its own; the larger part waits, so the stack stays below 64 entries."""
    depth = 0
    while True:
        if end - first <= _INSERTION_ROWS:
            _insertion_sort(rows, weights, first, end)
            if depth == 0:
                return
            depth -= 1
            first, end = stack[depth, 0], stack[depth, 1]
            continue
        below, above = _partition(rows, weights, first, end)
        if below - first < end - above:
            stack[depth, 0], stack[depth, 1] = above, end
            end = below
        else:
            stack[depth, 0], stack[depth, 1] = first, below
            first = above
        depth += 1


@inner
def _bucket(high: np.uint64, shift: int, bits: int) -> int:
    """The highest bits of a word; a shift by all its 64 bits would be undefined."""
    return np.int64(high >> np.uint64(shift)) if bits else np.int64(0)  # type: ignore[return-value]


@kernel(tuple_of(TABLE, WORDS)(READ_TABLE, READ_WORDS, int64, int64))
def bucket_sort(hashes: Words, counts: Words, shift: int, bits: int) -> tuple[Words, Words]:
    """A sorted copy, with the counts moved along: one pass into buckets by the highest bits, then each by itself."""
    n, n_buckets = hashes.shape[0], 1 << bits
    starts = np.zeros(n_buckets + 1, np.int64)
    for i in range(n):
        starts[_bucket(hashes[i, 0], shift, bits) + 1] += 1
    for b in range(n_buckets):
        starts[b + 1] += starts[b]
    at, rows, weights = starts.copy(), np.empty((n, 2), np.uint64), np.empty(counts.size, np.uint64)
    for i in range(n):
        b = _bucket(hashes[i, 0], shift, bits)
        j = at[b]
        at[b] += 1
        rows[j, 0], rows[j, 1] = hashes[i, 0], hashes[i, 1]
        if counts.size:
            weights[j] = counts[i]
    stack = np.empty((64, 2), np.int64)
    for b in range(n_buckets):
        _sort_range(rows, weights, starts[b], starts[b + 1], stack)
    return rows, weights


@kernel(tuple_of(TABLE, WORDS)(READ_TABLE, READ_WORDS))
def count_runs(rows: Words, weights: Words) -> tuple[Words, Words]:
    """The distinct rows of sorted ones, and the sum of their weights (no weights: one each)."""
    n, m = rows.shape[0], 0
    for i in range(n):
        if i == 0 or rows[i, 0] != rows[i - 1, 0] or rows[i, 1] != rows[i - 1, 1]:
            m += 1
    unique, counts = np.empty((m, 2), np.uint64), np.zeros(m, np.uint64)
    at = -1
    for i in range(n):
        if i == 0 or rows[i, 0] != rows[i - 1, 0] or rows[i, 1] != rows[i - 1, 1]:
            at += 1
            unique[at, 0], unique[at, 1] = rows[i, 0], rows[i, 1]
        counts[at] += weights[i] if weights.size else np.uint64(1)
    return unique, counts


KERNELS: tuple[Any, ...] = (bucket_sort, count_runs)

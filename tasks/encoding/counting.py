"""Counts the row hashes of many lists at once, and compares lists: nothing is sorted, every pair comes out together.

A list is what one table has of one column subset. All lists of a bucket of the hash range go into one open-addressing
table of distinct hashes, which stays small enough for the processor's cache; a list is then the slots that it holds and
how often it holds each. A pair is compared slot by slot. Buckets are made by the uppermost bits of the hashes
(`scatter_pieces`), so that a list is the union of its parts in the buckets, and counts and sums add up.

Hashes come in pieces, one after the other list by list: piece p is rows[starts[p]:ends[p]].
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba.core.types import Array

from lakebed.tasks.encoding.aes import encrypt_rows
from lakebed.tasks.encoding.secret import sum_keys
from lakebed.tasks.encoding.signatures import (
    INTEGERS,
    READ_INTEGERS,
    READ_TABLE,
    TABLE,
    WORDS,
    Integers,
    Words,
    boolean,
    inner,
    int64,
    kernel,
    tuple_of,
)

MIN_SLOTS = 16
MAX_FIRST_SLOTS = 1 << 16
N_COUNTS = 5
_PROBE_ROOM = 64
_NUMBERS = Array(int64, 2, "C")
_0, _1, _LOW32, _32 = np.uint64(0), np.uint64(1), np.uint64(0xFFFFFFFF), np.uint64(32)


@dataclass(frozen=True)
class Pieces:
    """Row hashes of lists.

    Shapes: rows (n, 2); starts, ends (p,) of the pieces in it, those of a list together; first_piece (lists + 1,).
    """

    rows: Words
    starts: Integers
    ends: Integers
    first_piece: Integers

    @property
    def largest(self) -> int:
        """Rows of the largest list."""
        sizes = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.ends - self.starts)])[self.first_piece]
        return int(np.diff(sizes).max(initial=0))


@dataclass(frozen=True)
class CountedLists:
    """What each list holds. Shapes: slots (m, 2) distinct hashes; first (lists + 1,) into places and counts (Σ,)."""

    slots: Words
    first: Integers
    places: Integers
    counts: Integers


@dataclass(frozen=True)
class Compared:
    """Pairs of lists.

    Shapes: numbers (k, 5): distinct and all rows of the child, of the parent, and rows missing (bag: with repeats);
    child_sums, matched_sums (k, 2): sums modulo 2^128 (high, low) over the child's rows, and over those of the parent
    that match them (bag: with multiplicities).
    """

    numbers: Integers
    child_sums: Words
    matched_sums: Words


def scatter(hashes: Words, bits: int, out: Words | None = None) -> tuple[Words, Integers]:
    """Hashes ordered by their uppermost bits, and where each bucket begins.

    Shapes: hashes, the result and `out`, which it is made in where it is given, (n, 2); begins (2^bits + 1,).
    """
    rows = np.empty_like(hashes) if out is None else out
    one = np.array([0]), np.array([len(hashes)], np.int64)
    edges = _scattered_pieces(np.ascontiguousarray(hashes), *one, 64 - bits, bits, rows)
    return rows, edges[0]


def probed(hashes: Words, share: int) -> Words:
    """The high words of those rows, in their order, whose low words are multiples of a share, a power of two.

    No more than four times as many as expected, for rows that repeat.
    """
    found: Words = _probed(np.ascontiguousarray(hashes), share)
    return found


def scatter_pieces(pieces: Pieces, bits: int) -> tuple[Words, Integers]:
    """Every piece ordered by its uppermost bits below those that all rows have in common.

    Returns: rows, and edges (p, 2^bits + 1): bucket b of piece p is
    rows[edges[p, b]:edges[p, b + 1]].
    """
    shift = max(0, _top_bits(pieces.rows) - bits)
    rows = np.empty_like(pieces.rows)
    return rows, _scattered_pieces(pieces.rows, pieces.starts, pieces.ends, shift, bits, rows)


def _top_bits(rows: Words) -> int:
    """Number of lower bits in which high words differ: those of one bucket have their upper bits in common."""
    if not len(rows):
        return 0
    return int(rows[:, 0].max() ^ rows[:, 0].min()).bit_length()


def count_lists(pieces: Pieces) -> CountedLists:
    """Counts every list. Expected O(rows); memory 24 bytes a distinct hash and 16 a distinct hash of a list."""
    wanted = max(MIN_SLOTS, min(pieces.largest + pieces.largest // 2, MAX_FIRST_SLOTS))
    n_slots = 1 << wanted.bit_length()
    while True:
        slots = np.zeros((n_slots, 2), np.uint64)
        is_done, first, places, counts = _counted(pieces.rows, pieces.starts, pieces.ends, pieces.first_piece, slots)
        if is_done:
            return CountedLists(slots, first, places, counts)
        n_slots *= 2


def compare_lists(lists: CountedLists, children: Integers, parents: Integers, key: bytes, *, is_bag: bool) -> Compared:
    """Compares lists pair by pair. O(rows of the parents, once each, + distinct rows of the child of each pair).

    Args:
        lists: of one bucket.
        children: (k,) list of the child of each pair.
        parents: (k,) list of its parent; pairs of one parent follow each other.
        key: 32 bytes, of the row hashes; the sums are taken under a key drawn from it.
        is_bag: whether repeats count.
    """
    images = encrypt_rows(lists.slots, sum_keys(key))
    return Compared(*_compared((lists.first, lists.places, lists.counts), images, children, parents, is_bag))


@kernel(_NUMBERS(READ_TABLE, READ_INTEGERS, READ_INTEGERS, int64, int64, TABLE))
def _scattered_pieces(rows: Words, starts: Integers, ends: Integers, shift: int, bits: int, out: Words) -> Integers:
    n_buckets, at = 1 << bits, 0
    edges, mask = np.zeros((starts.size, n_buckets + 1), np.int64), np.uint64(n_buckets - 1)
    down = np.uint64(min(shift, 63))
    place = np.empty(n_buckets, np.int64)
    for piece in range(starts.size):
        row = edges[piece]
        for i in range(starts[piece], ends[piece]):
            row[np.int64((rows[i, 0] >> down) & mask) + 1] += 1
        row[0] = at
        for b in range(n_buckets):
            row[b + 1] += row[b]
        place[:] = row[:n_buckets]
        for i in range(starts[piece], ends[piece]):
            bucket = np.int64((rows[i, 0] >> down) & mask)
            out[place[bucket], 0], out[place[bucket], 1] = rows[i, 0], rows[i, 1]
            place[bucket] += 1
        at = row[n_buckets]
    return edges


@kernel(WORDS(READ_TABLE, int64))
def _probed(rows: Words, share: int) -> Words:
    """Without a branch that depends on the rows."""
    out, at, mask = np.empty(_PROBE_ROOM + 4 * rows.shape[0] // share, np.uint64), 0, np.uint64(share - 1)
    for i in range(rows.shape[0]):
        out[at] = rows[i, 0]
        at += (rows[i, 1] & mask) == _0
        if at == out.size:
            break
    return out[:at].copy()


@kernel(tuple_of(boolean, INTEGERS, INTEGERS, INTEGERS)(READ_TABLE, READ_INTEGERS, READ_INTEGERS, READ_INTEGERS, TABLE))
def _counted(
    rows: Words, starts: Integers, ends: Integers, first_piece: Integers, slots: Words
) -> tuple[bool, Integers, Integers, Integers]:
    """(False, …) where the slots are too few. A slot of two zeros is empty: a row hash is so with chance 2^-128."""
    n_lists, m = first_piece.size - 1, slots.shape[0]
    mask, limit, used, at = np.uint64(m - 1), m * 7 // 8, 0, 0
    held = np.zeros(m, np.int64)
    first, places = np.zeros(n_lists + 1, np.int64), np.empty(1024, np.int64)
    counts = np.empty(1024, np.int64)
    for number in range(n_lists):
        begin = at
        for piece in range(first_piece[number], first_piece[number + 1]):
            for i in range(starts[piece], ends[piece]):
                high, low = rows[i, 0], rows[i, 1]
                slot = low & mask
                while slots[slot, 0] != high or slots[slot, 1] != low:
                    if slots[slot, 0] | slots[slot, 1] == _0:
                        if used == limit:
                            return False, first, places, counts
                        used += 1
                        slots[slot, 0], slots[slot, 1] = high, low
                        break
                    slot = (slot + _1) & mask
                if held[slot] == 0:
                    if at == places.size:
                        places = np.concatenate((places, np.empty(at, np.int64)))
                    places[at] = np.int64(slot)
                    at += 1
                held[slot] += 1
        if counts.size < places.size:
            counts = np.concatenate((counts, np.empty(places.size - counts.size, np.int64)))
        for i in range(begin, at):
            counts[i] = held[places[i]]
            held[places[i]] = 0
        first[number + 1] = at
    return True, first, places[:at].copy(), counts[:at].copy()


@inner
def _times(high: np.uint64, low: np.uint64, n: np.uint64) -> tuple[np.uint64, np.uint64]:
    """(high, low) · n modulo 2^128."""
    if n == _1:
        return high, low
    a, b, c, d = low & _LOW32, low >> _32, n & _LOW32, n >> _32
    middle = a * d + ((a * c) >> _32)
    other = b * c + (middle & _LOW32)
    upper = b * d + (middle >> _32) + (other >> _32)
    return high * n + upper, low * n


@kernel(
    tuple_of(_NUMBERS, TABLE, TABLE)(
        tuple_of(READ_INTEGERS, READ_INTEGERS, READ_INTEGERS), READ_TABLE, READ_INTEGERS, READ_INTEGERS, boolean
    )
)
def _compared(
    lists: tuple[Integers, Integers, Integers], images: Words, children: Integers, parents: Integers, is_bag: bool
) -> tuple[Integers, Words, Words]:
    """Pairs in the order of their parents, whose counts are laid out by slot once each."""
    first, places, counts = lists
    n = children.size
    numbers, own, matched = np.zeros((n, N_COUNTS), np.int64), np.zeros((n, 2), np.uint64), np.zeros((n, 2), np.uint64)
    theirs, n_parent_rows = np.zeros(images.shape[0], np.int64), 0
    for pair in range(n):
        parent, child = parents[pair], children[pair]
        if pair == 0 or parents[pair - 1] != parent:
            n_parent_rows = 0
            for i in range(first[parent], first[parent + 1]):
                theirs[places[i]] = counts[i]
                n_parent_rows += counts[i]
        for i in range(first[child], first[child + 1]):
            slot = places[i]
            wanted = counts[i] if is_bag else 1
            found = min(theirs[slot], wanted)
            numbers[pair, 1] += counts[i]
            numbers[pair, 4] += wanted - found
            high, low = _times(images[slot, 0], images[slot, 1], np.uint64(wanted))
            own[pair, 1] += low
            own[pair, 0] += high + (_1 if own[pair, 1] < low else _0)
            if found:
                high, low = _times(images[slot, 0], images[slot, 1], np.uint64(found))
                matched[pair, 1] += low
                matched[pair, 0] += high + (_1 if matched[pair, 1] < low else _0)
        numbers[pair, 0] = first[child + 1] - first[child]
        numbers[pair, 2], numbers[pair, 3] = first[parent + 1] - first[parent], n_parent_rows
        if pair + 1 == n or parents[pair + 1] != parent:
            for i in range(first[parent], first[parent + 1]):
                theirs[places[i]] = 0
    return numbers, own, matched


KERNELS: tuple[Any, ...] = (_scattered_pieces, _probed, _counted, _compared)

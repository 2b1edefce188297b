"""The exact tier: every distinct row hash of a child is looked up among the parent's.

Works on one bucket of the hash range at a time; the counts and the multiset hashes of the buckets add up.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64
from lakebed.tasks.encoding.counting import Pieces, compare_lists, count_lists, scatter_pieces
from lakebed.tasks.encoding.sums import add_sums, sum_digest

UInt64 = NDArray[np.uint64]
Lists = NDArray[Any]
LISTS = np.dtype([("projection", np.int64), ("table", np.int32)])
LANES = 4
"""Words of a digest of a sum of row hashes."""
BUCKET_ROWS = 1 << 14


@dataclass(frozen=True)
class HashRows:
    """Row hashes of several tables under several projections, as they were read: unsorted, with repeats, in blocks.

    Shapes: projection (b,) int64, table (b,) int32, first (b + 1,) int64 of each block's rows, hashes (n, 2) uint64.
    """

    projection: Int64
    table: Int32
    first: Int64
    hashes: UInt64

    @property
    def n_rows(self) -> int:
        """Rows of all blocks."""
        return len(self.hashes)


@dataclass(frozen=True)
class PairCounts:
    """What comparing pairs gave, summed over the hashes seen.

    Shapes: all (n_pairs,) int64, but the last two, (n_pairs, 4) uint64: keyed digests of the child's distinct rows
    and of the parent's rows that match them (under bag semantics: with multiplicities), zeros where the parent lacks
    some.
    """

    n_child_distinct: Int64
    n_child_rows: Int64
    n_parent_distinct: Int64
    n_parent_rows: Int64
    n_missing: Int64
    child_hash: UInt64
    matched_hash: UInt64

    def followed_by(self, other: "PairCounts") -> "PairCounts":
        """These pairs, then those of the other."""
        pairs = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return PairCounts(*(np.concatenate(both) for both in pairs))

    @staticmethod
    def none() -> "PairCounts":
        """The counts of no pairs."""
        return PairCounts.of(np.empty((5, 0), np.int64), np.empty((2, 0, LANES), np.uint64))

    @staticmethod
    def of(numbers: Int64, hashes: UInt64) -> "PairCounts":
        """From (5, n_pairs) counts and (2, n_pairs, 4) hashes, in the order of the attributes."""
        distinct, rows, parent_distinct, parent_rows, missing = numbers
        return PairCounts(distinct, rows, parent_distinct, parent_rows, missing, hashes[0], hashes[1])

    def numbers(self) -> Int64:
        """The counts as one array, (5, n_pairs)."""
        columns = [self.n_child_distinct, self.n_child_rows, self.n_parent_distinct, self.n_parent_rows]
        return np.stack([*columns, self.n_missing])

    def take(self, pairs: Int64) -> "PairCounts":
        """The counts of the pairs in the given rows."""
        return PairCounts(*(getattr(self, field.name)[pairs] for field in fields(self)))


@dataclass(frozen=True)
class PairSums:
    """What comparing pairs gave, as what adds up over the buckets of the hash range.

    Shapes: numbers (5, n_pairs): the counts of `PairCounts`, in its order; sums (2, n_pairs, 2): over the child's
    distinct rows, and over the parent's rows that match them, modulo 2^128.
    """

    numbers: Int64
    sums: UInt64

    def __add__(self, other: "PairSums") -> "PairSums":
        """Adds what two buckets gave."""
        return PairSums(self.numbers + other.numbers, add_sums(self.sums, other.sums))

    def digested(self, key: bytes) -> PairCounts:
        """The counts, with digests of the sums, which nobody may see."""
        hashes = np.zeros((2, self.numbers.shape[1], LANES), np.uint64)
        for pair in np.flatnonzero(self.numbers[4] == 0):
            for side in (0, 1):
                hashes[side, pair] = np.frombuffer(sum_digest(self.sums[side, pair], key), "<u8")
        return PairCounts.of(self.numbers, hashes)


def compare_pairs(rows: HashRows, pairs: tuple[Int64, Int32, Int32], key: bytes, *, is_bag: bool) -> PairSums:
    """Compares each pair (projection of the child's schema, child, parent) on the rows given.

    `n_missing` counts the child's distinct rows that the parent lacks; under bag semantics the child's rows that
    find no row of the parent left. The sums are taken under a key drawn from that of the row hashes.

    Cost: O(rows), and O(distinct rows of the child) a pair.
    """
    lists, pieces = _pieces(rows)
    children, parents = _lists_of(lists, pairs[0], pairs[1]), _lists_of(lists, pairs[0], pairs[2])
    order = np.argsort(parents, kind="stable")
    children, parents = children[order], parents[order]
    total = PairSums(np.zeros((5, len(children)), np.int64), np.zeros((2, len(children), 2), np.uint64))
    for bucket in _buckets(pieces):
        found = compare_lists(count_lists(bucket), children, parents, key, is_bag=is_bag)
        total += PairSums(found.numbers.T, np.stack([found.child_sums, found.matched_sums]))
    back = np.argsort(order, kind="stable")
    return PairSums(total.numbers[:, back], total.sums[:, back])


def _pieces(rows: HashRows) -> tuple[Lists, Pieces]:
    """The (projection, table) of each list, in order, and its pieces; the last list is of no rows."""
    keys = np.empty(len(rows.table), LISTS)
    keys["projection"], keys["table"] = rows.projection, rows.table
    order = np.argsort(keys, kind="stable")
    lists, first = np.unique(keys[order], return_index=True)
    first_piece = np.concatenate([first, [len(order), len(order)]]).astype(np.int64)
    hashes = np.ascontiguousarray(rows.hashes)
    return lists, Pieces(hashes, rows.first[:-1][order], rows.first[1:][order], first_piece)


def _lists_of(lists: Lists, projection: Int64, table: Int32) -> Int64:
    """The list of each (projection, table), the last one where it has no rows. Shapes: (k,)."""
    wanted = np.empty(len(table), LISTS)
    wanted["projection"], wanted["table"] = projection, table
    place = np.searchsorted(lists, wanted)
    held = place < len(lists)
    held[held] = lists[place[held]] == wanted[held]
    return np.where(held, place, len(lists)).astype(np.int64)


def _buckets(pieces: Pieces) -> Iterator[Pieces]:
    """The pieces cut by the uppermost bits that tell their rows apart, so that a bucket fits the processor's cache."""
    bits = (pieces.largest // BUCKET_ROWS).bit_length()
    if not bits:
        yield pieces
        return
    rows, edges = scatter_pieces(pieces, bits)
    for bucket in range(1 << bits):
        starts, ends = np.ascontiguousarray(edges[:, bucket]), np.ascontiguousarray(edges[:, bucket + 1])
        yield Pieces(rows, starts, ends, pieces.first_piece)

"""The exact tier: every distinct row hash of a child is looked up among the parent's.

Works on one bucket of the hash range at a time; the counts and the multiset hashes of the buckets add up.
"""

from dataclasses import dataclass, fields

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64
from lakebed.tasks.encoding.multiset import multiset_hash
from lakebed.tasks.encoding.postings import find_rows

UInt64 = NDArray[np.uint64]
LANES = 4


@dataclass(frozen=True)
class HashRows:
    """Row hashes of several tables under several projections, as they were read: unsorted, with repeats.

    Shapes: projection (n,) int64, table (n,) int32, hashes (n, 2) uint64, counts (n,) int64.
    """

    projection: Int64
    table: Int32
    hashes: UInt64
    counts: Int64


@dataclass(frozen=True)
class PairCounts:
    """What comparing pairs gave, summed over the hashes seen.

    Shapes: all (n_pairs,) int64, but the last two, (n_pairs, 4) uint64: multiset hashes of the child's distinct
    rows and of the parent's rows that match them (under bag semantics: with multiplicities), zeros where the
    parent lacks some.
    """

    n_child_distinct: Int64
    n_child_rows: Int64
    n_parent_distinct: Int64
    n_parent_rows: Int64
    n_missing: Int64
    child_hash: UInt64
    matched_hash: UInt64

    def __add__(self, other: "PairCounts") -> "PairCounts":
        """Sums the counts of two buckets."""
        return PairCounts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

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


def compare_pairs(rows: HashRows, pairs: tuple[Int64, Int32, Int32], *, is_bag: bool) -> PairCounts:
    """Compares each pair (projection of the child's schema, child, parent) on the rows given.

    `n_missing` counts the child's distinct rows that the parent lacks; under bag semantics the child's rows that
    find no row of the parent left.

    Cost: one sort of the rows, then O(rows of the child + rows of the parent) a pair.
    """
    ordered = _merged(rows)
    children, parents = _ranges(ordered, pairs[0], pairs[1]), _ranges(ordered, pairs[0], pairs[2])
    counts = _compare(ordered.hashes, ordered.counts, children, parents, is_bag)
    hashes = np.zeros((2, len(counts), LANES), np.uint64)
    for pair in np.flatnonzero(counts[:, 4] == 0):
        hashes[:, pair] = _multiset_hashes(ordered, children[pair], parents[pair], is_bag)
    return PairCounts.of(counts.T.copy(), hashes)


def _multiset_hashes(rows: HashRows, child: Int64, parent: Int64, is_bag: bool) -> tuple[UInt64, UInt64]:
    """Lanes of the child's rows, and of the parent's rows equal to them, each from its own side's data."""
    mine, theirs = slice(*child), slice(*parent)
    found = theirs.start + find_rows(rows.hashes[mine], rows.hashes[theirs])
    counts = rows.counts[mine] if is_bag else np.ones(len(found), np.int64)
    matched = np.minimum(rows.counts[found], counts)
    return _lanes(rows.hashes[mine], counts), _lanes(rows.hashes[found], matched)


def _lanes(hashes: UInt64, counts: Int64) -> UInt64:
    return np.frombuffer(multiset_hash(hashes, counts.astype(np.uint64)), "<u8")


def _merged(rows: HashRows) -> HashRows:
    """Sorted by (projection, table, hash), repeats of a hash in a table added up."""
    order = np.lexsort((rows.hashes[:, 1], rows.hashes[:, 0], rows.table, rows.projection))
    projection, table, hashes = rows.projection[order], rows.table[order], rows.hashes[order]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (
        (projection[1:] != projection[:-1]) | (table[1:] != table[:-1]) | (hashes[1:] != hashes[:-1]).any(axis=1)
    )
    starts = np.flatnonzero(is_first)
    counts = np.add.reduceat(rows.counts[order], starts) if len(starts) else rows.counts[:0]
    return HashRows(projection[starts], table[starts], np.ascontiguousarray(hashes[starts]), counts)


def _ranges(rows: HashRows, projection: Int64, table: Int32) -> Int64:
    """First and past-last row of each (projection, table), (n_pairs, 2)."""
    keys = np.empty(len(rows.table), np.dtype([("projection", np.int64), ("table", np.int32)]))
    keys["projection"], keys["table"] = rows.projection, rows.table
    wanted = np.empty(len(table), keys.dtype)
    wanted["projection"], wanted["table"] = projection, table
    return np.stack([np.searchsorted(keys, wanted, side) for side in ("left", "right")], axis=1).astype(np.int64)


@njit(cache=True)
def _compare(hashes, counts, child_ranges, parent_ranges, is_bag):  # type: ignore[no-untyped-def]
    """Per pair: distinct and all rows of the child, of the parent, and what is missing; (n_pairs, 5)."""
    results = np.zeros((len(child_ranges), 5), np.int64)
    for pair in range(len(child_ranges)):
        place, end = parent_ranges[pair]
        results[pair, 2] = end - place
        results[pair, 3] = counts[place:end].sum()
        for row in range(child_ranges[pair, 0], child_ranges[pair, 1]):
            while place < end and _is_less(hashes[place], hashes[row]):
                place += 1
            is_found = place < end and hashes[place, 0] == hashes[row, 0] and hashes[place, 1] == hashes[row, 1]
            wanted = counts[row] if is_bag else 1
            found = (min(counts[place], wanted) if is_bag else 1) if is_found else 0
            results[pair, 0] += 1
            results[pair, 1] += counts[row]
            results[pair, 4] += wanted - found
    return results


@njit(cache=True)
def _is_less(left, right):  # type: ignore[no-untyped-def]
    return left[0] < right[0] or (left[0] == right[0] and left[1] < right[1])

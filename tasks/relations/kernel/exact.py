"""The exact comparison of one bucket of row hashes: pairs of items, and children against several parents together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.containment.kernel.proof import LANES, HashRows
from tasks.containment.kernel.schema_graph import Int64
from tasks.encoding.multiset import distinct_counts, multiset_hash
from tasks.encoding.postings import find_rows
from tasks.relations.kernel.cover import Signatures, row_signatures

UInt64 = NDArray[np.uint64]
Rows = tuple[UInt64, Int64]


@dataclass(frozen=True)
class UnionAsked:
    """A child and the parents that may cover it, under one projection; items, and the projection's id."""

    projection: int
    child: int
    parents: tuple[int, ...]


@dataclass(frozen=True)
class UnionCounts:
    """What comparing a child with its parents gave, summed over the hashes seen.

    Attributes:
        signatures: which parents hold its rows.
        n_child_rows: with repeats.
        n_parent_distinct: (m,) distinct rows of each parent.
        hashes: (2, 4) uint64: multiset hash of the child's distinct rows, and of the parents' rows equal to them.
    """

    signatures: Signatures
    n_child_rows: int
    n_parent_distinct: Int64
    hashes: UInt64

    @property
    def n_child_distinct(self) -> int:
        """Distinct rows of the child."""
        return int(self.signatures.counts.sum())

    @staticmethod
    def merged(parts: Sequence["UnionCounts"]) -> "UnionCounts":
        """Adds up the counts of several buckets."""
        return UnionCounts(
            Signatures.merged([part.signatures for part in parts]),
            sum(part.n_child_rows for part in parts),
            np.sum([part.n_parent_distinct for part in parts], axis=0, dtype=np.int64),
            np.sum([part.hashes for part in parts], axis=0, dtype=np.uint64),
        )


def compare_unions(rows: HashRows, asked: Sequence[UnionAsked], *, is_bag: bool) -> list[UnionCounts]:
    """Compares each child with its parents on the rows given. Cost: one sort of the rows, O(child) a parent."""
    groups = _Groups(rows)
    return [_compare(groups, union, is_bag=is_bag) for union in asked]


def _compare(groups: "_Groups", union: UnionAsked, *, is_bag: bool) -> UnionCounts:
    child = groups.rows(union.projection, union.child)
    parents = [groups.rows(union.projection, parent) for parent in union.parents]
    matched = [np.empty((0, 2), np.uint64)]
    is_open = np.ones(len(child[0]), np.bool_)
    for hashes, _ in parents:
        at = find_rows(child[0], hashes)
        matched.append(hashes[at[is_open & (at >= 0)]])
        is_open &= at < 0
    lanes = np.stack([_lanes(child[0]), _lanes(np.concatenate(matched))])
    return UnionCounts(
        signatures=row_signatures(child, parents, is_bag=is_bag),
        n_child_rows=int(child[1].sum()),
        n_parent_distinct=np.array([len(hashes) for hashes, _ in parents], np.int64),
        hashes=lanes,
    )


class _Groups:
    """Rows by (projection, item), each sorted and merged when it is first asked for."""

    def __init__(self, rows: HashRows) -> None:
        order = np.lexsort((rows.table, rows.projection))
        self._hashes, self._counts = rows.hashes[order], rows.counts[order]
        projection, item = rows.projection[order], rows.table[order]
        is_first = np.ones(len(order), np.bool_)
        is_first[1:] = (projection[1:] != projection[:-1]) | (item[1:] != item[:-1])
        starts = np.flatnonzero(is_first)
        ends = np.append(starts, len(order))[1:]
        keys = zip(projection[starts].tolist(), item[starts].tolist(), strict=True)
        self._spans = dict(zip(keys, zip(starts.tolist(), ends.tolist(), strict=True), strict=True))
        self._merged: dict[tuple[int, int], Rows] = {}

    def rows(self, projection: int, item: int) -> Rows:
        """Distinct hashes (n, 2), sorted, and their counts (n,)."""
        key = (projection, item)
        if key not in self._merged:
            span = slice(*self._spans.get(key, (0, 0)))
            self._merged[key] = distinct_counts(self._hashes[span], self._counts[span])
        return self._merged[key]


def _lanes(hashes: UInt64) -> UInt64:
    return np.frombuffer(multiset_hash(hashes), "<u8").astype(np.uint64).reshape(LANES)

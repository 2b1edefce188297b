"""The exact comparison of one bucket of row hashes: children against several parents together."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.containment.kernel.proof import HashRows
from lakebed.tasks.containment.kernel.schema_graph import Int64
from lakebed.tasks.encoding.multiset import distinct_counts
from lakebed.tasks.encoding.postings import find_rows
from lakebed.tasks.encoding.sums import add_sums, multiset_sum, sum_digest
from lakebed.tasks.relations.kernel.cover import Signatures, row_signatures

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
    """What comparing a child with its parents gave, over all hashes.

    Attributes:
        signatures: which parents hold its rows.
        n_child_rows: with repeats.
        n_parent_distinct: (m,) distinct rows of each parent.
        hashes: digests of the child's distinct rows, and of the parents' rows equal to them, 32 bytes each.
    """

    signatures: Signatures
    n_child_rows: int
    n_parent_distinct: Int64
    hashes: tuple[bytes, bytes]

    @property
    def n_child_distinct(self) -> int:
        """Distinct rows of the child."""
        return int(self.signatures.counts.sum())


@dataclass(frozen=True)
class UnionSums:
    """The same over the hashes seen, as what adds up over the buckets of the hash range.

    Attributes:
        sums: (2, 2) uint64: sums over the child's distinct rows, and over the parents' rows equal to them.
    """

    signatures: Signatures
    n_child_rows: int
    n_parent_distinct: Int64
    sums: UInt64

    def digested(self, key: bytes) -> UnionCounts:
        """The counts, with digests of the sums, which nobody may see."""
        child, matched = (sum_digest(one, key) for one in self.sums)
        return UnionCounts(self.signatures, self.n_child_rows, self.n_parent_distinct, (child, matched))

    @staticmethod
    def merged(parts: Sequence["UnionSums"]) -> "UnionSums":
        """Adds up what several buckets gave."""
        return UnionSums(
            Signatures.merged([part.signatures for part in parts]),
            sum(part.n_child_rows for part in parts),
            np.sum([part.n_parent_distinct for part in parts], axis=0, dtype=np.int64),
            reduce(add_sums, (part.sums for part in parts)),
        )


def compare_union(rows: "ItemRows", union: UnionAsked, key: bytes, *, is_bag: bool) -> UnionSums:
    """Compares a child with its parents on the rows given. Cost: O(child) a parent, and a sort of each item once.

    The sums are taken under a key drawn from that of the row hashes.
    """
    child = rows.of(union.projection, union.child)
    parents = [rows.of(union.projection, parent) for parent in union.parents]
    matched = [np.empty((0, 2), np.uint64)]
    is_open = np.ones(len(child[0]), np.bool_)
    for hashes, _ in parents:
        at = find_rows(child[0], hashes)
        matched.append(hashes[at[is_open & (at >= 0)]])
        is_open &= at < 0
    sums = np.stack([multiset_sum(child[0], key), multiset_sum(np.concatenate(matched), key)])
    return UnionSums(
        signatures=row_signatures(child, parents, is_bag=is_bag),
        n_child_rows=int(child[1].sum()),
        n_parent_distinct=np.array([len(hashes) for hashes, _ in parents], np.int64),
        sums=sums,
    )


class ItemRows:
    """Row hashes by (projection, item), each sorted and merged when it is first asked for."""

    def __init__(self, rows: HashRows) -> None:
        self._blocks: dict[tuple[int, int], list[UInt64]] = {}
        keys = zip(rows.projection.tolist(), rows.table.tolist(), strict=True)
        for key, start, end in zip(keys, rows.first[:-1].tolist(), rows.first[1:].tolist(), strict=True):
            self._blocks.setdefault(key, []).append(rows.hashes[start:end])
        self._merged: dict[tuple[int, int], Rows] = {}

    def of(self, projection: int, item: int) -> Rows:
        """Distinct hashes (n, 2), sorted, and their counts (n,)."""
        key = (projection, item)
        if key not in self._merged:
            blocks = self._blocks.get(key, [])
            self._merged[key] = distinct_counts(np.concatenate([np.empty((0, 2), np.uint64), *blocks]))
        return self._merged[key]

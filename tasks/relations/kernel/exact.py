"""The exact comparison of one bucket of row hashes: pairs of items, and children against several parents together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.containment.kernel.proof import LANES, HashRows, PairCounts
from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64
from lakebed.tasks.encoding.multiset import distinct_counts, multiset_hash
from lakebed.tasks.encoding.postings import find_rows
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


def compare_items(rows: "ItemRows", pairs: tuple[Int64, Int32, Int32], *, is_bag: bool) -> PairCounts:
    """Compares each pair (id of the projection, child, parent), as containment's `compare_pairs` does.

    Shapes: (k,) each. Cost: O(child · log(parent / child)) a pair, and a sort of each item once.
    """
    numbers, lanes = np.zeros((5, len(pairs[0])), np.int64), np.zeros((2, len(pairs[0]), LANES), np.uint64)
    for place, (projection, child, parent) in enumerate(zip(*(ids.tolist() for ids in pairs), strict=True)):
        mine, theirs = rows.of(projection, child), rows.of(projection, parent)
        at = find_rows(mine[0], theirs[0])
        wanted = mine[1] if is_bag else np.ones(len(at), np.int64)
        found = np.where(at >= 0, np.minimum(theirs[1][at], wanted) if len(theirs[1]) else 0, 0)
        n_missing = int((wanted - found).sum())
        numbers[:, place] = len(at), mine[1].sum(), len(theirs[0]), theirs[1].sum(), n_missing
        if n_missing == 0:
            lanes[:, place] = _lanes(mine[0], wanted), _lanes(theirs[0][at], found)
    return PairCounts.of(numbers, lanes)


def compare_union(rows: "ItemRows", union: UnionAsked, *, is_bag: bool) -> UnionCounts:
    """Compares a child with its parents on the rows given. Cost: O(child) a parent, and a sort of each item once."""
    child = rows.of(union.projection, union.child)
    parents = [rows.of(union.projection, parent) for parent in union.parents]
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


class ItemRows:
    """Row hashes by (projection, item), each sorted and merged when it is first asked for."""

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

    def of(self, projection: int, item: int) -> Rows:
        """Distinct hashes (n, 2), sorted, and their counts (n,)."""
        key = (projection, item)
        if key not in self._merged:
            span = slice(*self._spans.get(key, (0, 0)))
            self._merged[key] = distinct_counts(self._hashes[span], self._counts[span])
        return self._merged[key]


def _lanes(hashes: UInt64, counts: Int64 | None = None) -> UInt64:
    return np.frombuffer(multiset_hash(hashes, counts), "<u8").astype(np.uint64).reshape(LANES)

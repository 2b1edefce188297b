"""Coordinated row samples: a sampled row of the child that the parent's sample lacks refutes the pair for certain."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.tasks.containment.kernel.min_max import ColumnBounds, refute_pairs
from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64
from lakebed.tasks.encoding.postings import Members, SketchEntries, candidate_parents

UInt64 = NDArray[np.uint64]


@dataclass(frozen=True)
class RowSketches:
    """Row samples of the tables under the projections they take part in, sorted by (projection, table).

    Shapes: projection, table, level (k,) int32, is_child (k,) bool; indptr (k + 1,), hashes (Σ, 2) uint64 sorted by
    (high, low) within an entry: all distinct row hashes whose high word is below 2^(64 - level).
    """

    projection: Int32
    table: Int32
    level: Int32
    is_child: NDArray[np.bool_]
    indptr: Int64
    hashes: UInt64

    def entries(self, projection: Int32, table: Int32) -> Int64:
        """The entry of each (projection, table), (k,); -1 where there is none."""
        width = np.int64(self.table.max(initial=0)) + 1
        keys = self.projection.astype(np.int64) * width + self.table
        wanted = projection.astype(np.int64) * width + table
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        return np.where(keys[place] == wanted, place, -1)


@dataclass(frozen=True)
class SketchedPairs:
    """Pairs with what their samples say. Shapes: (k,) each."""

    child: Int32
    parent: Int32
    n_compared: Int64
    n_missing: Int64

    @staticmethod
    def none() -> "SketchedPairs":
        """No pairs."""
        ids, counts = np.empty(0, np.int32), np.empty(0, np.int64)
        return SketchedPairs(ids, ids, counts, counts)

    def unrefuted(self) -> "SketchedPairs":
        """The pairs none of whose sampled rows is missing."""
        return self.take(np.flatnonzero(self.n_missing == 0))

    def take(self, rows: Int64) -> "SketchedPairs":
        """The pairs in the given rows."""
        return SketchedPairs(self.child[rows], self.parent[rows], self.n_compared[rows], self.n_missing[rows])


def sketch_pairs(sketches: RowSketches, schema_of_table: Int32, children: Int32, parents: Int32) -> SketchedPairs:
    """Compares the samples of each pair, at the coarser of the two levels, where both are complete."""
    projection = schema_of_table[children]
    mine, theirs = sketches.entries(projection, children), sketches.entries(projection, parents)
    return SketchedPairs(children, parents, *compare_entries(sketches, mine, theirs))


def compare_entries(sketches: RowSketches, children: Int64, parents: Int64) -> tuple[Int64, Int64]:
    """Rows compared and missing of pairs of entries, (k,) each."""
    return _compare(children, parents, sketches.level, sketches.indptr, sketches.hashes)  # type: ignore[no-any-return]


def unrefuted_pairs(
    sketches: RowSketches, schema_of_table: Int32, bounds: ColumnBounds, *, is_bag: bool
) -> SketchedPairs:
    """The pairs that neither samples nor min-max refute, found through posting lists: no pair is listed before.

    Cost: the size of the samples, and of the output.
    """
    found = candidate_parents(*_posting_input(sketches))
    children = np.repeat(found.child, np.diff(found.offsets))
    # what is contained by definition is listed elsewhere; such a table may still be the parent of one not known as such
    is_wanted = (children != found.parents) & ~bounds.trivial_tables()[children]
    children, parents = children[is_wanted], found.parents[is_wanted]
    reasons, _ = refute_pairs(bounds, children, parents, is_bag=is_bag)
    alive = reasons == 0
    pairs = sketch_pairs(sketches, schema_of_table, children[alive], parents[alive])
    return pairs.unrefuted()


def _posting_input(sketches: RowSketches) -> tuple[SketchEntries, Members]:
    n_hashes = np.diff(sketches.indptr)
    projection, table = np.repeat(sketches.projection, n_hashes), np.repeat(sketches.table, n_hashes)
    high = np.ascontiguousarray(sketches.hashes[:, 0])
    order = np.lexsort((high, projection))
    members = Members(sketches.projection, sketches.table, sketches.level.astype(np.uint8), sketches.is_child)
    return SketchEntries(projection[order], table[order], high[order]), members


@njit(cache=True, nogil=True)
def _compare(children, parents, level, indptr, hashes):  # type: ignore[no-untyped-def]
    n_compared = np.zeros(len(children), np.int64)
    n_missing = np.zeros(len(children), np.int64)
    for pair in range(len(children)):
        child, parent = children[pair], parents[pair]
        shift = max(level[child], level[parent])
        place, end = indptr[parent], indptr[parent + 1]
        for row in range(indptr[child], indptr[child + 1]):
            high, low = hashes[row, 0], hashes[row, 1]
            if shift > 0 and high >> np.uint64(64 - shift) != 0:
                break
            n_compared[pair] += 1
            while place < end and (hashes[place, 0] < high or (hashes[place, 0] == high and hashes[place, 1] < low)):
                place += 1
            if place == end or hashes[place, 0] != high or hashes[place, 1] != low:
                n_missing[pair] += 1
    return n_compared, n_missing

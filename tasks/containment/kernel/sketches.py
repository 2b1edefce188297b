"""Coordinated row samples: a sampled row of the child that the parent's sample lacks refutes the pair for certain."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tasks.containment.kernel.schema_graph import Int32, Int64

UInt64 = NDArray[np.uint64]


@dataclass(frozen=True)
class RowSketches:
    """Row samples of (projection, table) entries, sorted by (projection, table).

    Shapes: projection (k,) int32, table (k,) int32, level (k,) int32; indptr (k + 1,),
    hashes (Σ, 2) uint64 sorted by (high, low) within an entry: all row hashes whose high word is below
    2^(64 - level).
    """

    projection: Int32
    table: Int32
    level: Int32
    indptr: Int64
    hashes: UInt64

    def entries(self, projection: Int32, table: Int32) -> Int64:
        """The entry of each (projection, table), (k,); each must be there."""
        width = np.int64(self.table.max(initial=0)) + 1
        keys = self.projection.astype(np.int64) * width + self.table
        return np.searchsorted(keys, projection.astype(np.int64) * width + table)


def compare_sketches(sketches: RowSketches, children: Int64, parents: Int64) -> tuple[Int64, Int64]:
    """Sampled child rows compared and missing, for pairs of entries of one projection each.

    Rows are compared at the coarser of the two levels, where both samples are complete.

    Shapes: children, parents (k,) entries; results (k,) and (k,).
    """
    return _compare_sketches(children, parents, sketches.level, sketches.indptr, sketches.hashes)  # type: ignore[no-any-return]


def sketch_level(n_rows: int, n_wanted: int) -> int:
    """The level that leaves about `n_wanted` of `n_rows` hashes; 0 keeps all."""
    return max(0, int(np.ceil(np.log2(max(n_rows, 1) / n_wanted))))


@njit(cache=True)
def _compare_sketches(children, parents, level, indptr, hashes):  # type: ignore[no-untyped-def]
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

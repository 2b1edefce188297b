"""Two tables of a lake compared by their columns: the greatest overlap of one's with one of the other's."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lakebed.tasks.links.kernel.neighbours import SMOOTHING, resource_allocation

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
BLOCK_ROWS = 2048
MAX_VALUE_COLUMNS, MIN_SHARED = 100, 2


@dataclass(frozen=True)
class TableOverlaps:
    """The greatest overlap of a column of one table with a column of another, where there is any.

    Shapes: key (k,) ascending, of two tables' nodes; overlap (k,).
    """

    n_nodes: int
    key: Int64
    overlap: Float

    def of(self, pairs: Int64) -> Float:
        """That of each pair of nodes, 0 where they share nothing. Shapes: pairs (m, 2); result (m,)."""
        asked = pairs.min(axis=1) * self.n_nodes + pairs.max(axis=1)
        if not len(self.key):
            return np.zeros(len(asked))
        at = np.minimum(np.searchsorted(self.key, asked), len(self.key) - 1)
        return np.where(self.key[at] == asked, self.overlap[at], 0.0)


def table_overlaps(graph: sparse.csr_array, owner: Int64) -> TableOverlaps:
    """For all tables at once, a block of columns at a time. O(Σ over values of columns²).

    Values of more than MAX_VALUE_COLUMNS columns are left out, and columns that share less than MIN_SHARED values.
    Shapes: graph (n, n); owner (n,) the table of a column, any other node itself.
    """
    n_nodes = graph.shape[0]
    columns = np.flatnonzero(owner != np.arange(n_nodes))
    is_value = np.ones(n_nodes, np.bool_)
    is_value[columns] = is_value[owner[columns]] = False
    degree, weight = np.diff(graph.indptr), resource_allocation(graph)
    values = np.flatnonzero(is_value & (degree > 1) & (degree <= MAX_VALUE_COLUMNS))
    of_columns = graph[columns]
    size = np.asarray(of_columns @ np.where(is_value, weight, 0.0)) + SMOOTHING
    held = sparse.csr_array(of_columns[:, values])
    keys, overlaps = [np.empty(0, np.int64)], [np.empty(0)]
    for start in range(0, len(columns), BLOCK_ROWS):
        first, second, shared = _shared(held, weight[values], start)
        tables = owner[columns[first]], owner[columns[second]]
        key = np.minimum(*tables) * n_nodes + np.maximum(*tables)
        found = _greatest(key, shared / np.minimum(size[first], size[second]), tables[0] != tables[1])
        keys, overlaps = [*keys, found[0]], [*overlaps, found[1]]
    key, overlap = np.concatenate(keys), np.concatenate(overlaps)
    return TableOverlaps(n_nodes, *_greatest(key, overlap, np.ones(len(key), np.bool_)))


def _shared(held: sparse.csr_array, weight: Float, start: int) -> tuple[Int64, Int64, Float]:
    """Pairs of a block's columns with later ones that share enough values, and the weight of what they share."""
    block = sparse.csr_array(held[start : start + BLOCK_ROWS])
    counts, weights = (sparse.csr_array(part @ held.T) for part in (block, block * weight))
    counts.sort_indices()
    weights.sort_indices()
    first = start + np.repeat(np.arange(block.shape[0]), np.diff(counts.indptr))
    kept = (counts.data >= MIN_SHARED) & (first < counts.indices)
    return first[kept], counts.indices[kept].astype(np.int64), weights.data[kept].astype(np.float64)


def _greatest(key: Int64, overlap: Float, is_kept: NDArray[np.bool_]) -> tuple[Int64, Float]:
    """The greatest overlap of each key."""
    key, overlap = key[is_kept], overlap[is_kept]
    order = np.lexsort((overlap, key))
    key, overlap = key[order], overlap[order]
    is_last = np.ones(len(key), np.bool_)
    is_last[:-1] = key[1:] != key[:-1]
    return key[is_last], overlap[is_last]

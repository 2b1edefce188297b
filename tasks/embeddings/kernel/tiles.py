"""A tile of the adjacency: the edges between two blocks of nodes, and its product with a block of vectors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.embeddings.kernel.projection import Float32


@dataclass(frozen=True)
class Tile:
    """Edges from a block of rows to a block of columns, in CSR form, columns ascending in a row.

    Shapes: indptr (rows + 1,) int64; indices (k,) int32; weights (k,) float32.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    weights: Float32

    def degrees(self) -> NDArray[np.float64]:
        """Sum of the weights of each row. Shapes: (rows,)."""
        n_rows = len(self.indptr) - 1
        rows = np.repeat(np.arange(n_rows), np.diff(self.indptr))
        return np.bincount(rows, self.weights, n_rows).astype(np.float64)


def make_tile(row: NDArray[np.int64], column: NDArray[np.int64], weight: Float32, n_rows: int) -> Tile:
    """The tile of edges in any order, numbered within their blocks."""
    order = np.lexsort((column, row))
    indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(row, minlength=n_rows))])
    return Tile(indptr, column[order].astype(np.int32), weight[order].astype(np.float32))


def multiply_tile(tile: Tile, block: Float32) -> Float32:
    """The tile times a block of vectors. Shapes: block (columns, d), the last block may be shorter; (rows, d)."""
    from scipy import sparse

    shape = (len(tile.indptr) - 1, len(block))
    found: Float32 = sparse.csr_matrix((tile.weights, tile.indices, tile.indptr), shape=shape) @ block
    return found

"""The best partners of every node by the inner product of vectors, leaving out those that it is linked to already."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
BLOCK_CELLS = 1 << 24


def rank_candidates(vectors: Float32, graph: sparse.csr_array, k: int) -> Int64:
    """The k nodes of the largest inner product for each node, best first; -1 where there are fewer.

    Compares all pairs, a block of rows at a time: O(n² d) time, a bounded block of memory.
    Shapes: vectors (n, d); graph (n, n) of known links; result (n, k).
    """
    n_nodes = len(vectors)
    k = min(k, n_nodes)
    ranked = np.empty((n_nodes, k), np.int64)
    n_rows = max(1, BLOCK_CELLS // max(n_nodes, 1))
    for start in range(0, n_nodes, n_rows):
        rows = np.arange(start, min(start + n_rows, n_nodes))
        ranked[rows] = _best(vectors, graph, rows, k)
    return ranked


def _best(vectors: Float32, graph: sparse.csr_array, rows: Int64, k: int) -> Int64:
    scores = vectors[rows] @ vectors.T
    local = np.repeat(np.arange(len(rows)), np.diff(graph.indptr)[rows])
    known = graph.indices[graph.indptr[rows[0]] : graph.indptr[rows[-1] + 1]]
    scores[local, known] = -np.inf
    scores[np.arange(len(rows)), rows] = -np.inf
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(scores, best, axis=1)
    order = np.lexsort((best, -values), axis=1)
    best, values = np.take_along_axis(best, order, axis=1), np.take_along_axis(values, order, axis=1)
    return np.where(np.isfinite(values), best, -1)

"""The best partners of nodes by the inner product of vectors, leaving out those that they are linked to already."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
BLOCK_CELLS = 1 << 24


def rank_candidates(vectors: Float32, graph: sparse.csr_array, k: int) -> Int64:
    """The k nodes of the largest inner product for each node, best first; -1 where there are fewer.

    Shapes: vectors (n, d); graph (n, n) of known links; result (n, k).
    """
    every = np.arange(len(vectors))
    return rank_among(vectors, graph, every, every, k)


def rank_among(vectors: Float32, graph: sparse.csr_array, asking: Int64, asked: Int64, k: int) -> Int64:
    """The same for some nodes, among some nodes.

    Compares every asking node with every asked one, a block of rows at a time: O(a·b·d) time, bounded memory.
    Shapes: asking (a,); asked (b,) ascending; result (a, min(k, b)) of node numbers.
    """
    k = min(k, len(asked))
    ranked = np.empty((len(asking), k), np.int64)
    n_rows = max(1, BLOCK_CELLS // max(len(asked), 1))
    for start in range(0, len(asking), n_rows):
        rows = asking[start : start + n_rows]
        ranked[start : start + len(rows)] = _best(vectors, graph, rows, asked, k)
    return ranked


def _best(vectors: Float32, graph: sparse.csr_array, rows: Int64, asked: Int64, k: int) -> Int64:
    scores = vectors[rows] @ vectors[asked].T
    _leave_out(scores, graph, rows, asked)
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(scores, best, axis=1)
    order = np.lexsort((best, -values), axis=1)
    best, values = np.take_along_axis(best, order, axis=1), np.take_along_axis(values, order, axis=1)
    return np.where(np.isfinite(values), asked[best], -1)


def _leave_out(scores: Float32, graph: sparse.csr_array, rows: Int64, asked: Int64) -> None:
    """Sets known links and the node itself to -inf."""
    known = sparse.csr_array(graph[rows])
    local = np.concatenate([np.repeat(np.arange(len(rows)), np.diff(known.indptr)), np.arange(len(rows))])
    target = np.concatenate([known.indices, rows])
    place = np.searchsorted(asked, target)
    is_asked = (place < len(asked)) & (asked[np.minimum(place, len(asked) - 1)] == target)
    scores[local[is_asked], place[is_asked]] = -np.inf

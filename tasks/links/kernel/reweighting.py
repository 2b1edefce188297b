"""Edge re-weighting (Wang et al., ICLR 2024): messages count more along edges whose ends the network finds alike.

Every few epochs the weight of each edge into i gets alpha · softmax over the edges into i of the pair's score.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lakebed.tasks.links.kernel.propagation import Propagation

Float32 = NDArray[np.float32]
EDGE_WEIGHTS = "edge_weights"


@dataclass(frozen=True)
class Reweighting:
    """The graph whose entries are weighted, and how a weighted graph becomes the matrix of a layer.

    Shapes: graph (n, n) CSR; an array of weights (graph.nnz,) float32, in the order of its entries.
    """

    graph: sparse.csr_array
    form: Callable[[sparse.csr_array], sparse.csr_array]

    def matrix(self, weights: Float32) -> sparse.csr_array:
        """The matrix of a layer under these weights; its two directions of an edge may differ."""
        parts = (weights, self.graph.indices, self.graph.indptr)
        return sparse.csr_array(self.form(sparse.csr_array(parts, shape=self.graph.shape)))

    def propagation(self, weights: Float32) -> Propagation:
        """The same, as a step of the tape."""
        return Propagation.by_matrix(self.matrix(weights))

    def first(self) -> Float32:
        """The weights that the graph has."""
        return self.graph.data.astype(np.float32)

    def raised(self, weights: Float32, vectors: Float32, alpha: float) -> Float32:
        """Old weight + alpha · softmax of the inner products, over the entries of each row. O(entries · columns).

        Departs from the paper: the score is that of the pair, as the predictor gives it, not that of a node with the
        mean of the other's neighbours.
        """
        indptr, indices = self.graph.indptr.astype(np.int64), self.graph.indices.astype(np.int32)
        return np.asarray(_raised(indptr, indices, weights, np.ascontiguousarray(vectors), alpha), np.float32)


@numba.njit(cache=True, nogil=True)
def _raised(indptr, indices, weights, vectors, alpha):  # type: ignore[no-untyped-def]
    result = weights.copy()
    for i in range(len(indptr) - 1):
        start, end = indptr[i], indptr[i + 1]
        scores = np.empty(end - start)
        for a in range(start, end):
            total = 0.0
            for column in range(vectors.shape[1]):
                total += vectors[i, column] * vectors[indices[a], column]
            scores[a - start] = total
        if end > start:
            scores = np.exp(scores - scores.max())
            scores /= scores.sum()
            for a in range(start, end):
                result[a] = weights[a] + alpha * scores[a - start]
    return result

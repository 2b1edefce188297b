"""The oldest link predictors: sums over the neighbours that two nodes share."""

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]


def adjacency(edges: Int64, n_nodes: int) -> sparse.csr_array:
    """The symmetric 0/1 matrix of simple edges, float32 with sorted columns. Shapes: edges (m, 2)."""
    both = np.concatenate([edges, edges[:, ::-1]])
    ones = np.ones(len(both), np.float32)
    matrix = sparse.csr_array((ones, (both[:, 0], both[:, 1])), shape=(n_nodes, n_nodes))
    matrix.sort_indices()
    return matrix


def shared_neighbour_scores(graph: sparse.csr_array, pairs: Int64, weight: Float) -> Float:
    """Sum of `weight` over the neighbours that both nodes of a pair have. O(sum of the two degrees) a pair.

    Shapes: weight (n,) of each node as a shared neighbour; pairs (k, 2); result (k,) float64.
    """
    indptr, indices = graph.indptr.astype(np.int64), graph.indices.astype(np.int32)
    return np.asarray(_shared(indptr, indices, pairs.astype(np.int64), weight))


def common_neighbours(graph: sparse.csr_array) -> Float:
    """Each shared neighbour counts one (Newman 2001)."""
    return np.ones(graph.shape[0])


def adamic_adar(graph: sparse.csr_array) -> Float:
    """A shared neighbour counts 1 / log(degree) (Adamic and Adar 2003); one of degree 1 is shared by nobody."""
    return 1.0 / np.log(np.maximum(_degrees(graph), 2.0))


def resource_allocation(graph: sparse.csr_array) -> Float:
    """A shared neighbour counts 1 / degree (Zhou, Lü and Zhang 2009)."""
    return 1.0 / np.maximum(_degrees(graph), 1.0)


def _degrees(graph: sparse.csr_array) -> Float:
    return np.diff(graph.indptr).astype(np.float64)


@numba.njit(cache=True, nogil=True)
def _shared(indptr, indices, pairs, weight):  # type: ignore[no-untyped-def]
    scores = np.zeros(len(pairs))
    for k in range(len(pairs)):
        i, i_end = indptr[pairs[k, 0]], indptr[pairs[k, 0] + 1]
        j, j_end = indptr[pairs[k, 1]], indptr[pairs[k, 1] + 1]
        while i < i_end and j < j_end:
            a, b = indices[i], indices[j]
            if a == b:
                scores[k] += weight[a]
            i += a <= b
            j += b <= a
    return scores

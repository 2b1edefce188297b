"""The oldest link predictors: sums over the neighbours that two nodes share."""

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
# what a neighbourhood weighs beside its neighbours: one of a few common nodes is not wholly shared with everybody
SMOOTHING = 0.05


def adjacency(edges: Int64, n_nodes: int) -> sparse.csr_array:
    """The symmetric 0/1 matrix of simple edges, float32 with sorted columns. Shapes: edges (m, 2)."""
    both = np.concatenate([edges, edges[:, ::-1]])
    ones = np.ones(len(both), np.float32)
    matrix = sparse.csr_array((ones, (both[:, 0], both[:, 1])), shape=(n_nodes, n_nodes))
    matrix.sort_indices()
    return matrix


def neighbourhoods(graph: sparse.csr_array, owner: Int64 | None) -> sparse.csr_array:
    """What the oldest predictors compare: the neighbours of a node, and for a node that owns others theirs as well.

    Tables of a lake touch nothing but their columns, so no two of them would ever share a neighbour.
    Shapes: graph (n, n) 0/1; owner (n,) the owner of each node, itself where it has none; result (n, n) 0/1.
    """
    if owner is None:
        return graph
    owned = np.flatnonzero(owner != np.arange(len(owner)))
    ones = np.ones(len(owned), np.float32)
    gathered = sparse.csr_array((ones, (owner[owned], owned)), shape=graph.shape) @ graph
    reached = sparse.csr_array(graph + gathered)
    reached.data = np.ones(reached.nnz, np.float32)
    reached.sort_indices()
    return reached


def shared_neighbour_scores(graph: sparse.csr_array, pairs: Int64, weight: Float) -> Float:
    """Sum of `weight` over the neighbours that both nodes of a pair have.

    Shapes: weight (n,) of each node as a shared neighbour, or (n, w) of several; pairs (k, 2); result (k,) or (k, w)
    float64. O(size of the second node's neighbourhood) a pair, and of the first one's where the first node changes.
    """
    indptr, indices = graph.indptr.astype(np.int64), graph.indices.astype(np.int32)
    weights = np.ascontiguousarray(weight if weight.ndim == 2 else weight[:, None])
    scores = np.asarray(_shared(indptr, indices, np.ascontiguousarray(pairs, np.int64), weights))
    return scores if weight.ndim == 2 else scores[:, 0]


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
def _shared(indptr, indices, pairs, weights):  # type: ignore[no-untyped-def]
    """Marks the neighbours of the first node, as long as it stays the same, and looks up those of the second."""
    scores = np.zeros((len(pairs), weights.shape[1]))
    marked, head = np.full(len(weights), -1, np.int64), -1
    for k in range(len(pairs)):
        if pairs[k, 0] != head:
            head = pairs[k, 0]
            for a in range(indptr[head], indptr[head + 1]):
                marked[indices[a]] = head
        for b in range(indptr[pairs[k, 1]], indptr[pairs[k, 1] + 1]):
            node = indices[b]
            if marked[node] == head:
                for column in range(weights.shape[1]):
                    scores[k, column] += weights[node, column]
    return scores

"""Groups to begin with where there are few large ones: by the Bethe-Hessian's negative eigenvalues."""

import numpy as np
import scipy.sparse as sp
from scipy.cluster.vq import kmeans2
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

from lakebed.tasks.keys.kernel.columns import Float64, Int64
from lakebed.tasks.topics.kernel.graph import TableGraph

MAX_GROUPS, LEAST_SIZE = 64, 4
N_STARTS, MAX_RESTARTS = 5, 10


def spectral_groups(graph: TableGraph, seed: int = 0) -> Int64 | None:
    """A group of each node, (n,), numbered from 0; None where there are not at least two and at most 64 large ones.

    Saade, Krzakala and Zdeborová 2014, "Spectral clustering of graphs with the Bethe Hessian": (r² - 1) I - r A + D
    at r = √(mean excess degree) has as many negative eigenvalues as there are groups that can be told; k-means on
    the rows of their vectors, of length 1. Weights are left out.

    Note:
        One more eigenvalue than `MAX_GROUPS` is asked for, no matter how large the graph is, and Lanczos stops after 10
        restarts. Where all that were found are negative, there are more groups than that or none that can be told, and
        single nodes are the better start.
    """
    adjacency = graph.adjacency
    adjacency.data[:] = 1.0
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    n_asked = MAX_GROUPS + 1
    if graph.n < n_asked * LEAST_SIZE or not degree.any():
        return None
    radius = np.sqrt(max(float((degree**2).sum() / degree.sum()) - 1, 1.01))
    hessian = sp.diags_array((radius**2 - 1) + degree) - radius * adjacency
    first = np.random.default_rng(seed).random(graph.n)
    try:
        values, vectors = eigsh(hessian, k=n_asked, which="SA", v0=first, maxiter=MAX_RESTARTS)
    except ArpackNoConvergence as stopped:
        values, vectors = stopped.eigenvalues, stopped.eigenvectors
    n_groups = int((values < 0).sum())
    if n_groups < 2 or n_groups == len(values):
        return None
    return _nearest(vectors[:, np.argsort(values)[:n_groups]], n_groups, seed)


def _nearest(vectors: Float64, n_groups: int, seed: int) -> Int64:
    """The best of some runs of k-means, groups numbered in the order of their first node."""
    rows = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    best, least = np.zeros(len(rows), np.int64), np.inf
    for run in range(N_STARTS):
        centres, label = kmeans2(rows, n_groups, minit="++", rng=np.random.default_rng(seed + run))
        apart = float(((rows - centres[label]) ** 2).sum())
        if apart < least:
            best, least = label.astype(np.int64), apart
    _, first, number = np.unique(best, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    found: Int64 = rank[number]
    return found

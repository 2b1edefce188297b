"""The forms of a product written out with dense matrices, and scipy's own sparse matrix."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from lakebed.tasks.summary.kernel.blocks import Form
from lakebed.tasks.summary.kernel.csr import CsrGraph


def scipy_adjacency(graph: CsrGraph) -> sp.csr_matrix:
    values = np.ones(len(graph.indices), np.float32) if graph.weights is None else graph.weights
    return sp.csr_matrix((values, graph.indices, graph.indptr), shape=(graph.n_nodes, graph.n_nodes))


def dense_form(adjacency: NDArray[np.float64], form: Form) -> NDArray[np.float64]:
    degree = adjacency.sum(axis=1)
    if form == "symmetric":
        root = np.diag(1 / np.sqrt(degree + 1))
        return root @ (adjacency + np.eye(len(degree))) @ root
    inverse = np.diag([1 / value if value > 0 else 0.0 for value in degree])
    return {"adjacency": adjacency, "walk": inverse @ adjacency, "walk_transposed": adjacency @ inverse}[form]

"""Small graphs to embed."""

import numpy as np

from lakebed.tasks.embeddings.kernel.fastrp import EmbeddingGraph, NodeFeatures, Transition
from lakebed.tasks.summary.kernel.csr import CsrGraph
from lakebed.tasks.summary.kernel.operator import CsrOperator


def hashes(n_nodes: int) -> np.ndarray:
    return np.random.default_rng(99).integers(0, 2**63, n_nodes, dtype=np.uint64)


def random_graph(n_nodes: int = 60, share: float = 0.1, seed: int = 0) -> CsrGraph:
    """The last node is isolated."""
    draw = np.random.default_rng(seed)
    edges = np.argwhere(np.triu(draw.random((n_nodes, n_nodes)) < share, 1))
    return CsrGraph.from_edges(n_nodes, edges[(edges < n_nodes - 1).all(axis=1)])


def embedding_graph(graph: CsrGraph, features: NodeFeatures | None = None, n_threads: int = 1) -> EmbeddingGraph:
    walk = CsrOperator(graph, "walk", n_threads)
    return EmbeddingGraph(hashes(graph.n_nodes), graph.degrees, [Transition(walk.product)], features)


def largest_angle(left: np.ndarray, right: np.ndarray) -> float:
    """Between the spaces that the columns span, in radians; columns of zeros are left out."""
    from scipy.linalg import subspace_angles

    spans = [each[:, each.any(axis=0)].astype(np.float64) for each in (left, right)]
    return float(subspace_angles(*spans).max())

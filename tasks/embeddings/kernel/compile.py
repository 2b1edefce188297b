"""Fills numba's disk cache with this stage's kernels, by embedding one tiny graph."""

import numpy as np

from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.kernel.fastrp import EmbeddingGraph, Transition, embed
from lakebed.tasks.embeddings.kernel.orthogonal import embed_by_rounds


def compile_kernels() -> None:
    """Compiles every kernel for the types it is called with, or loads it from the disk cache."""
    swap = Transition(lambda dense: dense[::-1].copy())
    graph = EmbeddingGraph(np.arange(2, dtype=np.uint64), np.ones(2), [swap])
    embed(graph, EmbeddingsConfig(dim=8, threads=1))
    # columns of their own stand apart in memory, which is another type
    apart = EmbeddingsConfig(dim=8, threads=1, edge_types={"a": 1.0, "b": 1.0}, type_mode="concatenated")
    embed(EmbeddingGraph(graph.node_hash, graph.degree, [swap, swap]), apart)
    embed_by_rounds(graph, EmbeddingsConfig(dim=8, threads=1, method="orthogonal", orthogonal_rounds=1))

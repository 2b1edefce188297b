"""Fills numba's disk cache with this stage's kernels."""

from importlib.util import find_spec

import numpy as np


def compile_kernels() -> None:
    """Calls each kernel once on a triangle; nothing is to be done where the extra `links` is not installed."""
    if find_spec("torch") is None:
        return
    from lakebed.tasks.links.kernel.neighbours import adjacency, common_neighbours, shared_neighbour_scores
    from lakebed.tasks.links.kernel.propagation import transition_matrix
    from lakebed.tasks.links.kernel.reweighting import Reweighting
    from lakebed.tasks.links.kernel.sampling import NeighbourSampler
    from lakebed.tasks.links.kernel.topology import concentration

    edges = np.array([[0, 1], [0, 2], [1, 2]], np.int64)
    graph = adjacency(edges, 3)
    shared_neighbour_scores(graph, edges, common_neighbours(graph))
    concentration(graph)
    Reweighting(graph, transition_matrix).raised(graph.data, np.zeros((3, 1), np.float32), 1.0)
    NeighbourSampler(graph, 1).around(np.arange(2, dtype=np.int64), 1, (0, 0, 0))

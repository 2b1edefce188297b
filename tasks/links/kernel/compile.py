"""Fills numba's disk cache with this stage's kernels."""

import numpy as np

from tasks.links.kernel.neighbours import adjacency, common_neighbours, shared_neighbour_scores
from tasks.links.kernel.propagation import transition_matrix
from tasks.links.kernel.reweighting import Reweighting
from tasks.links.kernel.sampling import NeighbourSampler
from tasks.links.kernel.topology import concentration


def compile_kernels() -> None:
    """Calls each kernel once on a triangle."""
    edges = np.array([[0, 1], [0, 2], [1, 2]], np.int64)
    graph = adjacency(edges, 3)
    shared_neighbour_scores(graph, edges, common_neighbours(graph))
    concentration(graph)
    Reweighting(graph, transition_matrix).raised(graph.data, np.zeros((3, 1), np.float32), 1.0)
    NeighbourSampler(graph, 1).around(np.arange(2, dtype=np.int64), 1, (0, 0, 0))

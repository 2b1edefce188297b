"""Fills numba's disk cache with this stage's kernels."""

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray


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
    _compile_row_cache()
    NeighbourSampler(graph, 1).around(np.arange(2, dtype=np.int64), 1, (0, 0, 0))


def _compile_row_cache() -> None:
    """A file's rows cannot be written to, which is a type of its own to numba."""
    from lakebed.tasks.links.kernel.row_cache import RowCache, copy_checked, row_checks

    checks, places = np.zeros(2, np.uint32), np.arange(2, dtype=np.int64)

    class Zeros:
        shape = (2, 1)

        def gather(self, nodes: NDArray[np.int64], out: NDArray[np.float32], places: NDArray[np.int64]) -> None:
            rows = np.zeros((2, 1), np.uint32)
            row_checks(rows, checks)
            rows.flags.writeable = False
            copy_checked(rows, checks, nodes, out.view(np.uint32), places)

    cache = RowCache(Zeros(), places, 4)
    cache.follow(iter([places]))
    cache.take(places)

"""Neighbour-sampled mini-batches (Hamilton et al. 2017): a batch touches a bounded part of the graph."""

from dataclasses import dataclass

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from lakebed.tasks.encoding.distinct import distinct
from lakebed.tasks.links.kernel.networks import AnyInputs, Network
from lakebed.tasks.links.kernel.propagation import Propagation

Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Sample:
    """What a mini-batch reads. Shapes: nodes (k,) and around (a,) ascending; block (a, a) CSR float32."""

    nodes: Int64
    around: Int64
    block: sparse.csr_array

    def embed(self, network: Network, rows: AnyInputs, random: np.random.Generator) -> torch.Tensor:
        """Vectors of the nodes, computed from the rows around them. Shapes: rows (a, f); result (k, d)."""
        vectors = network.embed(rows, Propagation.by_matrix(self.block), random)
        return vectors[torch.from_numpy(np.searchsorted(self.around, self.nodes))]


@dataclass(frozen=True)
class NeighbourSampler:
    """Samples of the propagation matrix's rows: at most `n_sampled` entries a row, scaled up to the whole row.

    Shapes: matrix (n, n) CSR float32.
    """

    matrix: sparse.csr_array
    n_sampled: int

    def sample(self, nodes: Int64, n_layers: int, key: tuple[int, int, int]) -> Sample:
        """What `n_layers` layers read for some nodes, a function of the key. Shapes: nodes (k,) ascending."""
        return Sample(nodes, *self.around(nodes, n_layers, key))

    def around(self, nodes: Int64, n_layers: int, key: tuple[int, int, int]) -> tuple[Int64, sparse.csr_array]:
        """The nodes that `n_layers` steps of sampled rows reach, ascending, and the sampled matrix among them."""
        inner = self.reached(nodes, n_layers - 1, key)
        places = _sampled_places(self.matrix.indptr, inner, self.n_sampled, _seed(key))
        row = np.repeat(inner, np.minimum(np.diff(self.matrix.indptr)[inner], self.n_sampled))
        reached = distinct(np.concatenate([inner, self.matrix.indices[places].astype(np.int64)]))
        return reached, self._block(reached, row, places)

    def reached(self, nodes: Int64, n_layers: int, key: tuple[int, int, int]) -> Int64:
        """The nodes alone that `n_layers` steps of sampled rows reach, ascending."""
        # a copy, since numba tells arrays apart that may not be written to
        first, matrix = np.array(nodes, np.int64), self.matrix
        reached: Int64 = _reached(matrix.indptr, matrix.indices, first, n_layers, self.n_sampled, _seed(key))
        return reached

    def _block(self, reached: Int64, row: Int64, place: Int64) -> sparse.csr_array:
        degrees = np.diff(self.matrix.indptr)
        scale = degrees[row] / np.minimum(degrees[row], self.n_sampled)
        data = (self.matrix.data[place] * scale).astype(np.float32)
        columns = np.searchsorted(reached, self.matrix.indices[place])
        at = (np.searchsorted(reached, row), columns)
        return sparse.csr_array((data, at), shape=(len(reached), len(reached)))


def _seed(key: tuple[int, int, int]) -> np.uint64:
    return np.uint64(np.random.SeedSequence([*key, 7]).generate_state(1, np.uint64)[0])


@numba.njit(cache=True, nogil=True)
def _mixed(x):  # type: ignore[no-untyped-def]
    """SplitMix64's finaliser (Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(cache=True, nogil=True)
def _sampled_places(indptr, nodes, n_sampled, seed):  # type: ignore[no-untyped-def]
    """Places in the matrix's entries: whole short rows, distinct draws of long ones (Floyd's sampling)."""
    n_all = 0
    for node in nodes:
        n_all += min(n_sampled, indptr[node + 1] - indptr[node])
    places = np.empty(n_all, np.int64)
    k = 0
    for node in nodes:
        start, degree = indptr[node], indptr[node + 1] - indptr[node]
        if degree <= n_sampled:
            for a in range(degree):
                places[k] = start + a
                k += 1
            continue
        first = k
        state = _mixed(seed ^ _mixed(np.uint64(node) + np.uint64(0x9E3779B97F4A7C15)))
        for top in range(degree - n_sampled, degree):
            state += np.uint64(0x9E3779B97F4A7C15)
            drawn = start + np.int64(_mixed(state) % np.uint64(top + 1))
            for seen in range(first, k):
                if places[seen] == drawn:
                    drawn = start + top
                    break
            places[k] = drawn
            k += 1
    return places


@numba.njit(cache=True, nogil=True)
def _reached(indptr, indices, nodes, n_layers, n_sampled, seed):  # type: ignore[no-untyped-def]
    is_reached = np.zeros(len(indptr) - 1, np.bool_)
    for node in nodes:
        is_reached[node] = True
    frontier = nodes
    for _ in range(n_layers):
        places = _sampled_places(indptr, frontier, n_sampled, seed)
        fresh, n_fresh = np.empty(len(places), np.int64), 0
        for place in places:
            node = indices[place]
            if not is_reached[node]:
                is_reached[node] = True
                fresh[n_fresh] = node
                n_fresh += 1
        frontier = fresh[:n_fresh]
    return np.flatnonzero(is_reached)

"""Topological concentration of nodes (Wang et al., ICLR 2024): which of them a link predictor will serve badly.

TC_i is the mean over i's neighbours j of Σ β^(k1+k2-2) |N^k1(i) ∩ N^k2(j)| / Σ β^(k1+k2-2) |N^k1(i)|, over the nodes
at distance k1 and k2 of 1 … K, the edge {i, j} itself removed. ATC replaces the sets by randomly projected profiles.
"""

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lakebed.tasks.links.kernel.features import unit_vectors

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
N_PROFILE_HOPS = 3


def concentration(graph: sparse.csr_array, beta: float = 0.5) -> Float:
    """TC of each node with K = 2; 0 for an isolated one. O(sum over edges of both ends' two-hop neighbourhoods).

    Shapes: graph (n, n) symmetric 0/1 CSR; result (n,) float64 in [0, 1].
    """
    return np.asarray(_concentration(graph.indptr.astype(np.int64), graph.indices.astype(np.int32), beta))


def approximate_concentration(
    graph: sparse.csr_array, transition: sparse.csr_array, n_columns: int, seed: int, beta: float = 0.5
) -> Float:
    """ATC: mean over the neighbours of the cosine of two nodes' projected profiles. O(K · n_columns · edges).

    Profiles are Σ β^(k-1) A^k R with Gaussian R of `n_columns` columns, for k = 1 … 3: walks stand for the nodes at
    their ends. Departs from the paper: the edge {i, j} is left in.
    Shapes: graph, transition (n, n); result (n,) float64 in [-1, 1].
    """
    random = np.random.Generator(np.random.PCG64([seed, 4]))
    power = random.standard_normal((graph.shape[0], n_columns), dtype=np.float32) / np.float32(np.sqrt(n_columns))
    profile = np.zeros_like(power)
    for hop in range(N_PROFILE_HOPS):
        power = np.asarray(graph @ power, np.float32)
        profile += np.float32(beta**hop) * power
    unit = unit_vectors(profile)
    around = np.asarray(transition @ unit, np.float32)
    return np.asarray(np.einsum("ij,ij->i", unit, around, dtype=np.float64))


def recall_of_nodes(ranked: Int64, partners: sparse.csr_array) -> Float:
    """Share of each node's partners among the nodes ranked for it; NaN for a node without partners.

    Shapes: ranked (n, k) nodes, -1 where there are fewer; partners (n, n) 0/1 CSR; result (n,).
    """
    n_nodes, k = ranked.shape
    keys = np.repeat(np.arange(n_nodes), np.diff(partners.indptr)) * n_nodes + partners.indices
    asked = np.arange(n_nodes)[:, None] * n_nodes + ranked
    n_hits = (np.isin(asked, keys) & (ranked >= 0)).sum(axis=1)
    n_partners = np.diff(partners.indptr)
    possible = np.minimum(n_partners, k)
    return np.asarray(np.divide(n_hits, possible, out=np.full(n_nodes, np.nan), where=possible > 0))


@numba.njit(cache=True, nogil=True)
def _levels(indptr, indices, node, without, level, touched):  # type: ignore[no-untyped-def]
    """Distances 1 and 2 from `node` without the edge to `without`; returns how many nodes were touched."""
    n_touched = 0
    level[node] = 3
    touched[n_touched] = node
    n_touched += 1
    for a in range(indptr[node], indptr[node + 1]):
        near = indices[a]
        if near != without:
            level[near] = 1
            touched[n_touched] = near
            n_touched += 1
    for t in range(1, n_touched):
        near = touched[t]
        for a in range(indptr[near], indptr[near + 1]):
            far = indices[a]
            if level[far] == 0:
                level[far] = 2
                touched[n_touched] = far
                n_touched += 1
    return n_touched


@numba.njit(cache=True, nogil=True)
def _overlap(own, n_own, own_level, other_level, beta):  # type: ignore[no-untyped-def]
    shared, whole = 0.0, 0.0
    for t in range(n_own):
        mine = own_level[own[t]]
        if mine == 3:
            continue
        # the sum over k2 of β^(k2-1) stands in the denominator for every own node
        whole += beta ** (mine - 1) * (1.0 + beta)
        theirs = other_level[own[t]]
        if 1 <= theirs <= 2:
            shared += beta ** (mine - 1) * beta ** (theirs - 1)
    return shared / whole if whole > 0.0 else 0.0


@numba.njit(cache=True, nogil=True)
def _concentration(indptr, indices, beta):  # type: ignore[no-untyped-def]
    n = len(indptr) - 1
    result = np.zeros(n)
    level_i, level_j = np.zeros(n, np.int8), np.zeros(n, np.int8)
    touched_i, touched_j = np.empty(n + 1, np.int32), np.empty(n + 1, np.int32)
    for i in range(n):
        for a in range(indptr[i], indptr[i + 1]):
            j = indices[a]
            n_i = _levels(indptr, indices, i, j, level_i, touched_i)
            n_j = _levels(indptr, indices, j, i, level_j, touched_j)
            result[i] += _overlap(touched_i, n_i, level_i, level_j, beta)
            level_i[touched_i[:n_i]] = 0
            level_j[touched_j[:n_j]] = 0
        if indptr[i + 1] > indptr[i]:
            result[i] /= indptr[i + 1] - indptr[i]
    return result

"""Orthogonal rounds: the graph's main directions by subspace iteration, instead of weighted powers of a projection.

With S = D^-½AD^-½: U ← S·U from a random start, made orthonormal every few rounds (Halko, Martinsson and Tropp,
arXiv 0909.4061, algorithm 4.4). Here V = D^-½U is kept, of which a round is the product that FastRP takes, V ← D⁻¹A·V,
and orthonormal means VᵀDV = I. That is reached by CholeskyQR2 (Fukaya and colleagues, 2014): VᵀDV = RᵀR, V ← V·R⁻¹, and
again. It needs sums over the nodes alone, which are taken in fixed order: the result depends neither on threads nor
on partitions. Departs from the paper: a column that depends on those before it, as in a graph of fewer directions than
columns, becomes 0.
"""

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.kernel.fastrp import (
    EmbeddingGraph,
    Embeddings,
    own_projection,
    require_nodes,
    require_vectors,
    thread_count,
)
from lakebed.tasks.embeddings.kernel.projection import Float32, UInt64, project
from lakebed.tasks.embeddings.kernel.sums import Float64, by_columns, by_rows, standardize

# of a column's squared length: less is rounding, since float32 leaves 1e-14
_DEPENDENT = 1e-12
_N_FACTORINGS = 2

OnRound = Callable[[int, Float32], None]


def embed_by_rounds(
    graph: EmbeddingGraph,
    config: EmbeddingsConfig,
    on_round: OnRound = lambda *_: None,
    begun: tuple[int, Float32] | None = None,
) -> Embeddings:
    """A vector for every node; `on_round` gets each round's number and directions, and `begun` takes one up again.

    Shapes: result (n, dim). O(rounds · edges · dim + rounds / every · n · dim²).
    Raises: GraphError: if the graph is empty or a number becomes infinite.
    """
    require_nodes(graph)
    n_threads, product = thread_count(config), graph.transitions[0].product
    done, current = begun or (0, start(graph.node_hash, graph.degree, config))
    for number in range(done + 1, config.orthogonal_rounds + 1):
        current = product(current)
        if is_factored(number, config):
            for _ in range(_N_FACTORINGS):
                multiply(current, inverse_factor(gram(current, graph.degree, n_threads)), n_threads)
        on_round(number, current)
    n_isolated, n_cancelled = finish(graph, config, current, slice(0, graph.n_nodes))
    if config.standardize:
        standardize(current, n_threads)
    require_vectors(current)
    return Embeddings(current, n_isolated, n_cancelled)


def is_factored(number: int, config: EmbeddingsConfig) -> bool:
    """Whether the directions are made orthonormal after a round: after the first, every few, and after the last."""
    return number in (1, config.orthogonal_rounds) or number % config.orthogonal_every == 0


def start(node_hash: UInt64, degree: Float64, config: EmbeddingsConfig) -> Float32:
    """Random signs by the nodes' keys, over √degree. Shapes: (n,) each; (n, dim)."""
    found = np.empty((len(node_hash), config.dim), np.float32)
    scale = 1 / np.sqrt(np.where(degree > 0, degree, 1))
    project(node_hash, scale.astype(np.float32), 1, config.seed, found)
    return found


def finish(graph: EmbeddingGraph, config: EmbeddingsConfig, current: Float32, rows: slice) -> tuple[int, int]:
    """Directions become vectors of length 1 on average, in place; how many nodes are isolated, how many cancel out.

    Shapes: current (rows, dim).
    """
    scale = np.sqrt(graph.degree[rows] * graph.n_nodes / config.dim).astype(np.float32)
    current *= scale[:, None]
    alone = own_projection(graph, config, current, rows)
    n_isolated = int((graph.degree[rows][alone] == 0).sum())
    return n_isolated, len(alone) - n_isolated


def gram(current: Float32, weight: Float64, n_threads: int = 1) -> Float64:
    """VᵀDV, its upper triangle, the rows in their order. Shapes: (n, d), (n,); (d, d)."""
    dim = current.shape[1]
    found = np.zeros((dim, dim))
    by_columns(_gram, (current, weight, found), dim, n_threads)
    return found


def multiply(current: Float32, inverse: Float64, n_threads: int = 1) -> None:
    """V ← V·R⁻¹, in place. Shapes: (n, d), (d, d) upper triangle."""
    by_rows(_multiply, (current, inverse), len(current), n_threads)


@njit(cache=True, nogil=True)
def inverse_factor(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    """R⁻¹ of RᵀR; a column that depends on those before it is 0. Shapes: (d, d) upper triangles. O(d³)."""
    dim = len(gram)
    factor, inverse = np.zeros((dim, dim)), np.zeros((dim, dim))
    for i in range(dim):
        for j in range(i, dim):
            factor[i, j] = gram[i, j]
        for k in range(i):
            share = factor[k, i]
            for j in range(i, dim):
                factor[i, j] -= share * factor[k, j]
        pivot = factor[i, i]
        scale = 1 / np.sqrt(pivot) if pivot > _DEPENDENT * gram[i, i] else 0.0
        for j in range(i, dim):
            factor[i, j] *= scale
    for i in range(dim):
        inverse[i, i] = 1.0
        for k in range(i, dim):
            value = inverse[i, k] / factor[k, k] if factor[k, k] > 0 else 0.0
            inverse[i, k] = value
            for j in range(k + 1, dim):
                inverse[i, j] -= value * factor[k, j]
    return inverse


@njit(cache=True, nogil=True)
def _gram(current, weight, found, begin, end):  # type: ignore[no-untyped-def]
    """Rows begin to end of the triangle; four nodes at a time, which saves three of four passes over it."""
    n, dim = current.shape
    rows = np.zeros((4, dim))
    for first in range(0, n, 4):
        for at in range(4):
            for j in range(begin, dim):
                rows[at, j] = current[first + at, j] if first + at < n else 0.0
        for i in range(begin, end):
            a = weight[first] * rows[0, i]
            b = weight[first + 1] * rows[1, i] if first + 1 < n else 0.0
            c = weight[first + 2] * rows[2, i] if first + 2 < n else 0.0
            d = weight[first + 3] * rows[3, i] if first + 3 < n else 0.0
            for j in range(i, dim):
                found[i, j] += a * rows[0, j] + b * rows[1, j] + c * rows[2, j] + d * rows[3, j]


@njit(cache=True, nogil=True)
def _multiply(current, inverse, begin, end):  # type: ignore[no-untyped-def]
    """Four rows at a time; each is summed in the order of the columns, so ranges make no difference."""
    dim = current.shape[1]
    sums = np.empty((4, dim))
    for first in range(begin, end, 4):
        size = min(4, end - first)
        sums[:] = 0.0
        for k in range(dim):
            a = np.float64(current[first, k])
            b = np.float64(current[first + 1, k]) if size > 1 else 0.0
            c = np.float64(current[first + 2, k]) if size > 2 else 0.0
            d = np.float64(current[first + 3, k]) if size > 3 else 0.0
            for j in range(k, dim):
                value = inverse[k, j]
                sums[0, j] += a * value
                sums[1, j] += b * value
                sums[2, j] += c * value
                sums[3, j] += d * value
        for at in range(size):
            for j in range(dim):
                current[first + at, j] = sums[at, j]

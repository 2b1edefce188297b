"""Sparse times dense on the graph itself: the same inner loop as on the summary, so that the two compare fairly."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from connectors.errors import GraphError
from tasks.summary.kernel.blocks import Dense, Scaling, block_product
from tasks.summary.kernel.model import Int32, Int64
from tasks.summary.kernel.rows import sum_rows, sum_weighted_rows


@dataclass(frozen=True)
class CsrGraph:
    """A graph by rows: the neighbours of v are indices[indptr[v] : indptr[v + 1]], ascending.

    Undirected: each edge stands in both rows, with one weight.

    Shapes: indptr (n_nodes + 1,) int64; indices (2 · n_edges,) int32; weights the same, float32, None where all are 1.
    """

    indptr: Int64
    indices: Int32
    weights: NDArray[np.float32] | None = None

    @property
    def n_nodes(self) -> int:
        """Vertices."""
        return len(self.indptr) - 1

    @cached_property
    def degrees(self) -> NDArray[np.float64]:
        """Neighbours of each vertex, or the sum of their weights."""
        counts = np.diff(self.indptr)
        if self.weights is None:
            return counts.astype(np.float64)
        rows = np.repeat(np.arange(self.n_nodes), counts)
        return np.bincount(rows, self.weights, self.n_nodes).astype(np.float64)

    @staticmethod
    def from_edges(n_nodes: int, edges: NDArray[Any], weights: NDArray[Any] | None = None) -> "CsrGraph":
        """From undirected edges, each given once, no self loop.

        Shapes: edges (n_edges, 2) integers in 0 ... n_nodes - 1; weights (n_edges,).
        Raises: GraphError: if a number is out of range, or a weight is not finite or negative.
        """
        if len(edges) and not (0 <= edges.min() and edges.max() < n_nodes):
            raise GraphError("an edge names a node that does not exist", expected=f"numbers 0 to {n_nodes - 1}")
        source, target = np.concatenate([edges[:, 0], edges[:, 1]]), np.concatenate([edges[:, 1], edges[:, 0]])
        order = np.lexsort((target, source))
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(source, minlength=n_nodes))])
        return CsrGraph(indptr, target[order].astype(np.int32), _both_ways(weights, order))


def _both_ways(weights: NDArray[Any] | None, order: Int64) -> NDArray[np.float32] | None:
    if weights is None:
        return None
    values = np.asarray(weights, np.float32)
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(wrong):
        raise GraphError(
            "an edge weight cannot be used", value=values[wrong[0]], expected="finite numbers, none below 0"
        )
    return np.concatenate([values, values])[order]


def csr_product(graph: CsrGraph, dense: Dense, scaling: Scaling, n_threads: int = 1) -> Dense:
    """diag(left) (A + diag(own)) diag(right) X, the sums of each row in stored order.

    Shapes: dense and result (n_nodes, d) float32 or float64; scaling's arrays (n_nodes,).
    Same bits for any number of threads. O(edges · d).
    """
    weights = None if graph.weights is None else graph.weights.astype(dense.dtype, copy=False)
    scaled = dense if scaling.right is None else dense * scaling.right.astype(dense.dtype)[:, None]
    left, own = scaling.sides(graph.n_nodes, dense.dtype)

    def run(width: int, columns: int, given: Dense, result: Dense) -> None:
        flat, out, shape = given.reshape(-1), result.reshape(-1), (given.shape[1], columns)
        if weights is None:
            _kernel(width)(graph.indptr, graph.indices, flat, out, shape, left, own)
        else:
            _weighted_kernel(width)(graph.indptr, graph.indices, weights, flat, out, shape, left, own)

    return block_product(scaled, run, n_threads)


@cache
def _kernel(width: int) -> Callable[..., None]:
    @njit(cache=True, nogil=True)
    def multiply(indptr, indices, dense, result, shape, left, own):  # type: ignore[no-untyped-def]
        stride, offset = shape
        zeros, total = np.zeros(width, dense.dtype), np.empty(width, dense.dtype)
        for v in range(len(indptr) - 1):
            runs = (indptr[v], indptr[v + 1], indptr[v + 1])
            sum_rows(total, 0, zeros, 0, dense, (stride, offset), indices, runs, width)
            at, scale, self_weight = np.uint64(v * stride + offset), left[v], own[v]
            for j in range(width):
                result[at + np.uint64(j)] = scale * (total[j] + self_weight * dense[at + np.uint64(j)])

    return multiply


@cache
def _weighted_kernel(width: int) -> Callable[..., None]:
    @njit(cache=True, nogil=True)
    def multiply(indptr, indices, weights, dense, result, shape, left, own):  # type: ignore[no-untyped-def]
        stride, offset = shape
        total = np.empty(width, dense.dtype)
        for v in range(len(indptr) - 1):
            runs = (indptr[v], indptr[v + 1])
            sum_weighted_rows(total, 0, weights, dense, (stride, offset), indices, runs, width)
            at, scale, self_weight = np.uint64(v * stride + offset), left[v], own[v]
            for j in range(width):
                result[at + np.uint64(j)] = scale * (total[j] + self_weight * dense[at + np.uint64(j)])

    return multiply

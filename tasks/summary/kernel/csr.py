"""Sparse times dense on the graph itself: the same inner loop as on the summary, so that the two compare fairly."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.connectors.errors import GraphError
from lakebed.tasks.encoding.pairs import pair_order, sorted_pairs
from lakebed.tasks.summary.kernel.blocks import Dense, Scaling, Scratch, block_product
from lakebed.tasks.summary.kernel.model import Int32, Int64
from lakebed.tasks.summary.kernel.row_sums import combine_rows, sum_rows, sum_weighted_rows

# columns: up to rows of 512 bytes nothing is copied
MAX_STRIDE = 128


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
        indptr = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(source, minlength=n_nodes))])
        if weights is None:
            return CsrGraph(indptr, sorted_pairs(source, target)[1].astype(np.int32))
        order = pair_order(source, target)
        return CsrGraph(indptr, target[order].astype(np.int32), _both_ways(weights, order))


def _both_ways(weights: NDArray[Any], order: Int64) -> NDArray[np.float32]:
    values = np.asarray(weights, np.float32)
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(wrong):
        raise GraphError(
            "an edge weight cannot be used", value=values[wrong[0]], expected="finite numbers, none below 0"
        )
    return np.concatenate([values, values])[order]


def csr_product(
    graph: CsrGraph, dense: Dense, scaling: Scaling, n_threads: int = 1, scratch: Scratch | None = None
) -> Dense:
    """diag(left) (A + diag(own)) diag(right) X, the sums of each row in stored order.

    Shapes: dense and result (n_nodes, d) float32 or float64; scaling's arrays (n_nodes,).
    Same bits for any number of threads. O(edges · d).
    """
    weights = None if graph.weights is None else graph.weights.astype(dense.dtype, copy=False)
    scaled = dense if scaling.right is None else dense * scaling.right.astype(dense.dtype)[:, None]
    left, own = scaling.sides(graph.n_nodes, dense.dtype)

    pool = scratch or Scratch()

    def run(width: int, column: int, given: Dense, result: Dense) -> None:
        out = (result.reshape(-1), (given.shape[1], column), left, own)
        if not is_packed(given.shape[1], width):
            _multiply(graph, weights, (given.reshape(-1), given.shape[1], column), out, width)
            return
        buffer = pool.take(graph.n_nodes * width, given.dtype)
        buffer[: graph.n_nodes * width].reshape(-1, width)[:] = given[:, column : column + width]
        _multiply(graph, weights, (buffer, width, 0), out, width)
        pool.give(buffer)

    return block_product(scaled, run, n_threads)


def is_packed(n_columns: int, width: int) -> bool:
    """Whether a block of columns is copied first: rows far apart fall into few sets of the cache."""
    return n_columns > max(width, MAX_STRIDE)


def _multiply(
    graph: CsrGraph, weights: Dense | None, source: tuple[Dense, int, int], out: tuple[Any, ...], width: int
) -> None:
    if weights is None:
        _kernel(width)(graph.indptr, graph.indices, source, *out)
    else:
        _weighted_kernel(width)(graph.indptr, graph.indices, weights, source, *out)


@cache
def _kernel(width: int) -> Callable[..., None]:
    @njit(cache=True, nogil=True)
    def multiply(indptr, indices, source, result, shape, left, own):  # type: ignore[no-untyped-def]
        (dense, stride, offset), (to_stride, to_offset) = source, shape
        zeros, total = np.zeros(width, dense.dtype), np.empty(width, dense.dtype)
        for v in range(len(indptr) - 1):
            runs = (indptr[v], indptr[v + 1], indptr[v + 1])
            sum_rows(total, 0, zeros, 0, dense, (stride, offset), indices, runs, width)
            at, to = v * stride + offset, v * to_stride + to_offset
            combine_rows(result, to, total, 0, dense, at, (left[v], own[v]), width)

    return multiply


@cache
def _weighted_kernel(width: int) -> Callable[..., None]:
    @njit(cache=True, nogil=True)
    def multiply(indptr, indices, weights, source, result, shape, left, own):  # type: ignore[no-untyped-def]
        (dense, stride, offset), (to_stride, to_offset) = source, shape
        total = np.empty(width, dense.dtype)
        for v in range(len(indptr) - 1):
            runs = (indptr[v], indptr[v + 1])
            sum_weighted_rows(total, 0, weights, dense, (stride, offset), indices, runs, width)
            at, to = v * stride + offset, v * to_stride + to_offset
            combine_rows(result, to, total, 0, dense, at, (left[v], own[v]), width)

    return multiply

"""Exact nearest neighbours by one matrix product a block."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebed.connectors.errors import ConfigError, GraphError

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]

BLOCK_CELLS = 1 << 24


@dataclass(frozen=True)
class Neighbours:
    """The nearest of each query, the nearest first.

    Shapes: position (q, k) int64, -1 where there are fewer than k; distance (q, k) float32, inf there.
    """

    position: Int64
    distance: Float32

    @staticmethod
    def none(n_queries: int, k: int) -> "Neighbours":
        """No neighbours."""
        return Neighbours(np.full((n_queries, k), -1, np.int64), np.full((n_queries, k), np.inf, np.float32))


def prepared(vectors: Floats, space: str) -> Float32:
    """The vectors as float32, C-contiguous, of length 1 for `cosine`; then the product is the cosine.

    Raises:
        GraphError: if a vector has NaN or infinity, or for `cosine` no direction.
    """
    array = np.ascontiguousarray(vectors, np.float32)
    if array.ndim != 2 or array.shape[1] == 0:
        raise GraphError("vectors must be the rows of a matrix", value=f"shape {array.shape}", expected="(n, dim)")
    lengths = _lengths(array)
    _require(np.isfinite(lengths), "hold NaN or infinity", "finite numbers")
    if space != "cosine":
        return array
    _require(lengths > 0, "are zero, and have no direction", "at least one number that is not 0")
    unit: Float32 = (array / lengths[:, None]).astype(np.float32, copy=False)
    return unit


def require_queries(queries: Floats, dim: int, k: int) -> Floats:
    """Queries as rows of a matrix.

    Raises:
        ConfigError: if they have another dimension than the index, or k < 1.
    """
    rows = np.atleast_2d(queries)
    if rows.ndim != 2 or rows.shape[1] != dim:
        raise ConfigError("a query has another dimension than the index", value=rows.shape[-1], expected=str(dim))
    if k < 1:
        raise ConfigError("the number of neighbours is wrong", value=k, expected="1 or more")
    return rows


def flat_search(vectors: Float32, queries: Float32, k: int, space: str) -> Neighbours:
    """The k nearest of each query, exactly; equal distances in the order of positions. O(q·n·dim).

    Shapes: vectors (n, dim), queries (q, dim), both `prepared`.
    """
    n, found = len(vectors), Neighbours.none(len(queries), k)
    if not n or not len(queries):
        return found
    k_real, step = min(k, n), max(1, BLOCK_CELLS // n)
    squares = np.einsum("ij,ij->i", vectors, vectors) if space == "l2" else None
    for start in range(0, len(queries), step):
        block = queries[start : start + step]
        distances = _distances(vectors, squares, block)
        near = _least(distances, k_real)
        found.position[start : start + step, :k_real] = near
        found.distance[start : start + step, :k_real] = np.take_along_axis(distances, near, 1)
    return found


def _lengths(array: Float32) -> NDArray[np.floating[Any]]:
    """Of each row; in float64 only where float32 gives none."""
    with np.errstate(over="ignore", under="ignore"):
        lengths: NDArray[np.floating[Any]] = np.sqrt(np.einsum("ij,ij->i", array, array))
    if ((lengths > 1e-15) & (lengths < 1e15)).all():
        return lengths
    exact: NDArray[np.floating[Any]] = np.sqrt(np.einsum("ij,ij->i", array, array, dtype=np.float64))
    return exact


def _distances(vectors: Float32, squares: Float32 | None, queries: Float32) -> Float32:
    products = queries @ vectors.T
    if squares is None:
        cosine: Float32 = np.maximum(np.float32(1) - products, np.float32(0))
        return cosine
    own = np.einsum("ij,ij->i", queries, queries)[:, None]
    squared: Float32 = np.maximum(own + squares[None, :] - 2 * products, np.float32(0))
    return squared


def _least(distances: Float32, k: int) -> Int64:
    """Positions of the k least of each row, ascending by (distance, position)."""
    if k < distances.shape[1]:
        near = np.sort(np.argpartition(distances, k - 1, axis=1)[:, :k], axis=1)
    else:
        near = np.broadcast_to(np.arange(k), (len(distances), k))
    order = np.argsort(np.take_along_axis(distances, near, 1), axis=1, kind="stable")
    return np.take_along_axis(near, order, 1).astype(np.int64)


def _require(is_good: NDArray[np.bool_], what: str, expected: str) -> None:
    if is_good.all():
        return
    wrong = np.flatnonzero(~is_good)
    raise GraphError(
        f"{len(wrong):,} vectors {what}",
        value=f"row {int(wrong[0])}",
        expected=expected,
        hint="leave them out, or look at what made them",
        examples=[f"row {row}" for row in wrong[:5].tolist()],
    )


def merge(parts: Sequence[Neighbours], k: int) -> Neighbours:
    """The k nearest of all parts, whose positions are of one numbering; equal distances in the order of positions.

    Shapes: (q, any k) each; result (q, k).
    """
    if len(parts) == 1 and parts[0].position.shape[1] == k:
        return parts[0]
    position = np.concatenate([part.position for part in parts], axis=1)
    distance = np.concatenate([part.distance for part in parts], axis=1)
    order = np.lexsort((position, distance), axis=1)[:, :k]
    found = Neighbours.none(len(position), k)
    width = order.shape[1]
    found.position[:, :width] = np.take_along_axis(position, order, 1)
    found.distance[:, :width] = np.take_along_axis(distance, order, 1)
    return found


def keep(found: Neighbours, is_kept: NDArray[np.bool_], k: int) -> Neighbours:
    """The first k of each row that are kept. Shapes: found (q, any); is_kept (n,); result (q, k)."""
    is_out = (found.position < 0) | ~is_kept[found.position]
    order = np.argsort(is_out, axis=1, kind="stable")[:, :k]
    out = np.take_along_axis(is_out, order, 1)
    result = Neighbours.none(len(found.position), k)
    width = order.shape[1]
    result.position[:, :width] = np.where(out, -1, np.take_along_axis(found.position, order, 1))
    result.distance[:, :width] = np.where(out, np.inf, np.take_along_axis(found.distance, order, 1))
    return result

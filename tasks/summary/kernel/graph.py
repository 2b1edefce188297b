"""Edges as they come, and the simple undirected graph that is summarised."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from lakebed.connectors.errors import GraphError
from lakebed.tasks.summary.config import MAX_NODES
from lakebed.tasks.summary.kernel.model import Int32, Int64


@dataclass(frozen=True)
class Graph:
    """A simple undirected graph: each edge in the rows of both its ends, rows ascending.

    `n_self_loops` and `n_duplicates` count what the input had beyond that and what was dropped.

    Shapes: indptr (n_nodes + 1,) int64; neighbours (2 · n_edges,) int32.
    """

    indptr: Int64
    neighbours: Int32
    n_self_loops: int = 0
    n_duplicates: int = 0

    @property
    def n_nodes(self) -> int:
        """Vertices, isolated ones included."""
        return len(self.indptr) - 1

    @property
    def n_edges(self) -> int:
        """Undirected edges."""
        return len(self.neighbours) // 2

    def edges(self) -> Int32:
        """Each edge once, lower id first, ascending. Shapes: result (n_edges, 2)."""
        source = np.repeat(np.arange(self.n_nodes, dtype=np.int32), np.diff(self.indptr))
        is_first = source < self.neighbours
        return np.column_stack([source[is_first], self.neighbours[is_first]])


def build_graph(edges: ArrayLike, n_nodes: int | None = None) -> Graph:
    """The graph of a list of edges, in any direction and order, repeated or not.

    Shapes: edges (m, 2) integers in 0 ... n_nodes - 1; without `n_nodes` the highest id decides.
    Cost: O(m + n) and one sort of each row; 16 bytes an edge above the input.

    Raises:
        GraphError: if an id is negative, not an integer or beyond n_nodes, or if there are more than 2^30 nodes.
    """
    pairs = _as_pairs(edges)
    n = _require_size(int(pairs.max(initial=-1)) + 1 if n_nodes is None else n_nodes)
    _require_ids(pairs, n)
    indptr, neighbours, n_self_loops, n_duplicates = _fill(pairs[:, 0], pairs[:, 1], n)
    return Graph(indptr, neighbours, int(n_self_loops), int(n_duplicates))


def _as_pairs(edges: ArrayLike) -> NDArray[np.integer]:
    pairs = np.asarray(edges)
    if pairs.size == 0:
        return np.empty((0, 2), np.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        hint = "pass two columns; this summary is unweighted, keep weights in an array beside it"
        raise GraphError("edges are no pairs", value=f"shape {pairs.shape}", expected="(m, 2)", hint=hint)
    if not np.issubdtype(pairs.dtype, np.integer):
        hint = "number string keys with lakebed.tasks.summary.kernel.graph.from_edges"
        raise GraphError("node ids are no integers", value=pairs.dtype, expected="an integer type", hint=hint)
    return pairs


def _require_size(n: int) -> int:
    if not 0 <= n <= MAX_NODES:
        hint = "summarise parts of the graph, such as its connected components, one by one"
        raise GraphError("too many nodes", value=f"{n:,}", expected=f"0 ... {MAX_NODES:,}", hint=hint)
    return n


def _require_ids(pairs: NDArray[np.integer], n: int) -> None:
    if len(pairs) == 0 or (pairs.min() >= 0 and pairs.max() < n):
        return
    rows = np.flatnonzero(((pairs < 0) | (pairs >= n)).any(axis=1))
    examples = [f"row {row}: {pairs[row, 0]}, {pairs[row, 1]}" for row in rows[:6]]
    raise GraphError(
        "node ids are out of range",
        value=f"{len(rows):,} of {len(pairs):,} edges",
        expected=f"0 ... {n - 1:,}",
        hint="number the nodes with lakebed.tasks.summary.kernel.graph.from_edges",
        examples=examples,
    )


@njit(cache=True, nogil=True)
def _fill(source, target, n):  # type: ignore[no-untyped-def]
    """Counting sort into rows, then rows sorted and made unique in place."""
    indptr = np.zeros(n + 1, np.int64)
    n_self_loops = 0
    for i in range(len(source)):
        if source[i] == target[i]:
            n_self_loops += 1
        else:
            indptr[source[i] + 1] += 1
            indptr[target[i] + 1] += 1
    for v in range(n):
        indptr[v + 1] += indptr[v]
    place = indptr[:-1].copy()
    neighbours = np.empty(indptr[n], np.int32)
    for i in range(len(source)):
        u, v = source[i], target[i]
        if u != v:
            neighbours[place[u]] = v
            neighbours[place[v]] = u
            place[u] += 1
            place[v] += 1
    used = _make_unique(indptr, neighbours)
    n_duplicates = (len(neighbours) - used) // 2
    return indptr, neighbours[:used].copy() if n_duplicates else neighbours, n_self_loops, n_duplicates


@njit(cache=True, nogil=True)
def _make_unique(indptr, neighbours):  # type: ignore[no-untyped-def]
    used, start = 0, 0
    for v in range(len(indptr) - 1):
        end = indptr[v + 1]
        row = neighbours[start:end]
        if not _is_ascending(row):
            row = np.sort(row)
        indptr[v] = used
        for i in range(len(row)):
            if i == 0 or row[i] != row[i - 1]:
                neighbours[used] = row[i]
                used += 1
        start = end
    indptr[len(indptr) - 1] = used
    return used


@njit(cache=True, nogil=True)
def _is_ascending(row):  # type: ignore[no-untyped-def]
    for i in range(1, len(row)):
        if row[i] < row[i - 1]:
            return False
    return True


Keys = NDArray[Any]


def from_edges(source: ArrayLike, target: ArrayLike) -> tuple[Graph, Keys]:
    """The graph over the keys, and the key of each node.

    Nodes are numbered in the order of their sorted keys, so the same edges in another order give the same graph.

    Shapes: source, target (m,) integers or strings; keys (n_nodes,), ascending.

    Raises:
        GraphError: if a key is missing, or keys of the two columns cannot be compared.
    """
    a, b = np.asarray(source), np.asarray(target)
    if a.shape != b.shape or a.ndim != 1:
        raise GraphError("edges are no pairs", value=f"{a.shape} and {b.shape}", expected="two columns of one length")
    for column in (a, b):
        _require_keys(column)
    try:
        keys, numbers = np.unique(np.concatenate([a, b]), return_inverse=True)
    except TypeError as error:
        hint = "make all keys strings"
        raise GraphError("keys are of several types", value=error, expected="one type", hint=hint) from error
    return build_graph(numbers.reshape(2, -1).T, len(keys)), keys


def _require_keys(column: Keys) -> None:
    if column.dtype.kind in "iuU":
        return
    if column.dtype.kind == "f":
        hint = "make them integers or strings"
        raise GraphError("node keys are no integers", value=column.dtype, expected="integers or strings", hint=hint)
    rows = np.flatnonzero([key is None or key != key for key in column])  # noqa: PLR0124 - NaN is not itself
    if len(rows):
        examples = [f"row {row}" for row in rows[:6]]
        raise GraphError(
            "null keys", value=len(rows), expected="a key in each row", hint="drop them", examples=examples
        )

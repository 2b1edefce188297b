"""Graphs whose nodes go by keys: any integers, or strings."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lakebed.connectors.errors import GraphError
from lakebed.tasks.summary.kernel.graph import Graph, build_graph

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

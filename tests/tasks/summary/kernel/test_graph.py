"""Graphs over keys."""

import numpy as np
import pytest

from lakebed.connectors.errors import GraphError
from lakebed.tasks.summary.kernel.graph import from_edges


def test_strings() -> None:
    graph, keys = from_edges(["b", "c", "a"], ["a", "a", "a"])
    assert keys.tolist() == ["a", "b", "c"]
    assert graph.edges().tolist() == [[0, 1], [0, 2]]
    assert graph.n_self_loops == 1


def test_integers_of_any_size_and_sign() -> None:
    graph, keys = from_edges(np.array([10**12, -5]), np.array([-5, 7]))
    assert keys.tolist() == [-5, 7, 10**12]
    assert graph.edges().tolist() == [[0, 1], [0, 2]]


def test_order_does_not_matter() -> None:
    a, b = from_edges(["x", "y"], ["y", "z"]), from_edges(["z", "y"], ["y", "x"])
    assert a[1].tolist() == b[1].tolist()
    assert a[0].edges().tolist() == b[0].edges().tolist()


def test_no_edges() -> None:
    graph, keys = from_edges(np.empty(0, np.int64), np.empty(0, np.int64))
    assert (graph.n_nodes, len(keys)) == (0, 0)


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        (np.array(["a", None], object), np.array(["b", "c"], object), "null keys"),
        (np.array([1.0]), np.array([2.0]), "no integers"),
        (np.array(["a", 1], object), np.array(["b", "c"], object), "several types"),
        (np.array([1, 2]), np.array([1]), "no pairs"),
    ],
)
def test_bad_keys(source: np.ndarray, target: np.ndarray, words: str) -> None:
    with pytest.raises(GraphError, match=words):
        from_edges(source, target)

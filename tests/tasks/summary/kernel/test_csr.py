import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.errors import GraphError
from lakebed.tasks.summary.kernel.blocks import FORMS, Form, form_scaling
from lakebed.tasks.summary.kernel.csr import CsrGraph, csr_product
from tests.tasks.summary.kernel.forms import dense_form, scipy_adjacency


def random_graph(seed: int, n_nodes: int, *, is_weighted: bool = False) -> CsrGraph:
    draw = np.random.default_rng(seed)
    edges = np.argwhere(np.triu(draw.random((n_nodes, n_nodes)) < 0.2, 1))
    return CsrGraph.from_edges(n_nodes, edges, draw.random(len(edges)) if is_weighted else None)


@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from(FORMS), st.booleans(), st.integers(1, 70))
def test_products_equal_scipy(seed: int, n_nodes: int, form: Form, is_weighted: bool, n_columns: int) -> None:
    graph = random_graph(seed, n_nodes, is_weighted=is_weighted)
    dense = np.random.default_rng(seed).standard_normal((n_nodes, n_columns))
    expected = dense_form(scipy_adjacency(graph).toarray().astype(np.float64), form) @ dense
    scaling = form_scaling(form, graph.degrees)
    np.testing.assert_allclose(csr_product(graph, dense, scaling), expected, atol=1e-12, rtol=1e-10)
    single = csr_product(graph, dense.astype(np.float32), scaling)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("is_weighted", [False, True])
def test_same_bits_for_any_number_of_threads(is_weighted: bool) -> None:
    graph = random_graph(1, 60, is_weighted=is_weighted)
    dense = np.random.default_rng(2).standard_normal((60, 150)).astype(np.float32)
    scaling = form_scaling("symmetric", graph.degrees)
    one = csr_product(graph, dense, scaling)
    assert one.tobytes() == np.hstack([csr_product(graph, dense[:, j : j + 1], scaling) for j in range(150)]).tobytes()
    for n_threads in (2, 3, 8):
        assert one.tobytes() == csr_product(graph, dense, scaling, n_threads).tobytes()


def test_an_edge_to_nowhere_is_refused() -> None:
    for edge in ([0, 3], [-1, 0]):
        with pytest.raises(GraphError, match="does not exist"):
            CsrGraph.from_edges(3, np.array([edge]))


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf])
def test_weights_that_cannot_be_used_are_refused(weight: float) -> None:
    with pytest.raises(GraphError, match="weight"):
        CsrGraph.from_edges(3, np.array([[0, 1], [1, 2]]), np.array([1.0, weight]))


def test_no_edges() -> None:
    graph = CsrGraph.from_edges(3, np.empty((0, 2), np.int64))
    assert not csr_product(graph, np.ones((3, 2)), form_scaling("walk", graph.degrees)).any()

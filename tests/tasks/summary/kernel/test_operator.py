import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator, eigsh

from lakebed.connectors.errors import GraphError
from lakebed.tasks.summary.kernel.blocks import FORMS, Form
from lakebed.tasks.summary.kernel.csr import CsrGraph
from lakebed.tasks.summary.kernel.model import lay_out
from lakebed.tasks.summary.kernel.operator import CsrOperator, ProductOperator, SummaryOperator, chosen_operator
from tests.tasks.summary.kernel.forms import dense_form
from tests.tasks.summary.kernel.summaries import EMPTY, Sample, random_sample, samples


@given(samples, st.sampled_from(FORMS), st.integers(1, 70))
def test_products_on_the_summary_equal_those_on_the_graph(sample: Sample, form: Form, n_columns: int) -> None:
    n_nodes = sample.summary.n_nodes
    dense = np.random.default_rng(n_columns).standard_normal((n_nodes, n_columns))
    expected = dense_form(sample.adjacency.astype(np.float64), form) @ dense
    operator = SummaryOperator(sample.summary, form)
    np.testing.assert_allclose(operator @ dense, expected, atol=1e-11, rtol=1e-10)
    np.testing.assert_allclose(operator @ dense[:, 0], expected[:, 0], atol=1e-11, rtol=1e-10)
    single = operator @ dense.astype(np.float32)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, atol=1e-4, rtol=1e-4)


@given(samples, st.sampled_from(FORMS))
def test_transposes(sample: Sample, form: Form) -> None:
    dense = np.random.default_rng(0).standard_normal((sample.summary.n_nodes, 3))
    expected = dense_form(sample.adjacency.astype(np.float64), form).T @ dense
    graph = CsrGraph.from_edges(sample.summary.n_nodes, sample.edges)
    operators: list[ProductOperator] = [SummaryOperator(sample.summary, form), CsrOperator(graph, form)]
    for operator in operators:
        for transposed in (operator.T, operator.H):
            np.testing.assert_allclose(transposed @ dense, expected, atol=1e-11)
        np.testing.assert_allclose(operator.rmatmat(dense), expected, atol=1e-11)
        np.testing.assert_allclose(operator.rmatvec(dense[:, 0]), expected[:, 0], atol=1e-11)


def test_same_bits_for_any_number_of_threads() -> None:
    summary = random_sample(5, 60, 400).summary
    dense = np.random.default_rng(0).standard_normal((60, 150)).astype(np.float32)
    for form in FORMS:
        one = SummaryOperator(summary, form) @ dense
        for n_threads in (2, 3, 8):
            assert one.tobytes() == (SummaryOperator(summary, form, n_threads) @ dense).tobytes()


def test_the_next_product_does_not_see_the_last() -> None:
    operator = SummaryOperator(random_sample(6, 30, 200).summary)
    ones, dense = np.ones((30, 64), np.float32), np.random.default_rng(0).standard_normal((30, 16))
    first = operator @ ones
    operator @ dense
    np.testing.assert_array_equal(operator @ ones, first)


def test_scipy_can_use_it() -> None:
    sample = random_sample(8, 24, 400)
    operator = aslinearoperator(SummaryOperator(sample.summary, "symmetric"))
    expected = np.linalg.eigvalsh(dense_form(sample.adjacency.astype(np.float64), "symmetric"))
    found = eigsh(operator, k=2, which="LA", return_eigenvectors=False, v0=np.ones(24, np.float32))
    np.testing.assert_allclose(np.sort(found), expected[-2:], atol=1e-4)


def test_an_empty_graph_has_empty_products() -> None:
    assert (SummaryOperator(EMPTY) @ np.empty((0, 3))).shape == (0, 3)


def test_a_chosen_operator_gives_the_same_product_either_way() -> None:
    sample = random_sample(9, 24, 300)
    graph, dense = CsrGraph.from_edges(24, sample.edges), np.eye(24)
    chosen, choice = chosen_operator(graph, sample.summary, 24)
    assert isinstance(chosen, SummaryOperator if choice.way == "summary" else CsrOperator)
    np.testing.assert_allclose(chosen @ dense, sample.adjacency, atol=1e-12)


def test_weights_and_missing_parts_leave_no_choice() -> None:
    sample = random_sample(9, 24, 300)
    weighted = CsrGraph.from_edges(24, sample.edges, np.ones(len(sample.edges)))
    assert chosen_operator(weighted, sample.summary, 64)[1].way == "csr"
    assert chosen_operator(CsrGraph.from_edges(24, sample.edges), None, 64)[1].way == "csr"
    assert chosen_operator(None, lay_out(sample.summary), 64)[1].way == "summary"
    with pytest.raises(GraphError, match="needs a graph"):
        chosen_operator(None, None, 64)

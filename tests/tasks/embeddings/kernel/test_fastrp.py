import numpy as np
import pytest
import scipy.sparse as sp

from lakebed.connectors.errors import GraphError
from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.kernel.fastrp import (
    EmbeddingGraph,
    NodeFeatures,
    Transition,
    combine,
    damping,
    embed,
    powers,
)
from lakebed.tasks.embeddings.kernel.projection import project
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.csr import CsrGraph
from lakebed.tasks.summary.kernel.operator import CsrOperator, SummaryOperator
from lakebed.tasks.summary.kernel.summarize import summarize
from tests.tasks.embeddings.graphs import embedding_graph, hashes, random_graph
from tests.tasks.summary.kernel.forms import scipy_adjacency

CONFIG = EmbeddingsConfig(dim=24, weights=(0.5, 0.0, 2.0), degree_exponent=-0.3, normalize=False, sparsity=2, threads=1)


def by_hand(graph: CsrGraph, config: EmbeddingsConfig) -> np.ndarray:
    """The paper's formula with dense matrices, float64."""
    adjacency = scipy_adjacency(graph).toarray().astype(np.float64)
    degree = adjacency.sum(axis=1)
    projection = np.empty((graph.n_nodes, config.dim), np.float32)
    project(hashes(graph.n_nodes), np.ones(graph.n_nodes, np.float32), config.sparsity, config.seed, projection)
    walk = adjacency / np.maximum(degree, 1)[:, None]
    current = (
        np.where(degree > 0, np.maximum(degree, 1) / degree.sum(), 1)[:, None] ** config.degree_exponent * projection
    )
    total = config.self_weight * projection.astype(np.float64)
    for weight in config.weights:
        current = walk @ current
        total += weight * current
    total[degree == 0] = projection[degree == 0]
    if config.standardize:
        total = (total - total.mean(axis=0)) / total.std(axis=0)
    return total


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("self_weight", [0.0, 1.5])
def test_the_formula(standardize: bool, self_weight: float) -> None:
    config = CONFIG.model_copy(update={"standardize": standardize, "self_weight": self_weight})
    graph = random_graph()
    found = embed(embedding_graph(graph), config)
    np.testing.assert_allclose(found.vectors, by_hand(graph, config), atol=2e-4)
    assert found.vectors.dtype == np.float32
    assert (found.n_isolated, found.n_cancelled) == (1, 0)


def test_same_bits_for_any_number_of_threads() -> None:
    graph = random_graph(300, 0.05)
    found = {
        embed(
            embedding_graph(graph, n_threads=n), CONFIG.model_copy(update={"threads": n, "normalize": True})
        ).vectors.tobytes()
        for n in (1, 2, 3)
    }
    assert len(found) == 1


def test_on_the_summary_it_is_the_same_but_for_rounding() -> None:
    graph = random_graph(80, 0.3)
    upper = sp.coo_matrix(sp.triu(scipy_adjacency(graph)))
    summary = summarize(np.column_stack([upper.row, upper.col]), 80, SummaryConfig(threads=1))
    walk = SummaryOperator(summary, "walk")
    on_summary = embed(EmbeddingGraph(hashes(80), walk.degrees, [Transition(walk.product)]), CONFIG)
    np.testing.assert_allclose(on_summary.vectors, embed(embedding_graph(graph), CONFIG).vectors, atol=1e-4)


def test_other_weights_come_from_the_same_powers() -> None:
    graph, kept = embedding_graph(random_graph()), {}
    embed(graph, CONFIG, lambda k, power: kept.setdefault(k, power.copy()))
    assert sorted(kept) == [1, 2, 3]
    other = CONFIG.model_copy(update={"weights": (1.0, 3.0, 0.0), "self_weight": 0.2})
    again = combine(graph, [kept[k] for k in (1, 2, 3)], other)
    assert again.vectors.tobytes() == embed(graph, other).vectors.tobytes()


def test_a_new_node_changes_nothing_of_the_projection() -> None:
    small, large = random_graph(40), random_graph(40)
    grown = CsrGraph(np.append(large.indptr, large.indptr[-1]), large.indices)
    config = CONFIG.model_copy(update={"standardize": False})
    first, second = (embed(embedding_graph(graph), config).vectors for graph in (small, grown))
    np.testing.assert_array_equal(second[:40], first)


def test_isolated_nodes_keep_their_own_projection() -> None:
    graph = CsrGraph.from_edges(3, np.empty((0, 2), np.int64))
    found = embed(embedding_graph(graph), CONFIG.model_copy(update={"standardize": False}))
    own = np.empty((3, 24), np.float32)
    project(hashes(3), np.ones(3, np.float32), 2, 0, own)
    np.testing.assert_array_equal(found.vectors, own)
    assert found.n_isolated == 3


def test_one_node_is_enough() -> None:
    graph = CsrGraph.from_edges(1, np.empty((0, 2), np.int64))
    assert embed(embedding_graph(graph), CONFIG).vectors.any()


def test_an_empty_graph_is_refused() -> None:
    graph = EmbeddingGraph(hashes(0), np.empty(0), [Transition(lambda dense: dense)])
    with pytest.raises(GraphError, match="empty graph"):
        embed(graph, CONFIG)


def test_what_is_not_finite_is_refused() -> None:
    graph = embedding_graph(random_graph())
    broken = EmbeddingGraph(graph.node_hash, graph.degree, [Transition(lambda dense: dense * np.float32(np.nan))])
    with pytest.raises(GraphError, match="not finite"):
        embed(broken, CONFIG)


def test_what_cancels_out_keeps_its_own_projection() -> None:
    graph = embedding_graph(random_graph())
    nothing = EmbeddingGraph(graph.node_hash, graph.degree, [Transition(lambda dense: dense * np.float32(0))])
    found = embed(nothing, CONFIG.model_copy(update={"standardize": False}))
    assert found.vectors.any(axis=1).all()
    assert found.n_cancelled + found.n_isolated == 60


def test_kinds_of_edges_share_the_vector_by_their_weights() -> None:
    left, right = random_graph(50, 0.2, 1), random_graph(50, 0.2, 2)
    products = [CsrOperator(graph, "walk").product for graph in (left, right)]
    both = EmbeddingGraph(
        hashes(50), left.degrees + right.degrees, [Transition(products[0], 3.0), Transition(products[1])]
    )
    (first,) = powers(both, CONFIG.model_copy(update={"weights": (1.0,), "edge_types": {"a": 3.0, "b": 1.0}}))
    start = np.empty((50, 24), np.float32)
    project(hashes(50), damping(both.degree, -0.3), 2, 0, start)
    np.testing.assert_allclose(first, 0.75 * products[0](start) + 0.25 * products[1](start), atol=1e-5)


def test_kinds_of_edges_fill_parts_of_their_own() -> None:
    left, right = random_graph(50, 0.2, 1), CsrGraph.from_edges(50, np.empty((0, 2), np.int64))
    products = [CsrOperator(graph, "walk").product for graph in (left, right)]
    both = EmbeddingGraph(hashes(50), left.degrees, [Transition(product) for product in products])
    config = CONFIG.model_copy(update={"edge_types": {"a": 1.0, "b": 1.0}, "type_mode": "concatenated"})
    each = list(powers(both, config))
    assert all(power[:, :12].any() and not power[:, 12:].any() for power in each)


def test_features_fill_their_share() -> None:
    graph = random_graph()
    values = sp.csr_matrix(np.random.default_rng(0).random((60, 5)).astype(np.float32))
    features = NodeFeatures(values, hashes(5))
    config = CONFIG.model_copy(update={"property_ratio": 0.25, "weights": (1.0,)})
    (power,) = powers(embedding_graph(graph, features), config)
    scaled = damping(graph.degrees, -0.3)[:, None] * features.projected(slice(0, 60), 6, 0)
    walk = CsrOperator(graph, "walk")
    np.testing.assert_allclose(power[:, 18:], walk.product(scaled), atol=1e-5)


def test_equal_features_bring_nodes_together() -> None:
    values = sp.csr_matrix(np.array([[1, 0], [1, 0], [0, 1]], np.float32))
    projected = NodeFeatures(values, hashes(2)).projected(slice(0, 3), 16, 0)
    np.testing.assert_array_equal(projected[0], projected[1])
    assert (projected[0] != projected[2]).any()


def test_rows_of_a_part_are_those_of_the_whole() -> None:
    values = sp.csr_matrix(np.random.default_rng(0).random((20, 7)).astype(np.float32))
    features = NodeFeatures(values, hashes(7))
    whole = features.projected(slice(0, 20), 12, 3)
    assert (whole.dtype, whole.shape) == (np.float32, (20, 12))
    np.testing.assert_array_equal(features.projected(slice(5, 9), 12, 3), whole[5:9])

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.errors import GraphError
from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.kernel.fastrp import EmbeddingGraph, Transition
from lakebed.tasks.embeddings.kernel.orthogonal import embed_by_rounds, gram, inverse_factor, multiply
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.csr import CsrGraph
from lakebed.tasks.summary.kernel.operator import SummaryOperator
from lakebed.tasks.summary.kernel.summarize import summarize
from tests.tasks.embeddings.graphs import embedding_graph, hashes, largest_angle, random_graph
from tests.tasks.summary.kernel.forms import scipy_adjacency

CONFIG = EmbeddingsConfig(method="orthogonal", dim=8, threads=1, standardize=False)


def test_many_rounds_end_in_the_main_eigenvectors() -> None:
    graph = random_graph(120, 0.1)
    adjacency = scipy_adjacency(graph).toarray().astype(np.float64)
    root = np.sqrt(np.maximum(adjacency.sum(axis=1), 1))
    values, vectors = np.linalg.eigh(adjacency / root[:, None] / root[None, :])
    order = np.argsort(-np.abs(values))
    # a gap behind the last one that is taken, or they would not be told apart
    gap = 3 + int(np.argmax(np.abs(values[order[3:12]]) - np.abs(values[order[4:13]])))
    config = CONFIG.model_copy(update={"dim": gap + 1, "orthogonal_rounds": 600})
    found = embed_by_rounds(embedding_graph(graph), config)
    connected = graph.degrees > 0
    assert largest_angle(found.vectors[connected], vectors[:, order[: gap + 1]][connected]) < 1e-3
    assert (found.n_isolated, found.n_cancelled) == (1, 0)


@given(st.integers(1, 70), st.integers(1, 20), st.integers(0, 99), st.integers(1, 3))
def test_two_factorings_make_any_matrix_orthonormal(n: int, dim: int, seed: int, n_threads: int) -> None:
    draw = np.random.default_rng(seed)
    given_ = (draw.standard_normal((n, dim)) * 10.0 ** draw.uniform(-3, 3, dim)).astype(np.float32)
    weight, found = draw.uniform(0.5, 2, n), given_.copy()
    np.testing.assert_allclose(
        gram(given_, weight, n_threads), np.triu(given_.T.astype(np.float64) * weight @ given_), rtol=1e-9, atol=1e-9
    )
    for _ in range(2):
        multiply(found, inverse_factor(gram(found, weight, n_threads)), n_threads)
    held = found.any(axis=0)
    assert held.sum() == min(n, dim)
    is_one = np.triu(np.eye(int(held.sum())))
    np.testing.assert_allclose(gram(np.ascontiguousarray(found[:, held]), weight), is_one, atol=1e-4)


def test_same_bits_for_any_number_of_threads() -> None:
    graph = random_graph(301, 0.05)
    config = CONFIG.model_copy(update={"dim": 40, "standardize": True})
    made = [
        embed_by_rounds(embedding_graph(graph, n_threads=n), config.model_copy(update={"threads": n})).vectors
        for n in (1, 2, 3)
    ]
    assert len({one.tobytes() for one in made}) == 1
    assert np.abs(made[0].mean(axis=0)).max() < 1e-5


def test_any_round_is_taken_up_again_to_the_bit() -> None:
    graph, kept = embedding_graph(random_graph(90, 0.1)), {}
    whole = embed_by_rounds(graph, CONFIG, lambda number, current: kept.setdefault(number, current.copy()))
    assert sorted(kept) == list(range(1, 17))
    for number, current in kept.items():
        again = embed_by_rounds(graph, CONFIG, begun=(number, current))
        assert again.vectors.tobytes() == whole.vectors.tobytes(), number


def test_on_the_summary_the_directions_are_the_same() -> None:
    graph = random_graph(80, 0.3)
    upper = sp.coo_matrix(sp.triu(scipy_adjacency(graph)))
    walk = SummaryOperator(summarize(np.column_stack([upper.row, upper.col]), 80, SummaryConfig(threads=1)), "walk")
    on_summary = embed_by_rounds(EmbeddingGraph(hashes(80), walk.degrees, [Transition(walk.product)]), CONFIG)
    assert largest_angle(on_summary.vectors, embed_by_rounds(embedding_graph(graph), CONFIG).vectors) < 1e-3


@pytest.mark.parametrize("n_nodes", [1, 2, 9])
def test_a_graph_of_fewer_directions_than_columns(n_nodes: int) -> None:
    """A star has two; one node none."""
    edges = np.array([[0, other] for other in range(1, n_nodes)], np.int64).reshape(-1, 2)
    found = embed_by_rounds(embedding_graph(CsrGraph.from_edges(n_nodes, edges)), CONFIG)
    assert np.isfinite(found.vectors).all() and found.vectors.any(axis=1).all()
    assert np.linalg.matrix_rank(found.vectors[:, found.vectors.any(axis=0)]) <= 2


def test_communities_are_told_apart_by_the_lengths_of_few_numbers() -> None:
    draw = np.random.default_rng(3)
    group = np.repeat(np.arange(4), 40)
    chance = np.where(group[:, None] == group, 0.3, 0.01)
    edges = np.argwhere(np.triu(draw.random((160, 160)) < chance, 1))
    config = CONFIG.model_copy(update={"standardize": True, "dim": 4})
    vectors = embed_by_rounds(embedding_graph(CsrGraph.from_edges(160, edges)), config).vectors
    centres = np.array([vectors[group == each].mean(axis=0) for each in range(4)])
    nearest = ((vectors[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == group).mean() > 0.95


def test_what_cannot_be_embedded() -> None:
    empty = EmbeddingGraph(hashes(0), np.empty(0), [Transition(lambda dense: dense)])
    with pytest.raises(GraphError, match="empty graph"):
        embed_by_rounds(empty, CONFIG)
    graph = embedding_graph(random_graph())
    broken = EmbeddingGraph(graph.node_hash, graph.degree, [Transition(lambda dense: dense * np.float32(np.nan))])
    with pytest.raises(GraphError, match="not finite"):
        embed_by_rounds(broken, CONFIG)

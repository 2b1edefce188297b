import numpy as np

from lakebed.tasks.links.config import SplitConfig
from lakebed.tasks.links.kernel import nodes
from lakebed.tasks.links.kernel.neighbours import adjacency
from lakebed.tasks.links.kernel.nodes import deciles, node_metrics, rank_candidates
from lakebed.tasks.links.kernel.split import split_edges
from tests.tasks.links.graphs import communities


def made(asked=None):
    edges, n = communities()
    split = split_edges(edges, n, SplitConfig())
    vectors = np.random.default_rng(0).standard_normal((n, 8)).astype(np.float32)
    graph = adjacency(split.train, n)
    return split, vectors, graph, node_metrics(graph, split, np.arange(n) if asked is None else asked, vectors, 20, 0)


def test_figures_of_a_node_are_those_of_a_plain_count():
    split, vectors, graph, found = made()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    node = int(split.test[0, 0])
    partners = [int(b if a == node else a) for a, b in split.test.tolist() if node in (a, b)]
    assert np.isclose(found.test_likeness[node], np.mean([unit[node] @ unit[p] for p in partners]), atol=1e-5)
    scores = vectors @ vectors[node]
    scores[[node, *graph.indices[graph.indptr[node] : graph.indptr[node + 1]]]] = -np.inf
    hits = set(np.argsort(-scores)[:20].tolist()) & set(partners)
    assert np.isclose(found.recall[node], len(hits) / min(len(partners), 20))
    assert np.isnan(found.train_likeness[-1])
    assert found.degree[-1] == 0


def test_only_asked_nodes_are_told_of():
    asked = np.array([3, 5, 60])
    found = made(asked)[3]
    assert found.node.tolist() == asked.tolist()
    assert len(found.atc) == len(found.recall) == 3


def test_tc_is_left_out_where_it_takes_too_long(monkeypatch):
    assert np.isfinite(made()[3].tc).all()
    monkeypatch.setattr(nodes, "MAX_EXACT_STEPS", 10)
    assert np.isnan(made()[3].tc).all()


def test_deciles_are_even():
    assert np.bincount(deciles(np.random.default_rng(0).random(100))).tolist() == [10] * 10
    assert deciles(np.zeros(3)).tolist() == [0, 3, 6]


def test_ranking_equals_a_full_sort_and_leaves_known_links_out(monkeypatch):
    random = np.random.default_rng(0)
    vectors = random.standard_normal((30, 4)).astype(np.float32)
    edges = np.unique(np.sort(random.integers(0, 30, (40, 2)), axis=1), axis=0)
    graph = adjacency(edges[edges[:, 0] != edges[:, 1]], 30)
    monkeypatch.setattr(nodes, "BLOCK_CELLS", 90)
    scores = (vectors @ vectors.T).astype(np.float64)
    scores[graph.toarray() > 0] = -np.inf
    np.fill_diagonal(scores, -np.inf)
    assert np.array_equal(rank_candidates(vectors, graph, 5), np.argsort(-scores, axis=1)[:, :5])


def test_missing_candidates_are_marked():
    graph = adjacency(np.array([[0, 1], [0, 2], [1, 2]]), 3)
    assert rank_candidates(np.ones((3, 2), np.float32), graph, 2).tolist() == [[-1, -1]] * 3

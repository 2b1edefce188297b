import numpy as np

from lakebed.tasks.links.kernel import ranking
from lakebed.tasks.links.kernel.neighbours import adjacency
from lakebed.tasks.links.kernel.ranking import rank_candidates


def test_ranking_equals_a_full_sort_and_leaves_known_links_out(monkeypatch):
    random = np.random.default_rng(0)
    vectors = random.standard_normal((30, 4)).astype(np.float32)
    edges = np.unique(np.sort(random.integers(0, 30, (40, 2)), axis=1), axis=0)
    graph = adjacency(edges[edges[:, 0] != edges[:, 1]], 30)
    monkeypatch.setattr(ranking, "BLOCK_CELLS", 90)
    scores = (vectors @ vectors.T).astype(np.float64)
    scores[graph.toarray() > 0] = -np.inf
    np.fill_diagonal(scores, -np.inf)
    assert np.array_equal(rank_candidates(vectors, graph, 5), np.argsort(-scores, axis=1)[:, :5])


def test_missing_candidates_are_marked():
    graph = adjacency(np.array([[0, 1], [0, 2], [1, 2]]), 3)
    assert rank_candidates(np.ones((3, 2), np.float32), graph, 2).tolist() == [[-1, -1]] * 3

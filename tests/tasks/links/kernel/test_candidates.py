import numpy as np

from lakebed.tasks.links.kernel import candidates
from lakebed.tasks.links.kernel.candidates import candidate_pairs, without
from lakebed.tasks.links.kernel.neighbours import adjacency
from tests.tasks.links.graphs import communities


def test_each_node_s_nearest_and_strongest_are_among_them(monkeypatch):
    monkeypatch.setattr(candidates, "BLOCK_ROWS", 11)
    edges, n = communities(3, 10)
    graph = adjacency(edges, n)
    vectors = np.random.default_rng(0).standard_normal((n, 6)).astype(np.float32)
    found = candidate_pairs(vectors, graph, (np.arange(n),), 3)
    as_set = {*map(tuple, found.tolist())}
    assert len(as_set) == len(found)
    assert (found[:, 0] < found[:, 1]).all()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = unit @ unit.T
    dense, degree = graph.toarray(), np.diff(graph.indptr)
    shares = dense @ np.diag(np.where(degree >= 2, 1.0 / np.maximum(degree, 1), 0.0)) @ dense.T
    for scores in (near, shares):
        np.fill_diagonal(scores, -np.inf)
        for node in np.flatnonzero(degree > 1):
            best = int(np.argmax(scores[node]))
            assert tuple(sorted((int(node), best))) in as_set


def test_pairs_stay_within_their_pool_and_zero_vectors_are_passed_over():
    vectors = np.ones((6, 2), np.float32)
    vectors[5] = 0
    graph = adjacency(np.array([[0, 3]]), 6)
    found = candidate_pairs(vectors, graph, (np.array([0, 1, 2]), np.array([3, 4, 5])), 5)
    assert {*map(tuple, found.tolist())} == {(0, 1), (0, 2), (1, 2), (3, 4)}


def test_known_pairs_are_left_out():
    pairs = np.array([[0, 1], [0, 2], [1, 2]])
    assert without(pairs, np.array([[0, 2]]), 3).tolist() == [[0, 1], [1, 2]]
    assert candidate_pairs(np.ones((3, 1), np.float32), adjacency(pairs, 3), (), 2).shape == (0, 2)

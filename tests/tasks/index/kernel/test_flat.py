import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.errors import ConfigError, GraphError
from lakebed.tasks.index.kernel import flat
from lakebed.tasks.index.kernel.flat import Neighbours, flat_search, keep, merge, prepared, require_queries


def brute(vectors, query, space):
    if space == "cosine":
        return 1 - vectors @ query / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(query))
    return ((vectors - query) ** 2).sum(1)


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 99), st.sampled_from(["cosine", "l2"]))
def test_the_nearest_are_those_of_brute_force(n, k, seed, space):
    rng = np.random.default_rng(seed)
    vectors, queries = rng.standard_normal((n, 5)), rng.standard_normal((4, 5))
    found = flat_search(prepared(vectors, space), prepared(queries, space), k, space)
    for row in range(4):
        wanted = np.sort(brute(vectors, queries[row], space))[:k]
        assert np.allclose(found.distance[row, : len(wanted)], wanted, atol=1e-4)
        there = found.position[row, : len(wanted)]
        assert np.allclose(brute(vectors[there], queries[row], space), wanted, atol=1e-4)
        assert (found.position[row, len(wanted) :] == -1).all()


def test_equal_distances_come_in_the_order_of_positions_and_blocks_change_nothing(monkeypatch):
    vectors = prepared(np.repeat(np.eye(3), 4, axis=0), "cosine")
    whole = flat_search(vectors, vectors, 12, "cosine")
    assert whole.position[0, :4].tolist() == [0, 1, 2, 3]
    monkeypatch.setattr(flat, "BLOCK_CELLS", 12)
    assert np.array_equal(flat_search(vectors, vectors, 12, "cosine").position, whole.position)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_vectors_that_are_none_are_refused(wrong):
    with pytest.raises(GraphError, match="NaN or infinity"):
        prepared(np.array([[1.0, wrong]]), "l2")


def test_a_zero_vector_has_no_direction_but_may_be_a_point():
    with pytest.raises(GraphError, match="no direction"):
        prepared(np.zeros((2, 3)), "cosine")
    assert prepared(np.zeros((2, 3)), "l2").shape == (2, 3)


def test_lengths_beyond_what_float32_can_square():
    ready = prepared(np.array([[3e30, 4e30], [3e-30, 4e-30]]), "cosine")
    assert np.allclose(ready, [[0.6, 0.8]] * 2)


def test_queries_are_checked():
    with pytest.raises(ConfigError, match="dimension"):
        require_queries(np.ones(3), 4, 1)
    with pytest.raises(ConfigError, match="number of neighbours"):
        require_queries(np.ones(4), 4, 0)
    with pytest.raises(GraphError, match="rows of a matrix"):
        prepared(np.ones(3), "l2")
    assert flat_search(np.empty((0, 2), np.float32), np.ones((1, 2), np.float32), 3, "l2").position.tolist() == [
        [-1] * 3
    ]


def of(position, distance):
    return Neighbours(np.array([position], np.int64), np.array([distance], np.float32))


def test_parts_are_merged_by_distance_then_position():
    found = merge([of([4, 0], [0.1, 0.5]), of([3, 9], [0.1, 0.2])], 3)
    assert found.position.tolist() == [[3, 4, 9]]
    short = merge([of([1], [0.1]), of([2], [0.2])], 5)
    assert short.position.tolist() == [[1, 2, -1, -1, -1]]
    assert np.isinf(short.distance[0, 2:]).all()


def test_those_not_kept_make_room():
    found = keep(of([5, 1, 3, -1], [0.1, 0.2, 0.3, np.inf]), np.array([0, 0, 0, 1, 0, 1], bool), 3)
    assert found.position.tolist() == [[5, 3, -1]]
    assert np.isinf(found.distance[0, 2])

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.hnsw import index_bytes
from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.index.kernel.flat import flat_search, prepared
from lakebed.tasks.index.kernel.hnsw import build_shard, insertion_order, recall_by_distance


def points(n=3_000, dim=16, seed=0):
    return prepared(np.random.default_rng(seed).standard_normal((n, dim)), "cosine")


@pytest.fixture(scope="module")
def built():
    return build_shard(points(), IndexConfig())


@pytest.mark.parametrize("target", [0.8, 0.99])
def test_the_width_reaches_the_recall_on_queries_the_index_has_not_seen(target):
    vectors, queries = points(), points(300, seed=9)
    shard = build_shard(vectors, IndexConfig(recall=target))
    found = shard.index.search(queries, 10, shard.ef)
    recall = recall_by_distance(found.distance, flat_search(vectors, queries, 10, "cosine").distance)
    assert shard.recall >= target
    assert recall >= target - 0.03


def test_a_higher_target_has_a_wider_search():
    low, high = (build_shard(points(), IndexConfig(recall=target)).ef for target in (0.7, 0.999))
    assert low < high


def test_the_same_vectors_give_the_same_bytes(built):
    assert index_bytes(built.index.index) == index_bytes(build_shard(points(), IndexConfig()).index.index)
    assert index_bytes(built.index.index) != index_bytes(build_shard(points(), IndexConfig(seed=1)).index.index)


def test_more_than_the_graph_reaches_is_no_crash(built):
    found = built.index.search(points(2), 3_000, 10)
    assert found is None or found.position.shape == (2, 3_000)


@pytest.mark.parametrize("n", [1, 2, 15])
def test_few_vectors_have_an_index_too(n):
    shard = build_shard(points(n), IndexConfig())
    assert shard.index.search(points(1), n, shard.ef).position.shape == (1, n)


def test_recall_counts_ties():
    exact = np.array([[0.1, 0.2, 0.2]])
    assert recall_by_distance(np.array([[0.1, 0.2, 0.2]]), exact) == 1
    assert recall_by_distance(np.array([[0.1, 0.2, 0.3]]), exact) == pytest.approx(2 / 3)
    assert recall_by_distance(np.empty((0, 3)), np.empty((0, 3))) == 1


@given(st.integers(1, 20_000), st.integers(0, 300), st.integers(0, 99))
def test_rounds_hold_each_position_once_and_the_first_ones_lie_everywhere(n, n_late, seed):
    early, late = insertion_order(n, min(n_late, n - 1), seed)
    assert np.array_equal(np.sort(np.concatenate([early, late])), np.arange(n))
    ends = np.flatnonzero(np.diff(early) < 0) + 1
    assert len(ends) <= 4 and (ends[1:] >= 3 * ends[:-1]).all()
    first = early[: ends[0]] if len(ends) else early
    if len(first) > 200:
        assert np.histogram(first, 4, (0, n))[0].min() > 0.15 * len(first)


def test_vectors_are_linked_in_that_order():
    """On graph vectors a search must be several times as wide in the order of ids: see tests/benchmarks/index.py."""
    orders = []
    for seed in (100, 101):
        state = build_shard(points(3_000), IndexConfig(seed=seed)).index.index.__getstate__()[0]
        rows = state["data_level0"].reshape(-1, state["size_data_per_element"])[:, state["label_offset"] :]
        orders.append(np.ascontiguousarray(rows).view(np.int64).ravel())
        assert np.array_equal(orders[-1], np.concatenate(insertion_order(3_000, 256, seed)))
    assert not np.array_equal(*orders)

import hnswlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.index.kernel.codes import coded, coded_shard, from_hnswlib, rank_again, scale_of, walk
from lakebed.tasks.index.kernel.flat import flat_search, prepared
from lakebed.tasks.index.kernel.hnsw import SPACES, build_shard, recall_by_distance

INT8 = IndexConfig(storage="int8")


def points(n=3_000, dim=16, seed=0, space="cosine"):
    return prepared(np.random.default_rng(seed).standard_normal((n, dim)), space)


@pytest.mark.parametrize("space", ["cosine", "l2"])
def test_what_is_found_is_ranked_by_the_whole_vectors(space):
    vectors, queries = points(space=space), points(200, seed=9, space=space)
    built = build_shard(vectors, INT8.model_copy(update={"space": space}))
    assert built.recall >= 0.99
    found, exact = built.index.search(queries, 10, built.ef), flat_search(vectors, queries, 10, space)
    assert recall_by_distance(found.distance, exact.distance) >= 0.96
    is_same = found.position == exact.position
    assert is_same.mean() > 0.9
    assert np.allclose(found.distance[is_same], exact.distance[is_same], atol=1e-5)
    assert (np.diff(found.distance, axis=1) >= 0).all()


def test_it_holds_less_than_hnswlib_and_the_same_vectors_give_the_same_bytes():
    vectors = points(dim=128)
    built, plain = build_shard(vectors, INT8).index, build_shard(vectors, IndexConfig()).index
    assert built.n_bytes <= 0.42 * plain.index.index_file_size()
    assert built.to_bytes() == build_shard(vectors, INT8).index.to_bytes()
    again = coded_shard(built.to_bytes(), vectors, "cosine")
    assert np.array_equal(again.search(vectors[:50], 10, 40).position, built.search(vectors[:50], 10, 40).position)


@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 100), st.sampled_from(["cosine", "l2"]))
def test_a_walk_as_wide_as_the_shard_finds_all_it_reaches_in_order(n, dim, seed, space):
    vectors, rng = points(n, dim, seed, space), np.random.default_rng(seed)
    index = hnswlib.Index(space=SPACES[space], dim=dim)
    index.init_index(n, M=4, ef_construction=100, random_seed=seed)
    order = rng.permutation(n)
    index.add_items(vectors[order], order, num_threads=1)
    shard = from_hnswlib(index.__getstate__()[0], vectors, scale_of(vectors), space)
    query = coded(points(1, dim, seed + 1, space), shard.scale)
    entry, level = shard.head.tolist()
    found = walk(shard.codes, shard.base, shard.upper, shard.upper_start, entry, level, query, n, n)[0]
    reached = found[found >= 0]
    apart = ((shard.codes.astype(int) - query.astype(int)) ** 2).sum(axis=1)
    by_hand = sorted(reached.tolist(), key=lambda position: (apart[position], position))
    assert reached.tolist() == by_hand
    linked = {entry}
    while (wider := linked | {p for q in linked for p in shard.base[q].tolist() if p >= 0}) != linked:
        linked = wider
    if level == 0:
        assert set(reached.tolist()) == linked


def test_links_are_hnswlib_s():
    vectors = points(400, 8)
    shard = build_shard(vectors, INT8).index
    linked = shard.base >= 0
    assert linked.any(axis=1).all() and shard.base.shape == (400, 32) and shard.base.max() < 400
    assert (np.sort(~linked, axis=1) == ~linked).all()
    assert (shard.base != np.arange(400)[:, None]).all()
    near = flat_search(vectors, vectors, 2, "cosine").position
    assert np.mean([np.isin(near[i], [i, *shard.base[i]]).mean() for i in range(400)]) > 0.95


def test_codes_are_cut_not_wrapped():
    vectors = np.concatenate([points(20_000, 4), [[9, -9, 0, 0]]]).astype(np.float32)
    codes = coded(vectors, scale_of(vectors[:-1]))
    assert codes[-1].tolist() == [127, -127, 0, 0] and np.abs(codes).max() == 127
    assert scale_of(np.zeros((2, 2), np.float32)).tolist() == [1.0]
    assert scale_of(np.empty((0, 2), np.float32)).tolist() == [1.0]


def test_what_a_graph_does_not_reach_is_none_not_a_guess():
    built = build_shard(points(60, 4), INT8)
    assert (
        built.index.search(points(1, 4), 60, 10) is None or built.index.search(points(1, 4), 60, 10).position.min() >= 0
    )
    apart = built.index.__class__(**{**vars(built.index), "base": np.full((60, 32), -1, np.int32)})
    assert apart.search(points(1, 4), 2, 10) is None


def test_equal_distances_stand_in_the_order_of_positions():
    vectors = np.ones((5, 3), np.float32)
    position, distance = rank_again(vectors, vectors[:1], np.array([[4, 2, 0, 3, -1]], np.int32), 3, True)
    assert position.tolist() == [[0, 2, 3]] and distance.tolist() == [[0, 0, 0]]

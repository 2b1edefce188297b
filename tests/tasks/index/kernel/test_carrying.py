import numpy as np
import pytest

from lakebed.connectors.hnsw import index_bytes, load_index
from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.index.kernel.carrying import FAR, carried_shard, moves_of
from lakebed.tasks.index.kernel.flat import flat_search, prepared
from lakebed.tasks.index.kernel.hnsw import HnswShard, build_shard, recall_by_distance

N, DIM, EF = 3_000, 16, 24
FRESH_SEEDS = (1, 2, 3, 4, 5)


def points(n=N, seed=0, space="cosine"):
    """Vectors of a few hundred clusters, as those of columns that share values."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(77).standard_normal((300, DIM))
    return prepared(centres[rng.integers(0, 300, n)] + 0.4 * rng.standard_normal((n, DIM)), space)


def night(vectors, seed, share=0.01, space="cosine"):
    """The vectors after a night, and the earlier position of each: all move a little, some far, some come and go."""
    rng = np.random.default_rng(seed)
    n, k = len(vectors), max(1, int(share * len(vectors)))
    stayed = np.sort(rng.permutation(n)[k:])
    moved = vectors[stayed] + 0.01 * rng.standard_normal((len(stayed), DIM)).astype(np.float32)
    moved[rng.permutation(len(stayed))[:k]] = points(k, seed + 1_000, space)
    came = points(k, seed + 2_000, space)
    order = rng.permutation(len(stayed) + k)
    now = prepared(np.concatenate([moved, came])[order], space)
    return now, np.concatenate([stayed, np.full(k, -1)])[order]


def recall(built, vectors, space="cosine", ef=0):
    """Of queries that no index has seen, at the width that it was tuned to, or another."""
    queries = points(1_000, 9, space)
    exact = flat_search(vectors, queries, 10, space).distance
    return recall_by_distance(built.index.search(queries, 10, ef or built.ef).distance, exact)


def nights(n_nights, space="cosine", seed=0):
    config = IndexConfig(space=space)
    vectors = points(seed=seed, space=space)
    shard = build_shard(vectors, config)
    for number in range(n_nights):
        now, before = night(vectors, 10 * seed + number, space=space)
        shard, vectors = carried_shard(shard.index, moves_of(vectors, now, before), now, config), now
    return shard, vectors


@pytest.mark.parametrize(("space", "seed"), [("cosine", 0), ("cosine", 1), ("l2", 2)])
def test_after_twelve_nights_the_recall_lies_within_the_spread_of_graphs_built_anew(space, seed):
    shard, vectors = nights(12, space, seed)
    fresh = [build_shard(vectors, IndexConfig(space=space, seed=one)) for one in FRESH_SEEDS]
    recalls = [recall(one, vectors, space) for one in fresh]
    assert recall(shard, vectors, space) >= min(recalls)
    assert shard.recall >= 0.99 and shard.ef <= 2 * max(one.ef for one in fresh)
    # at one width, with a third of the graph cut out and linked again by then
    wide = min(recall(one, vectors, space, EF) for one in fresh)
    assert recall(shard, vectors, space, EF) >= wide - 0.005
    # and each vector finds itself under its own number
    found = shard.index.search(vectors, 1, 64)
    assert (found.position[:, 0] == np.arange(len(vectors))).mean() >= 0.999


def test_the_same_start_makes_the_same_bytes():
    one, other = (nights(2)[0] for _ in range(2))
    assert index_bytes(one.index.index) == index_bytes(other.index.index)
    assert (one.ef, one.recall) == (other.ef, other.recall)


def test_a_start_that_was_loaded_makes_the_bytes_of_one_in_memory():
    vectors = points()
    now, before = night(vectors, 3)
    built, config = build_shard(vectors, IndexConfig()).index, IndexConfig()
    loaded = HnswShard(load_index(index_bytes(built.index), "ip", DIM, len(vectors)))
    made = [carried_shard(one, moves_of(vectors, now, before), now, config) for one in (built, loaded)]
    assert index_bytes(made[0].index.index) == index_bytes(made[1].index.index)


def test_what_no_vector_has_left_stays_as_it_was():
    # so few that none is cut out for the tuning
    vectors = points(19)
    shard = build_shard(vectors, IndexConfig())
    moves = moves_of(vectors, vectors, np.arange(len(vectors)))
    assert moves.n_changed == 0
    same = carried_shard(shard.index, moves, vectors, IndexConfig())
    assert index_bytes(same.index.index) == index_bytes(shard.index.index)


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_much_that_goes_leaves_a_graph_that_answers(share):
    vectors = points()
    now, before = night(vectors, 5, share)
    shard = carried_shard(build_shard(vectors, IndexConfig()).index, moves_of(vectors, now, before), now, IndexConfig())
    found = shard.index.search(now, 1, 64)
    assert (found.position[:, 0] == np.arange(len(now))).mean() >= 0.99


def test_moves_are_counted_by_what_they_are():
    earlier = prepared(np.eye(4, DIM), "cosine")
    now = prepared(np.eye(4, DIM)[[2, 0, 3]] + np.eye(1, DIM, 15) * [[0.5 * FAR], [2 * FAR], [0.0]], "cosine")
    moves = moves_of(earlier, now, np.array([2, 0, -1]))
    assert (moves.came.tolist(), moves.far.tolist(), moves.n_gone) == ([2], [1], 2)
    assert moves.n_changed == 4

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.errors import ConfigError
from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.index.kernel.flat import flat_search, prepared
from lakebed.tasks.index.kernel.hnsw import build_shard
from lakebed.tasks.index.kernel.twins import collapse
from lakebed.tasks.index.vector_index import FlatIndex, HnswIndex, NamedIndex


def named(vectors, n_shards=0):
    ready = prepared(vectors, "cosine")
    twins = collapse(ready, 1e-6)
    distinct = ready[twins.first]
    items = pa.table({"id": [f"n{i:03d}" for i in range(len(vectors))]})
    index = FlatIndex(distinct)
    if n_shards:
        built = [build_shard(np.ascontiguousarray(distinct[i::n_shards]), IndexConfig()) for i in range(n_shards)]
        index = HnswIndex(distinct, [one.index for one in built], [max(one.ef, 64) for one in built])
    return NamedIndex(items, twins, index)


def random_vectors(n, seed, n_distinct=None):
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((n_distinct or n, 6)).astype(np.float32)
    return base[rng.integers(0, len(base), n)] if n_distinct else base


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 50), st.integers(0, 2), st.floats(0.05, 1))
def test_filters_and_twins_answer_as_brute_force(n, k, seed, n_shards, share):
    vectors = random_vectors(n, seed, max(1, n // 2))
    index = named(vectors, n_shards if n > 20 else 0)
    where = np.random.default_rng(seed).random(n) < share
    query = random_vectors(1, seed + 1)
    ready = prepared(vectors, "cosine")
    for mask in (None, where):
        allowed = np.arange(n) if mask is None else np.flatnonzero(mask)
        wanted = flat_search(ready[allowed], prepared(query, "cosine"), k, "cosine").distance[0]
        found = index.search(query, k, mask)
        assert np.allclose(found.distance[0], wanted, atol=1e-4)
        there = found.position[0][found.position[0] >= 0]
        assert np.isin(there, allowed).all()
        assert len(set(there.tolist())) == len(there) == min(k, len(allowed))


def test_wide_filters_go_through_the_shards(monkeypatch):
    from lakebed.tasks.index import vector_index

    monkeypatch.setattr(vector_index, "MAX_EXACT_VECTORS", 10)
    vectors = random_vectors(900, 3)
    index = named(vectors, 2)
    where = np.arange(900) % 2 == 0
    query = random_vectors(20, 4)
    exact = flat_search(prepared(vectors[where], "cosine"), prepared(query, "cosine"), 5, "cosine").distance
    found = index.search(query, 5, where)
    assert (found.position % 2 == 0).all()
    assert (np.abs(found.distance - exact) < 1e-4).mean() > 0.97
    deep = index.search(query, 400, where)
    assert (deep.position >= 0).all()


def test_k_beyond_n_is_padded_and_a_wrong_query_is_refused():
    index = named(random_vectors(30, 1), 1)
    found = index.search(random_vectors(2, 2), 50)
    assert ((found.position >= 0).sum(1) == 30).all()
    with pytest.raises(ConfigError, match="dimension"):
        index.search(np.ones(5), 3)
    with pytest.raises(ConfigError, match="number of neighbours"):
        index.search(np.ones(6), 0)


def test_an_unknown_id_suggests_near_ones():
    with pytest.raises(ConfigError) as caught:
        named(random_vectors(30, 1)).vector("N0O3")
    assert "did you mean n0" in caught.value.hint
    assert caught.value.examples

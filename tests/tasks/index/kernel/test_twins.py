import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.index.kernel.flat import Neighbours, flat_search
from lakebed.tasks.index.kernel.twins import collapse, expand


@given(st.lists(st.integers(0, 5), max_size=40), st.integers(0, 9))
def test_equal_vectors_form_a_group_whatever_their_order(kinds, seed):
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((6, 8)).astype(np.float32)
    vectors = base[kinds].reshape(-1, 8) + rng.uniform(-1e-7, 1e-7, (len(kinds), 8)).astype(np.float32)
    twins = collapse(vectors.astype(np.float32), 1e-6)
    groups = [twins.member[a:b].tolist() for a, b in zip(twins.indptr[:-1], twins.indptr[1:], strict=True)]
    wanted = [[i for i, kind in enumerate(kinds) if kind == one] for one in dict.fromkeys(kinds)]
    assert groups == wanted
    assert twins.first.tolist() == [group[0] for group in wanted]


def test_tolerance_zero_takes_equal_ones_only_and_near_ones_stay_apart():
    vectors = np.array([[1, 0], [1, 0], [1, 1e-3]], np.float32)
    assert len(collapse(vectors, 0.0).first) == 2
    assert len(collapse(vectors, 1e-6).first) == 2
    assert len(collapse(vectors, 1e-2).first) == 1


@given(st.integers(1, 30), st.integers(1, 12), st.integers(0, 99))
def test_expanding_gives_the_distances_of_a_search_among_all(n, k, seed):
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((4, 3)).astype(np.float32)[rng.integers(0, 4, n)]
    queries = rng.standard_normal((3, 3)).astype(np.float32)
    twins = collapse(vectors, 0.0)
    wanted = flat_search(vectors, queries, k, "l2")
    found = expand(flat_search(vectors[twins.first], queries, k, "l2"), twins, k)
    assert np.allclose(found.distance, wanted.distance, atol=1e-5)
    assert np.array_equal(np.sort(found.position >= 0), np.sort(wanted.position >= 0))
    for row in range(3):
        there = found.position[row][found.position[row] >= 0].tolist()
        assert len(set(there)) == len(there)


def test_nothing_collapses_to_nothing():
    twins = collapse(np.empty((0, 4), np.float32), 1e-6)
    assert twins.is_trivial
    none = Neighbours.none(2, 3)
    assert expand(none, twins, 3) is none

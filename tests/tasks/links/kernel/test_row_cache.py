import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.links.kernel.row_cache import RowCache

N, D = 40, 3
ROWS = np.arange(N * D, dtype=np.float32).reshape(N, D)
DEGREES = np.arange(N)[::-1].copy()


class Source:
    """Rows in memory, and what was read of them."""

    shape = (N, D)

    def __init__(self):
        self.read = []

    def gather(self, nodes, out, places):
        out[places] = ROWS[nodes]
        self.read += nodes.tolist()


def cache_of(n_rows):
    source = Source()
    return RowCache(source, DEGREES, n_rows * 4 * D), source


SETS = st.lists(st.sets(st.integers(0, N - 1), min_size=1), min_size=1, max_size=12)


@given(SETS, st.integers(0, N + 5), st.integers(0, 4))
def test_rows_are_those_of_the_source_whatever_is_held(batches, n_rows, n_ahead):
    cache, source = cache_of(n_rows)
    asked = [np.array(sorted(batch)) for batch in batches]
    for at, nodes in enumerate(asked):
        assert np.array_equal(cache.take(nodes, asked[at + 1 : at + 1 + n_ahead]), ROWS[nodes])
        assert np.array_equal(cache.block(at, at + 9), ROWS[at : at + 9])
    assert cache.n_read == len(source.read)
    assert cache.n_taken == sum(map(len, asked)) + sum(len(ROWS[at : at + 9]) for at in range(len(asked)))


def test_what_the_next_batch_needs_stays_before_what_many_have():
    cache, source = cache_of(3)
    cache.take(np.arange(6), [np.array([4, 5])])
    source.read.clear()
    cache.take(np.array([0, 4, 5]))
    assert source.read == []


def test_of_several_batches_the_next_one_comes_first():
    cache, source = cache_of(3)
    cache.take(np.arange(8), [np.array([6, 7]), np.array([2, 3, 6])])
    source.read.clear()
    cache.take(np.array([6, 7]), [np.array([2, 3, 6])])
    cache.take(np.array([2, 3, 6]))
    assert source.read == [3]


def test_of_the_rest_the_rows_of_high_degree_stay():
    cache, source = cache_of(3)
    cache.take(np.array([0, 1, 2]))
    cache.take(np.array([30, 31, 32]))
    source.read.clear()
    cache.take(np.array([0, 1, 2]))
    assert source.read == []


def test_a_pass_over_all_puts_nothing_out():
    cache, source = cache_of(4)
    cache.take(np.array([20, 21]))
    for start in range(0, N, 10):
        cache.block(start, start + 10)
    assert source.read.count(20) == 1
    source.read.clear()
    cache.block(0, N)
    assert sorted(source.read) == [node for node in range(N) if node not in (0, 1, 20, 21)]


@pytest.mark.parametrize("n_rows", [0, 1])
def test_next_to_no_memory_is_slow_and_right(n_rows):
    cache, _ = cache_of(n_rows)
    assert cache.capacity == n_rows
    for _ in range(3):
        assert np.array_equal(cache.take(np.array([1, 5, 9]), [np.array([5])]), ROWS[[1, 5, 9]])

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.links.kernel import row_cache
from lakebed.tasks.links.kernel.row_cache import NEVER, Forecast, RowCache

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


def cache_of(n_rows, told=(), rows=None):
    source = Source()
    cache = RowCache(source, DEGREES, n_rows * 4 * D, rows)
    cache.follow(iter(np.array(nodes) for nodes in told))
    return cache, source


def least_reads(batches, size):
    """What a cache of all batches' future reads, rows of one batch at once: Belady's, the plain way."""
    held, n_read = set(), 0
    for at, nodes in enumerate(batches):
        n_read += len(nodes - held)
        due = {node: [node in later for later in batches[at + 1 :]].index(True) for node in held | nodes
               if any(node in later for later in batches[at + 1 :])}  # fmt: skip
        held = set(sorted(due, key=due.__getitem__)[:size])
    return n_read


SETS = st.lists(st.sets(st.integers(0, N - 1), min_size=1), min_size=1, max_size=12)


@given(SETS, st.integers(0, N + 5), st.integers(0, 12), st.booleans())
def test_rows_are_those_of_the_source_whatever_is_held_or_told(batches, n_rows, n_told, is_filled):
    asked = [np.array(sorted(batch)) for batch in batches]
    cache, source = cache_of(n_rows, asked[::-1][:n_told], ROWS if is_filled else None)
    for at, nodes in enumerate(asked):
        assert np.array_equal(cache.take(nodes), ROWS[nodes])
        assert np.array_equal(cache.block(at, at + 9), ROWS[at : at + 9])
    assert cache.n_read == len(source.read)
    assert cache.n_taken == sum(map(len, asked)) + sum(len(ROWS[at : at + 9]) for at in range(len(asked)))


@given(SETS, st.integers(0, N))
def test_where_all_is_told_nothing_reads_less(batches, n_rows):
    told = [sorted(batch) for batch in batches]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_cache, "AHEAD_SHARE", N * len(told))
        cache, source = cache_of(n_rows, told)
    for nodes in told:
        cache.take(np.array(nodes))
    assert len(source.read) == least_reads(batches, n_rows)


@given(SETS, st.integers(0, 30))
def test_a_forecast_knows_the_next_read_as_far_as_it_looks(batches, n_rows):
    reads = [np.array(sorted(batch)) for batch in batches]
    forecast, n_told = Forecast(N, iter(reads), n_rows), []

    for at in range(len(reads)):
        forecast.advance()
        known = forecast.due != NEVER
        n_told.append(len(forecast._nodes) - forecast._at)
        for node in range(N):
            later = [place for place in range(at + 1, len(reads)) if node in batches[place]]
            assert not known[node] or forecast.due[node] == later[0]
            assert known[node] or not later or n_rows < sum(map(len, reads))
    assert max(n_told) < n_rows + N
    assert n_rows == 0 or len(reads) == 1 or n_told[0] > 0


def test_what_is_read_soon_stays_before_what_many_have():
    cache, source = cache_of(3, [np.arange(6), [4, 5]])
    cache.take(np.arange(6))
    source.read.clear()
    cache.take(np.array([0, 4, 5]))
    assert source.read == []


def test_what_is_told_anew_counts_from_there(monkeypatch):
    monkeypatch.setattr(row_cache, "AHEAD_SHARE", 9)
    cache, source = cache_of(3, [np.arange(6), [20, 21]])
    cache.take(np.arange(6))
    cache.follow(iter([np.arange(8), np.array([6, 7]), np.array([2, 3, 6])]))
    source.read.clear()
    for nodes in (np.arange(8), np.array([6, 7]), np.array([2, 3, 6])):
        cache.take(nodes)
    assert source.read == [3, 4, 5, 6, 7, 3]


def test_it_begins_with_the_rows_of_high_degree():
    cache, source = cache_of(3, rows=ROWS)
    assert np.array_equal(cache.take(np.arange(5)), ROWS[:5])
    assert source.read == [3, 4]


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
    cache, _ = cache_of(n_rows, [[1, 5, 9], [5]])
    assert cache.capacity == n_rows
    for _ in range(3):
        assert np.array_equal(cache.take(np.array([1, 5, 9])), ROWS[[1, 5, 9]])

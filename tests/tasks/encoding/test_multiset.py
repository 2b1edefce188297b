from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lakebed.tasks.encoding.multiset import add_multiset_hashes, distinct_counts, multiset_hash
from tests.tasks.encoding.arrays import quick

WORDS = st.integers(0, 2**64 - 1) | st.integers(0, 3) | st.integers(2**64 - 3, 2**64 - 1)
ROWS = st.lists(st.tuples(WORDS, WORDS), max_size=60)


def hashes_of(rows: list[tuple[int, int]]) -> np.ndarray:
    return np.array(rows, dtype=np.uint64).reshape(-1, 2)


@quick
@given(ROWS, st.randoms())
def test_the_hash_is_free_of_order_and_additive(rows, random):
    moved = random.sample(rows, len(rows))
    whole = multiset_hash(hashes_of(rows))
    assert multiset_hash(hashes_of(moved)) == whole
    cut = random.randint(0, len(rows))
    assert add_multiset_hashes([multiset_hash(hashes_of(moved[:cut])), multiset_hash(hashes_of(moved[cut:]))]) == whole


@quick
@given(ROWS, ROWS)
def test_only_equal_multisets_have_equal_hashes(left, right):
    assert (multiset_hash(hashes_of(left)) == multiset_hash(hashes_of(right))) == (Counter(left) == Counter(right))


@quick
@given(ROWS)
def test_counts_weigh_as_repetitions(rows):
    unique, counts = distinct_counts(hashes_of(rows))
    assert multiset_hash(unique, counts.astype(np.uint64)) == multiset_hash(hashes_of(rows))


def test_equal_rows_do_not_cancel():
    row = hashes_of([(5, 6)])
    assert multiset_hash(np.repeat(row, 2, axis=0)) != multiset_hash(row[:0]) == bytes(32)
    assert add_multiset_hashes([]) == bytes(32)


@quick
@given(ROWS)
@example([(2**64 - 1, 0), (0, 2**64 - 1)] * 40)
def test_distinct_counts_equal_a_counter(rows):
    unique, counts = distinct_counts(hashes_of(rows))
    expected = sorted(Counter(rows).items())
    assert [tuple(row) for row in unique.tolist()] == [row for row, _ in expected]
    assert counts.tolist() == [n for _, n in expected]


@quick
@given(st.lists(st.tuples(WORDS, WORDS, st.integers(1, 2**40)), max_size=60))
def test_partial_counts_are_merged(rows):
    expected: Counter = Counter()
    for high, low, n in rows:
        expected[high, low] += n
    counts = np.array([n for _, _, n in rows], dtype=np.int64)
    unique, totals = distinct_counts(hashes_of([(high, low) for high, low, _ in rows]), counts)
    assert {tuple(row): n for row, n in zip(unique.tolist(), totals.tolist(), strict=True)} == expected


@pytest.mark.parametrize("top", [2**64, 2**40, 3])
@pytest.mark.parametrize("n_distinct", [1, 2, 1_000, 200_000])
def test_many_rows_are_sorted_whatever_their_spread(top, n_distinct):
    random = np.random.default_rng(1)
    pool = random.integers(0, top, (n_distinct, 2), dtype=np.uint64)
    rows = pool[random.integers(0, n_distinct, 200_000)]
    unique, counts = distinct_counts(rows)
    order = np.lexsort((rows[:, 1], rows[:, 0]))
    assert np.array_equal(np.repeat(unique, counts, axis=0), rows[order])
    assert len(unique) == len(set(map(bytes, rows)))


def test_the_rows_given_stay_as_they_are():
    rows = hashes_of([(3, 1), (1, 1), (2, 1)])
    rows.setflags(write=False)
    distinct_counts(rows, np.array([1, 2, 3]))
    assert rows[0, 0] == 3


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="2 hashes cannot have 1 counts"):
        multiset_hash(hashes_of([(1, 1), (2, 2)]), np.ones(1, np.uint64))
    with pytest.raises(ValueError, match="2 hashes cannot have 1 counts"):
        distinct_counts(hashes_of([(1, 1), (2, 2)]), np.ones(1, np.int64))
    with pytest.raises(ValueError, match="3 bytes"):
        add_multiset_hashes([b"abc"])

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.encoding.counting import (
    MIN_SLOTS,
    Pieces,
    compare_lists,
    count_lists,
    probed,
    scatter,
    scatter_pieces,
)
from lakebed.tasks.encoding.sums import add_sums, multiset_sum
from tests.tasks.encoding.arrays import KEY, quick

NUMBERS = st.lists(st.lists(st.lists(st.integers(1, 30), max_size=12), max_size=3), min_size=2, max_size=5)
SPREAD = np.random.default_rng(5).integers(1, 2**64, (31, 2), dtype=np.uint64)


def pieces_of(lists):
    """Each list in its pieces, all in one array."""
    pieces = [piece for one in lists for piece in one]
    ends = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    rows = SPREAD[np.array([number for piece in pieces for number in piece], np.int64)].reshape(-1, 2)
    first = np.cumsum([0, *map(len, lists)], dtype=np.int64)
    return Pieces(np.ascontiguousarray(rows), np.concatenate([[0], ends])[:-1].astype(np.int64), ends, first)


def bags(lists):
    return [Counter(number for piece in one for number in piece) for one in lists]


def all_pairs(n):
    parents, children = np.divmod(np.arange(n * n), n)
    return children, parents


@quick
@given(NUMBERS, st.booleans())
def test_counts_are_those_of_counters(lists, is_bag):
    children, parents = all_pairs(len(lists))
    found = compare_lists(count_lists(pieces_of(lists)), children, parents, KEY, is_bag=is_bag)
    held = bags(lists)
    for child, parent, numbers, own, matched in zip(
        children, parents, found.numbers.tolist(), found.child_sums, found.matched_sums, strict=True
    ):
        mine, theirs = held[child], held[parent]
        missing = (mine - theirs).total() if is_bag else len(mine.keys() - theirs.keys())
        assert numbers == [len(mine), mine.total(), len(theirs), theirs.total(), missing]
        both = mine & theirs if is_bag else mine.keys() & theirs.keys()
        for sums, rows in ((own, mine.elements() if is_bag else mine), (matched, Counter(both).elements())):
            assert sums.tolist() == multiset_sum(SPREAD[np.array(list(rows), np.int64)].reshape(-1, 2), KEY).tolist()


@quick
@given(NUMBERS, st.integers(1, 5), st.booleans())
def test_buckets_add_up(lists, bits, is_bag):
    whole, pairs = pieces_of(lists), all_pairs(len(lists))
    expected = compare_lists(count_lists(whole), *pairs, KEY, is_bag=is_bag)
    rows, edges = scatter_pieces(whole, bits)
    numbers, sums = 0, np.zeros((len(pairs[0]), 2), np.uint64)
    for bucket in range(1 << bits):
        starts, ends = (np.ascontiguousarray(edges[:, bucket + side]) for side in (0, 1))
        part = Pieces(rows, starts, ends, whole.first_piece)
        found = compare_lists(count_lists(part), *pairs, KEY, is_bag=is_bag)
        numbers, sums = numbers + found.numbers, add_sums(sums, found.child_sums)
    assert np.array_equal(numbers, expected.numbers)
    assert np.array_equal(sums, expected.child_sums)


def test_one_row_a_million_times_needs_no_room():
    rows = np.repeat(SPREAD[:1], 1_000_000, axis=0)
    lists = count_lists(Pieces(rows, np.zeros(1, np.int64), np.array([1_000_000]), np.arange(2, dtype=np.int64)))
    assert len(lists.slots) <= 1 << 17
    assert lists.counts.tolist() == [1_000_000]


def test_the_table_grows_with_what_is_distinct():
    rows = np.random.default_rng(6).integers(1, 2**64, (200_000, 2), dtype=np.uint64)
    starts = np.arange(0, 200_000, 1_000)
    lists = count_lists(Pieces(rows, starts, starts + 1_000, np.arange(201)))
    assert len(lists.slots) > MIN_SLOTS
    assert len(lists.places) == 200_000 and (lists.counts == 1).all()
    assert np.array_equal(np.sort(lists.slots[lists.places], axis=0), np.sort(rows, axis=0))


def test_a_probe_takes_each_row_of_a_share_and_ends_where_rows_repeat():
    rows = np.random.default_rng(4).integers(0, 2**64, (5_000, 2), dtype=np.uint64)
    assert np.array_equal(probed(rows, 64), rows[rows[:, 1] % 64 == 0, 0])
    repeated = np.tile(np.array([[7, 64]], np.uint64), (5_000, 1))
    assert 0 < len(probed(repeated, 64)) < 1_000
    assert not len(probed(rows[:0], 64))


def test_rows_are_scattered_into_memory_that_is_given():
    rows = np.random.default_rng(6).integers(0, 2**64, (500, 2), dtype=np.uint64)
    held = np.empty_like(rows)
    found, first = scatter(rows, 3, held)
    assert found is held
    assert np.array_equal(first, np.searchsorted(np.sort(rows[:, 0] >> np.uint64(61)), np.arange(9)))
    assert np.array_equal(found, rows[np.argsort(rows[:, 0] >> np.uint64(61), kind="stable")])

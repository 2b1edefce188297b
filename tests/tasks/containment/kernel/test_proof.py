from collections import Counter
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.containment.kernel.proof import HashRows, PairCounts, PairSums, compare_pairs
from tests.tasks.containment.kernel.builders import hash_words

KEY = bytes(range(32))
bags = st.lists(st.dictionaries(st.integers(0, 12), st.integers(1, 3), max_size=8).map(Counter), min_size=2, max_size=5)


def in_blocks(projection, table, hashes):
    """Each row in a block of its own."""
    first = np.arange(len(hashes) + 1, dtype=np.int64)
    return HashRows(np.asarray(projection, np.int64), np.asarray(table, np.int32), first, hashes)


def hash_rows(tables, seed=0, projection=7):
    """Rows of the tables in any order, repeats in several pieces, as several splits give them."""
    pieces = [(table, value) for table, bag in enumerate(tables) for value, n in bag.items() for _ in range(n)]
    pieces = [pieces[place] for place in np.random.default_rng(seed).permutation(len(pieces))]
    table, value = (np.array(column) for column in (*zip(*pieces, strict=True),)) if pieces else ([], [])
    return in_blocks(np.full(len(pieces), projection), table, hash_words(value))


def all_pairs(n_tables, projection=7):
    pairs = [(a, b) for a in range(n_tables) for b in range(n_tables) if a != b]
    child, parent = np.array(pairs, np.int32).T
    return np.full(len(pairs), projection, np.int64), child, parent


@given(bags, st.booleans(), st.integers(0, 99))
def test_counts_are_those_of_counters(tables, is_bag, seed):
    pairs = all_pairs(len(tables))
    counts = compare_pairs(hash_rows(tables, seed), pairs, KEY, is_bag=is_bag)
    for place, (child, parent) in enumerate(zip(*pairs[1:], strict=True)):
        mine, theirs = tables[child], tables[parent]
        missing = (mine - theirs).total() if is_bag else len(mine.keys() - theirs.keys())
        expected = [len(mine), mine.total(), len(theirs), theirs.total(), missing]
        assert counts.numbers[:, place].tolist() == expected


@given(bags, st.booleans())
def test_multiset_hashes_agree_exactly_where_the_child_is_contained(tables, is_bag):
    counts = compare_pairs(hash_rows(tables), all_pairs(len(tables)), KEY, is_bag=is_bag).digested(KEY)
    is_contained = counts.n_missing == 0
    assert (counts.child_hash[is_contained] == counts.matched_hash[is_contained]).all()
    has_rows = is_contained & (counts.n_child_rows > 0)
    assert counts.child_hash[has_rows].any(axis=1).all()
    assert not counts.child_hash[~is_contained].any()


@given(bags, st.booleans(), st.integers(1, 4))
def test_buckets_add_up(tables, is_bag, n_buckets):
    rows, pairs = hash_rows(tables), all_pairs(len(tables))
    whole = compare_pairs(rows, pairs, KEY, is_bag=is_bag).digested(KEY)
    bucket = rows.hashes[:, 0] % np.uint64(n_buckets)
    parts = [
        in_blocks(*(column[bucket == number] for column in (rows.projection, rows.table, rows.hashes)))
        for number in range(n_buckets)
    ]
    compared = (compare_pairs(part, pairs, KEY, is_bag=is_bag) for part in parts)
    summed = reduce(PairSums.__add__, compared).digested(KEY)
    assert (summed.numbers() == whole.numbers()).all()
    is_contained = whole.n_missing == 0
    assert (summed.child_hash[is_contained] == whole.child_hash[is_contained]).all()
    assert (summed.matched_hash[is_contained] == whole.matched_hash[is_contained]).all()


def test_hashes_of_children_with_other_rows_or_other_counts_differ():
    tables = [Counter({1: 1}), Counter({1: 2}), Counter({2: 1}), Counter({1: 3, 2: 3})]
    pairs = (np.full(3, 7, np.int64), np.array([0, 1, 2], np.int32), np.array([3, 3, 3], np.int32))
    by_set, by_bag = (
        compare_pairs(hash_rows(tables), pairs, KEY, is_bag=is_bag).digested(KEY).child_hash for is_bag in (False, True)
    )
    assert (by_set[0] == by_set[1]).all()
    assert (by_set[0] != by_set[2]).any()
    assert (by_bag[0] != by_bag[1]).any()


@pytest.mark.parametrize("word", [0, 1])
def test_rows_that_agree_in_one_word_only_are_different_rows(word):
    hashes = np.array([[5, 5], [5, 5]], np.uint64)
    hashes[1, word] = 6
    rows = in_blocks(np.zeros(2), np.array([0, 1]), hashes)
    pair = (np.zeros(1, np.int64), np.array([0], np.int32), np.array([1], np.int32))
    assert compare_pairs(rows, pair, KEY, is_bag=False).digested(KEY).n_missing.tolist() == [1]


def test_a_pair_sees_the_rows_of_its_own_projection_only():
    one, other = (hash_rows([Counter({1: 1}), Counter({2: 1})], projection=number) for number in (3, -4))
    columns = ("projection", "table", "hashes")
    swapped = in_blocks(other.projection, 1 - other.table, other.hashes)
    rows = in_blocks(*(np.concatenate([getattr(one, name), getattr(swapped, name)]) for name in columns))
    pairs = (np.array([3, -4, 9], np.int64), np.zeros(3, np.int32), np.array([1, 0, 1], np.int32))
    counts = compare_pairs(rows, pairs, KEY, is_bag=False).digested(KEY)
    assert counts.n_missing.tolist() == [1, 0, 0]
    assert counts.n_child_distinct.tolist() == [1, 1, 0]


def test_no_pairs_have_no_counts():
    assert PairCounts.none().numbers().shape == (5, 0)

import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.containment.kernel.asked import Columns, asked_sets

# of each table: column → whether it is a string (of a text file: whether it has a text)
tables = st.lists(st.dictionaries(st.integers(0, 8), st.booleans(), min_size=1, max_size=6), min_size=1, max_size=12)


def columns_of(table, n_tables=1):
    tokens = np.array(sorted(table), np.int32)
    is_chosen = np.array([table[token] for token in tokens.tolist()], np.bool_)
    return Columns(tokens, tokens[is_chosen], tokens[~is_chosen], n_tables)


def sets_by_hand(text, others):
    """Each set that some table asks, with how many ask it."""
    asked = {}
    for other in others:
        strings = {token for token, is_string in other.items() if is_string}
        mine = {token for token, is_typed in text.items() if is_typed}
        if (text.keys() <= other.keys() or other.keys() <= text.keys()) and mine & strings:
            kept = frozenset(mine - (other.keys() - strings))
            asked[kept] = asked.get(kept, 0) + 1
    return asked


@given(tables, tables)
def test_sets_are_those_of_a_brute_force(texts, others):
    sets, n_more = asked_sets(list(map(columns_of, texts)), list(map(columns_of, others)), 100)
    assert not n_more.any()
    for text, found in zip(texts, sets, strict=True):
        assert len(set(found)) == len(found)
        assert set(found) == set(sets_by_hand(text, others))


@given(tables, tables, st.integers(1, 3))
def test_the_most_asked_stay_and_the_rest_is_counted(texts, others, n_at_most):
    sets, n_more = asked_sets(list(map(columns_of, texts)), list(map(columns_of, others)), n_at_most)
    for text, found, n in zip(texts, sets, n_more.tolist(), strict=True):
        asked = sets_by_hand(text, others)
        assert (len(found), n) == (min(n_at_most, len(asked)), max(0, len(asked) - n_at_most))
        assert [asked[one] for one in found] == sorted(asked.values(), reverse=True)[:n_at_most]


def test_a_set_counts_by_the_tables_that_ask_it():
    text, one, other = {0: True, 1: True}, {0: True, 1: False}, {0: False, 1: True}
    sets, n_more = asked_sets([columns_of(text)], [columns_of(one), columns_of(other, 2)], 1)
    assert (sets, n_more.tolist()) == ([[frozenset({1})]], [1])


def test_four_thousand_schemas_on_either_side_are_quick():
    draw = np.random.default_rng(0)
    sides = [
        [
            columns_of({token: bool(draw.integers(2)) for token in draw.choice(200, 12, replace=False).tolist()})
            for _ in range(4_000)
        ]
        for _ in range(2)
    ]
    asked_sets(sides[0][:2], sides[1][:2], 64)
    start = time.process_time()
    asked_sets(*sides, 64)
    assert time.process_time() - start < 1

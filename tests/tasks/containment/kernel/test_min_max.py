import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.containment.kernel.min_max import Refutation, refute_pairs, survey
from lakebed.tasks.containment.kernel.schema_graph import schema_edges
from tests.tasks.containment.kernel.builders import Column, bounds_of, tight


def verdict(child, parent, n_rows=(10, 10), *, is_bag=False):
    """The refutation of one pair of one-column tables."""
    _, bounds = bounds_of([{0: child}, {0: parent}], n_rows)
    reasons, _ = refute_pairs(bounds, np.array([0], np.int32), np.array([1], np.int32), is_bag=is_bag)
    return Refutation(int(reasons[0]))


@pytest.mark.parametrize(
    ("child", "parent", "expected"),
    [
        (tight(3, 5), tight(3, 5), Refutation.NONE),
        (tight(2, 5), tight(3, 5), Refutation.MINIMUM),
        (tight(3, 6), tight(3, 5), Refutation.MAXIMUM),
        (Column(), tight(3, 5), Refutation.NONE),
        (tight(3, 5), Column(), Refutation.NONE),
        # wide bounds of the child: only disjoint ranges refute
        (Column((0, 9, 0, 9)), tight(3, 5), Refutation.NONE),
        (Column((0, 2, 0, 2)), tight(3, 5), Refutation.MINIMUM),
        # of an unknown number of nulls: the rows that the bounds stem from may be deleted, and the others null
        (Column((0, 2, 0, 2), n_nulls=-1), tight(3, 5), Refutation.NONE),
        (Column((1, 1, 1, 1), n_nulls=-1), tight(3, 5, kind=1), Refutation.NONE),
        (Column((1, 1, 2, 2), n_nulls=-1), tight(3, 5), Refutation.MINIMUM),
        # wide bounds of the parent still bound its values
        (tight(0, 5), Column((3, 9, 3, 9)), Refutation.MINIMUM),
        # a cut minimum whose true value may reach the parent's
        (Column((2, 4, 5, 5)), tight(3, 5), Refutation.NONE),
        (Column((1, 2, 5, 5)), tight(3, 5), Refutation.MINIMUM),
        (tight(3, 5, n_nulls=1), tight(3, 5), Refutation.NULLS),
        (tight(3, 5, n_nulls=1), tight(3, 5, n_nulls=-1), Refutation.NONE),
        (tight(3, 5, n_nulls=-1), tight(3, 5), Refutation.NONE),
        (tight(3, 5, kind=1), tight(3, 5), Refutation.TYPE),
        (Column(n_nulls=10, kind=1), tight(3, 5, n_nulls=1), Refutation.NONE),
        (Column(n_nulls=-1, kind=1), tight(3, 5, n_nulls=1), Refutation.NONE),
        (tight(3, 5), Column(n_nulls=10), Refutation.NO_VALUES),
        (tight(3, 5), tight(0, 9, ranges=[(0, 2), (4, 9)]), Refutation.GAP),
        (tight(4, 7), tight(0, 9, ranges=[(0, 5), (8, 9)]), Refutation.GAP),
        (tight(4, 8), tight(0, 9, ranges=[(0, 5), (8, 9)]), Refutation.NONE),
        (Column((3, 4, 5, 5)), tight(0, 9, ranges=[(0, 2), (5, 9)]), Refutation.NONE),
        (tight(1, 3, values=[1, 3]), tight(1, 3, values=[1, 2, 3]), Refutation.NONE),
        (tight(1, 3, values=[1, 2, 3]), tight(1, 3, values=[1, 3]), Refutation.VALUES),
    ],
)
def test_one_column(child, parent, expected):
    assert verdict(child, parent) is expected


def test_row_counts_refute_bags_and_empty_parents():
    assert verdict(tight(1, 2), tight(1, 2), (5, 4)) is Refutation.NONE
    assert verdict(tight(1, 2), tight(1, 2), (5, 4), is_bag=True) is Refutation.ROWS
    assert verdict(tight(1, 2), Column(), (5, 0)) is Refutation.ROWS


def test_a_column_is_compared_with_the_parents_of_the_same_token():
    _, bounds = bounds_of([{7: tight(5, 6)}, {3: tight(0, 1), 7: tight(5, 9), 9: tight(0, 1)}], (2, 2))
    reasons, columns = refute_pairs(bounds, np.array([0], np.int32), np.array([1], np.int32), is_bag=False)
    assert (reasons[0], columns[0]) == (0, -1)


statistics = st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(0, 2), st.booleans())


@st.composite
def lakes(draw):
    """Tables whose columns' true values are known, with statistics that are honest but may be wide or missing."""
    tables, values = [], []
    for _ in range(draw(st.integers(2, 8))):
        tokens = draw(st.frozensets(st.integers(0, 2), min_size=1, max_size=3))
        rows = draw(st.lists(st.tuples(*(st.integers(0, 8) for _ in tokens)), min_size=1, max_size=6))
        columns = {}
        for place, token in enumerate(sorted(tokens)):
            cells = [row[place] for row in rows]
            slack = draw(st.integers(0, 2))
            low, high = min(cells), max(cells)
            columns[token] = draw(
                st.sampled_from(
                    [
                        tight(low, high, ranges=[(value, value) for value in cells]),
                        Column((max(0, low - slack), high + slack, max(0, low - slack), high + slack)),
                        Column((max(0, low - slack), low + slack, -1, high + slack)),
                        Column(),
                    ]
                )
            )
        tables.append(columns)
        values.append((sorted(tokens), set(rows)))
    return tables, values


def is_contained(child, parent):
    tokens, rows = child
    others, theirs = parent
    places = [others.index(token) for token in tokens]
    return rows <= {tuple(row[place] for place in places) for row in theirs}


@given(lakes(), st.sampled_from([0, 1, 10_000]))
def test_no_true_containment_is_lost(lake, max_pairs):
    tables, values = lake
    groups, bounds = bounds_of(tables, [len(rows) for _, rows in values])
    found = survey(groups, schema_edges(groups), bounds, is_bag=False, max_pairs=max_pairs)
    true = {
        (a, b)
        for a, child in enumerate(values)
        for b, parent in enumerate(values)
        if a != b and set(child[0]) <= set(parent[0]) and is_contained(child, parent)
    }
    roles = {tuple(role) for role in found.roles.tolist()}
    for child, parent in true:
        schema = int(groups.schema_of_table[child])
        assert (schema, child) in roles
        assert (schema, parent) in roles
    if found.is_listed:
        pairs = set(zip(found.children.tolist(), found.parents.tolist(), strict=True))
        assert true <= pairs
        assert len(pairs) == found.n_pairs


@given(lakes())
def test_listed_pairs_are_those_that_no_rule_refutes(lake):
    tables, values = lake
    groups, bounds = bounds_of(tables, [len(rows) for _, rows in values])
    found = survey(groups, schema_edges(groups), bounds, is_bag=False, max_pairs=10_000)
    candidates = np.array(
        [
            (a, b)
            for a, (tokens, _) in enumerate(values)
            for b, (others, _) in enumerate(values)
            if a != b and set(tokens) <= set(others)
        ],
        np.int32,
    ).reshape(-1, 2)
    reasons, _ = refute_pairs(bounds, candidates[:, 0].copy(), candidates[:, 1].copy(), is_bag=False)
    expected = {tuple(pair) for pair in candidates[reasons == 0].tolist()}
    assert set(zip(found.children.tolist(), found.parents.tolist(), strict=True)) == expected


def test_trivial_tables_are_left_out():
    tables = [{0: Column(n_nulls=0)}, {0: Column(n_nulls=4)}, {0: tight(1, 2)}]
    groups, bounds = bounds_of(tables, (0, 4, 5))
    assert bounds.trivial_tables().tolist() == [True, True, False]
    assert survey(groups, schema_edges(groups), bounds, is_bag=False, max_pairs=10).n_pairs == 0


def test_a_cheap_test_refutes_no_column_that_may_hold_nothing():
    tables = [{0: Column((9, 9, 9, 9), n_nulls=-1)}, {0: tight(1, 2, n_nulls=1)}]
    groups, bounds = bounds_of(tables, (4, 5))
    found = survey(groups, schema_edges(groups), bounds, is_bag=False, max_pairs=10)
    assert (0, 1) in set(zip(found.children.tolist(), found.parents.tolist(), strict=True))

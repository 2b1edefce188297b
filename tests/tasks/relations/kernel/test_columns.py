import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.relations.kernel.columns import count_containing, mapped_chances, match_columns, propose_tables
from tests.tasks.relations.kernel.builders import lake_of

VALUES = st.lists(st.one_of(st.none(), st.integers(0, 6)), min_size=1, max_size=8)


@st.composite
def small_lakes(draw):
    tables = []
    for _ in range(draw(st.integers(2, 5))):
        tokens = draw(st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True))
        n_rows = draw(st.integers(1, 8))
        cells = st.lists(st.one_of(st.none(), st.integers(0, 6)), min_size=n_rows, max_size=n_rows)
        tables.append({token: draw(cells) for token in tokens})
    return tables


def can_hold(mine, other):
    return set(mine) <= set(other)


@given(small_lakes())
def test_proposals_are_the_pairs_whose_columns_all_fit_but_not_under_their_names(tables):
    bounds, samples = lake_of(tables)
    found = set(zip(*(ids.tolist() for ids in propose_tables(bounds, samples, 1_000)), strict=True))
    expected = set()
    for child, mine in enumerate(tables):
        for parent, theirs in enumerate(tables):
            has_values = any(value is not None for values in mine.values() for value in values)
            is_vacuous = all(value is None for values in theirs.values() for value in values)
            fits = all(any(can_hold(v, w) for w in theirs.values()) for v in mine.values())
            same = all(token in theirs and can_hold(v, theirs[token]) for token, v in mine.items())
            if child != parent and has_values and not is_vacuous and fits and not same and len(mine) <= len(theirs):
                expected.add((child, parent))
    assert found == expected


@given(small_lakes())
def test_a_map_uses_each_column_once_and_only_where_it_fits(tables):
    bounds, samples = lake_of(tables)
    for child, parent in zip(*(ids.tolist() for ids in propose_tables(bounds, samples, 1_000)), strict=True):
        targets = match_columns(bounds, samples, child, parent)
        if targets is None:
            continue
        assert len(set(targets.tolist())) == len(tables[child])
        names = bounds.token[targets].tolist()
        for token, target in zip(sorted(tables[child]), names, strict=True):
            assert can_hold(tables[child][token], tables[parent][target])


def test_a_subset_is_found_though_its_parent_is_sampled_more_thinly():
    rng = np.random.default_rng(1)
    big = rng.permutation(100_000)[:20_000].tolist()
    bounds, samples = lake_of([{0: big[:900]}, {1: big}, {2: rng.permutation(10**6)[:20_000].tolist()}])
    assert samples.level.tolist()[0] < samples.level.tolist()[1]
    children, parents = propose_tables(bounds, samples, 256)
    assert (children.tolist(), parents.tolist()) == ([0], [1])


def test_common_values_propose_nothing():
    tables = [{token: [1, 2, 3]} for token in range(30)]
    bounds, samples = lake_of(tables)
    assert len(propose_tables(bounds, samples, 29)[0]) == 0
    assert len(propose_tables(bounds, samples, 30)[0]) == 30 * 29


def test_of_several_maps_values_decide_then_names_then_order():
    ids, few = list(range(100, 160)), [1, 2] * 30
    bounds, samples = lake_of([{0: ids, 1: few, 2: few}, {1: few, 5: few, 6: ids, 7: list(range(60))}])
    targets = match_columns(bounds, samples, 0, 1)
    assert targets is not None
    assert bounds.token[targets].tolist() == [6, 1, 5]


@given(small_lakes(), st.sampled_from([0.5, 1.0]))
def test_counts_of_containing_columns_are_those_of_sets(tables, share):
    bounds, samples = lake_of(tables)
    columns = np.arange(len(bounds.token), dtype=np.int64)
    cells = [{v for v in values if v is not None} for named in tables for _, values in sorted(named.items())]
    n_containing, n_compared = count_containing(bounds, samples, columns, columns, share)
    for mine in columns:
        others = [other for other in columns if bounds.token[other] != bounds.token[mine]]
        assert n_compared[mine] == len(others)
        held = [other for other in others if len(cells[mine] & cells[other]) >= share * len(cells[mine])]
        assert n_containing[mine] == len(held)


def test_a_renamed_column_counts_the_columns_it_could_have_been_mapped_to():
    bounds, samples = lake_of([{0: [1, 2]}, {1: [1, 2, 3], 2: [7], 3: [8], 4: [9]}, {5: [10]}, {6: [11]}])
    renamed = mapped_chances(bounds, samples, np.array([0]), np.array([1]))
    # of five columns under names of their own none holds it; any of four could have been the target
    assert renamed.tolist() == pytest.approx([4 * (1 + 0) / (1 + 5)])
    same = mapped_chances(bounds, samples, np.array([0]), np.array([0]))
    assert same.tolist() == pytest.approx([(1 + 1) / (1 + 6)])

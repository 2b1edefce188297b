"""The search against brute force: on small tables every condition of the language is tried."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations, product

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.retention.recipes.kernel.matching import Match, match_rows
from lakebed.tasks.retention.recipes.kernel.ranks import RankedColumn, rank_column
from lakebed.tasks.retention.recipes.kernel.search import Found, disjoint_pairs, find_all_rows, find_condition

Cell = int | None
Row = tuple[Cell, ...]
cells = st.one_of(st.none(), st.integers(0, 3))


def hashed(rows: Sequence[Row]) -> np.ndarray:
    numbers = [sum((-1 if cell is None else cell) * 10**place for place, cell in enumerate(row)) + 99 for row in rows]
    return np.array([[number, 7] for number in numbers], np.uint64).reshape(-1, 2)


def ranked(parent: Sequence[Row], n_partitions: int = 0) -> list[RankedColumn]:
    columns = [pa.array([row[place] for row in parent], pa.int64()) for place in range(len(parent[0]))]
    return [rank_column(str(n), column, n < n_partitions) for n, column in enumerate(columns)]


def matched(child: Sequence[Row], parent: Sequence[Row], n_own: int) -> Match:
    """The child has the parent's last `n_own` columns."""
    return match_rows(hashed(child), hashed([row[-n_own:] for row in parent]))


def terms_of(column: list[Cell]) -> Iterator[tuple[bool, ...]]:
    """What every range, and every list, with nulls or without, selects."""
    values = sorted({cell for cell in column if cell is not None})
    sets = [set(values[low:high]) for low, high in combinations(range(len(values) + 1), 2)]
    sets += [set(some) for n in range(len(values) + 1) for some in combinations(values, n)]
    for chosen, or_null in product(sets, (False, True)):
        yield tuple(cell in chosen or (or_null and cell is None) for cell in column)


def selects(mask: Sequence[bool], child: Sequence[Row], parent: Sequence[Row], n_own: int) -> bool:
    rows = [row[-n_own:] for row, chosen in zip(parent, mask, strict=True) if chosen]
    return Counter(rows) == Counter(child) or (len(set(child)) == len(child) and set(rows) == set(child))


def exists(child: Sequence[Row], parent: Sequence[Row], n_own: int, n_terms: int) -> bool:
    columns = [list(terms_of([row[place] for row in parent])) for place in range(len(parent[0]))]
    if n_terms == 1:
        return any(selects(mask, child, parent, n_own) for masks in columns for mask in masks)
    pairs = combinations(columns, 2)
    return any(
        selects(np.logical_and(one, other).tolist(), child, parent, n_own)
        for first, second in pairs
        for one, other in product(first, second)
    )


def check(found: Found, child: Sequence[Row], parent: Sequence[Row], n_own: int) -> None:
    columns = ranked(parent)
    mask = np.ones(len(parent), np.bool_)
    for term in found.terms:
        mask &= term.holds(columns[term.column])
    assert mask.tolist() == found.mask.tolist()
    rows = [row[-n_own:] for row, chosen in zip(parent, mask, strict=True) if chosen]
    assert Counter(rows if found.multiplicity == "as_is" else set(rows)) == Counter(child)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=7), st.data())
def test_own_columns_find_whatever_there_is(parent: list[Row], data: st.DataObject) -> None:
    child = data.draw(st.lists(st.sampled_from(parent), min_size=1, max_size=7))
    match = matched(child, parent, 2)
    found = find_all_rows(match) or find_condition(match, ranked(parent), max_in_values=8)
    if found is not None:
        check(found, child, parent, 2)
    n_terms = 0 if found is None else len(found.terms)
    if selects([True] * len(parent), child, parent, 2):
        assert found is not None and found.shape == "all"
    elif exists(child, parent, 2, 1):
        assert n_terms == 1
    elif exists(child, parent, 2, 2):
        assert n_terms == 2
    else:
        assert found is None


@given(st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=8), st.data())
def test_what_is_found_on_foreign_columns_selects_the_child(parent: list[Row], data: st.DataObject) -> None:
    """Where rows occur elsewhere too the search may miss a condition, but never gives a wrong one."""
    child = [row[-1:] for row in data.draw(st.lists(st.sampled_from(parent), min_size=1, max_size=8))]
    match = matched(child, parent, 1)
    found = find_all_rows(match) or find_condition(match, ranked(parent), max_in_values=8)
    if found is not None:
        check(found, child, parent, 1)


@given(st.lists(st.tuples(cells, st.integers(0, 3)), min_size=2, max_size=12), st.integers(0, 3))
def test_one_value_of_a_foreign_column_is_always_found(parent: list[Row], wanted: int) -> None:
    rows = [(cell, number) for number, cell in parent]
    child = [row[-1:] for row in rows if row[0] == wanted]
    if child:
        match = matched(child, rows, 1)
        found = find_all_rows(match) or find_condition(match, ranked(rows), max_in_values=8)
        assert found is not None
        check(found, child, rows, 1)


PARENT: list[Row] = [(n % 4, n % 3, n) for n in range(24)]


@pytest.mark.parametrize(
    ("child", "n_partitions", "shape", "n_terms"),
    [
        (PARENT, 2, "all", 0),
        ([row for row in PARENT if row[0] == 2], 1, "partition", 1),
        ([row for row in PARENT if row[0] == 2], 0, "in", 1),
        ([row for row in PARENT if row[0] == 2 and row[1] == 1], 2, "partition", 2),
        ([row for row in PARENT if 5 <= row[2] <= 15], 2, "range", 1),
        ([row for row in PARENT if row[2] in (1, 5, 17)], 2, "in", 1),
        ([row for row in PARENT if row[0] >= 2 and row[2] <= 19], 1, "conjunction", 2),
    ],
)
def test_conditions_are_tried_in_the_designs_order(
    child: list[Row], n_partitions: int, shape: str, n_terms: int
) -> None:
    match = matched(child, PARENT, 3)
    found = find_all_rows(match) or find_condition(match, ranked(PARENT, n_partitions), max_in_values=8)
    assert found is not None
    assert (found.shape, len(found.terms)) == (shape, n_terms)


def test_partition_columns_that_are_not_needed_are_left_out() -> None:
    parent: list[Row] = [(1, 5, 0), (1, 6, 1), (1, 6, 2)]
    found = find_condition(matched(parent[1:], parent, 1 + 2), ranked(parent, 2), max_in_values=8)
    assert found is not None
    assert [term.column for term in found.terms] == [1]


def test_nan_is_in_no_condition() -> None:
    parent = pa.array([1.0, float("nan"), 2.0])
    match = match_rows(hashed([(0,), (1,)]), hashed([(0,), (1,), (2,)]))
    assert find_condition(match, [rank_column("x", parent)], max_in_values=8) is None


def test_lists_longer_than_allowed_are_not_made() -> None:
    parent: list[Row] = [(n,) for n in range(20)]
    child = parent[::2]
    match = matched(child, parent, 1)
    assert find_condition(match, ranked(parent), max_in_values=9) is None
    found = find_condition(match, ranked(parent), max_in_values=10)
    assert found is not None and found.shape == "in"


def test_a_child_with_more_equal_rows_than_the_parent_has_no_condition() -> None:
    match = matched([(1,), (1,)], [(1,), (2,)], 1)
    assert find_condition(match, ranked([(1,), (2,)]), max_in_values=8) is None


@given(st.lists(st.lists(st.booleans(), min_size=70, max_size=70), min_size=2, max_size=6))
def test_disjoint_pairs_share_no_bit(rows: list[list[bool]]) -> None:
    bits = np.zeros((len(rows), 2), np.uint64)
    for place, row in enumerate(rows):
        for bit in np.flatnonzero(row[::7]):
            bits[place, bit // 5] |= np.uint64(1) << np.uint64(bit)
    pairs = {tuple(pair) for pair in disjoint_pairs(bits, 64).tolist()}
    expected = {(one, other) for one, other in combinations(range(len(rows)), 2) if not (bits[one] & bits[other]).any()}
    assert pairs == expected
    assert len(disjoint_pairs(bits, 1)) == min(1, len(expected))

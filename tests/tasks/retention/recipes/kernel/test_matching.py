from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.retention.recipes.kernel.matching import locate, match_rows, occurrence, positions_of

rows = st.lists(st.integers(0, 6), max_size=30)


def hashes(values: list[int]) -> np.ndarray:
    """Rows that share the high word in threes, so that the low one decides."""
    table = np.array([[value // 3, value] for value in values], np.uint64).reshape(-1, 2)
    return np.ascontiguousarray(table)


@given(rows, rows)
def test_match_counts_each_row_on_both_sides(child: list[int], parent: list[int]) -> None:
    match = match_rows(hashes(child), hashes(parent))
    distinct = sorted(set(child))
    assert [distinct[number] for number in match.child] == child
    assert [distinct[number] if number >= 0 else None for number in match.parent] == [
        value if value in distinct else None for value in parent
    ]
    assert match.child_counts.tolist() == [child.count(value) for value in distinct]
    assert match.parent_counts.tolist() == [parent.count(value) for value in distinct]
    assert match.is_contained == (set(child) <= set(parent))


@given(rows, rows, st.data())
def test_multiplicity_is_that_of_the_selected_rows(child: list[int], parent: list[int], data: st.DataObject) -> None:
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(parent), max_size=len(parent))), np.bool_)
    selected = [value for value, chosen in zip(parent, mask, strict=True) if chosen]
    found = match_rows(hashes(child), hashes(parent)).multiplicity_of(mask)
    if Counter(selected) == Counter(child):
        assert found == "as_is"
    elif sorted(set(selected)) == sorted(child):
        assert found == "distinct"
    else:
        assert found is None


@given(rows, rows)
def test_surplus_rows_are_those_that_the_parent_has_more_often(child: list[int], parent: list[int]) -> None:
    surplus = match_rows(hashes(child), hashes(parent)).is_surplus
    assert surplus.tolist() == [value in child and parent.count(value) > child.count(value) for value in parent]


def test_rows_with_cells_of_another_type_are_no_members() -> None:
    match = match_rows(hashes([1, 2]), hashes([1, 2, 2]), np.array([True, False, True]))
    assert match.parent.tolist() == [0, -1, 1]
    assert match.parent_counts.tolist() == [1, 1]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.data())
def test_positions_name_equal_rows_each_once_as_long_as_there_are_any(found: list[int], data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.sampled_from(found), max_size=25))
    places = positions_of(np.array(wanted, np.int64), np.array([-1, *found], np.int64))
    assert [[-1, *found][place] for place in places] == wanted
    for value, n in Counter(wanted).items():
        used = [int(place) for place, one in zip(places, wanted, strict=True) if one == value]
        assert len(set(used)) == min(n, found.count(value))
        assert used == sorted(used)


@given(rows)
def test_occurrence_counts_what_came_before(numbers: list[int]) -> None:
    expected = [numbers[:place].count(number) for place, number in enumerate(numbers)]
    assert occurrence(np.array(numbers, np.int64)).tolist() == expected


def test_locate_compares_both_words() -> None:
    unique = np.array([[1, 5], [1, 7], [2, 0]], np.uint64)
    wanted = np.array([[1, 7], [1, 6], [2, 0], [0, 5], [3, 0]], np.uint64)
    assert locate(unique, wanted).tolist() == [1, -1, 2, -1, -1]
    assert locate(unique[:0], wanted).tolist() == [-1] * 5

import math
from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.lake.text.model import MAX_BOUND_LENGTH, Bounds
from lakebed.connectors.lake.text.profile import ColumnProfile, UncastableCell, Unsettled, bounds_of


@given(st.lists(st.sampled_from(["1", "-3", "2.5", "1.0", "9007199254740993", "x", "", None]), max_size=12), st.data())
def test_blocks_do_not_matter(cells: list[str | None], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(cells)))
    whole, parts = (ColumnProfile("t", "csv", is_thorough=True) for _ in range(2))
    whole.add(pa.array(cells, pa.string()))
    parts.add(pa.array(cells[:cut], pa.string()))
    parts.add(pa.array(cells[cut:], pa.string()))
    assert whole.finish() == parts.finish()


def test_a_later_cell_in_another_rendering_asks_for_a_thorough_look() -> None:
    profile = ColumnProfile("t", "csv")
    profile.add(pa.array(["1.5", "2.5"]))
    with pytest.raises(Unsettled):
        profile.add(pa.array(["1e-07"]))


@given(st.lists(st.text(max_size=MAX_BOUND_LENGTH + 4), min_size=1))
def test_bounds_enclose_every_string(cells: list[str]) -> None:
    bounds = bounds_of(pa.array(cells))
    assert bounds is not None
    low, high = min(cells, key=str.encode), max(cells, key=str.encode)
    assert (bounds.minimum, bounds.is_minimum_cut) == (low[:MAX_BOUND_LENGTH], len(low) > MAX_BOUND_LENGTH)
    assert (bounds.maximum, bounds.is_maximum_cut) == (high[:MAX_BOUND_LENGTH], len(high) > MAX_BOUND_LENGTH)


@given(st.lists(st.text(max_size=3), min_size=1), st.lists(st.text(max_size=3), min_size=1))
def test_merged_bounds_are_those_of_both(one: list[str], other: list[str]) -> None:
    first, second, both = (bounds_of(pa.array(cells)) for cells in (one, other, one + other))
    assert first is not None and second is not None
    assert first.merge(second) == both


def test_a_cut_bound_stays_cut_when_merged() -> None:
    cut, whole = Bounds("a", "b", is_minimum_cut=True, is_maximum_cut=True), Bounds("a", "c")
    assert cut.merge(whole) == Bounds("a", "c", is_minimum_cut=True)


def test_nan_counts_for_nothing() -> None:
    assert bounds_of(pa.array([math.nan, 1.0])) == Bounds(1.0, 1.0)
    assert bounds_of(pa.array([math.nan])) is None


def test_nulls_leave_every_type_open() -> None:
    profile = ColumnProfile("t", "csv")
    profile.add(pa.array([None, None], pa.string()))
    assert (profile.finish().candidates, profile.finish().has_values, profile.finish().n_nulls) == ({}, False, 2)
    profile.add(pa.array(["2020-01-01"]))
    assert profile.finish().candidates == {
        "date": Bounds(date(2020, 1, 1), date(2020, 1, 1)),
        "string": Bounds("2020-01-01", "2020-01-01"),
    }


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
def test_the_first_cell_that_does_not_cast_is_named(n_before: int, n_good: int, n_after: int) -> None:
    profile = ColumnProfile("t", "csv", "int64")
    profile.add(pa.array(["1"] * n_before, pa.string()))
    with pytest.raises(UncastableCell) as caught:
        profile.add(pa.array(["7"] * n_good + ["x"] + ["8", "y"] * n_after))
    assert (caught.value.row, caught.value.cell) == (n_before + n_good, "x")


def test_json_ints_stay_open_to_float_while_they_survive() -> None:
    profile = ColumnProfile("t", "int")
    profile.add(pa.array([1, None]))
    assert list(profile.finish().candidates) == ["int64", "float64"]
    profile.add(pa.array([2**53 + 1]))
    assert profile.finish().candidates == {"int64": Bounds(1, 2**53 + 1)}

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.lake.text.profile import ColumnProfile, Unsettled
from lakebed.connectors.lake.text.types import (
    CANDIDATE_TYPES,
    cast_staged,
    float_texts,
    parse_canonical,
    survives_as_float,
    timestamp_form,
)


def parsed(cells: list[str], type_: str) -> list[object] | None:
    values = parse_canonical(pa.array(cells, pa.string()), type_, timestamp_form(cells[0]))
    return None if values is None else values.to_pylist()


@pytest.mark.parametrize(
    ("cells", "type_", "values"),
    [
        (["0", "-5", "9223372036854775807", "-9223372036854775808"], "int64", [0, -5, 2**63 - 1, -(2**63)]),
        (["1.5", "2", "-0.25"], "float64", [1.5, 2.0, -0.25]),
        (["0.00000012", "12345678901.5", "10000000000"], "float64", [1.2e-7, 12345678901.5, 1e10]),
        (["0.30000000000000004"], "float64", [0.30000000000000004]),
        (["9007199254740992"], "float64", [2.0**53]),
        (["true", "false"], "bool", [True, False]),
        (["0001-01-01", "2024-02-29"], "date", [date(1, 1, 1), date(2024, 2, 29)]),
        (["2020-01-01 00:00"], "timestamp", [datetime(2020, 1, 1)]),
        (["2020-01-01T12:00:00Z"], "timestamp", [datetime(2020, 1, 1, 12)]),
        (["2020-01-01 00:00:00.100", "2020-01-01 00:00:00.250"], "timestamp",
         [datetime(2020, 1, 1, 0, 0, 0, 100_000), datetime(2020, 1, 1, 0, 0, 0, 250_000)]),
    ],
)  # fmt: skip
def test_canonical_cells_get_their_type(cells: list[str], type_: str, values: list[object]) -> None:
    assert parsed(cells, type_) == values


@pytest.mark.parametrize(
    "cell",
    ["00501", "-0", "+1", " 1", "1 ", "1_0", "0x1F", "9223372036854775808", "1.0", "1e5", "", "-", "٣"],
)
def test_other_renderings_are_no_int(cell: str) -> None:
    assert parsed([cell], "int64") is None
    assert parsed(["7"] * 100 + [cell], "int64") is None


@pytest.mark.parametrize(
    "cell",
    ["1.0", "1.50", "1e5", "1.5e-7", "1E5", "-0", "-0.0", "00.5", ".5", "5.", "+1.5", "nan", "NaN", "inf", "-inf",
     "9007199254740993", "0.1000000000000000055", "1" + "0" * 400, "0." + "0" * 400 + "1", " 1.5", "1,5", "0x1p3"],
)  # fmt: skip
def test_other_renderings_are_no_float(cell: str) -> None:
    assert parsed([cell], "float64") is None
    assert parsed(["0.5"] * 100 + [cell], "float64") is None


@pytest.mark.parametrize(
    ("cells", "type_"),
    [
        (["True"], "bool"),
        (["1"], "bool"),
        (["2020-02-30"], "date"),
        (["2020-1-01"], "date"),
        (["0000-01-01"], "date"),
        (["20200101"], "date"),
        (["2020-01-01 24:00:00"], "timestamp"),
        (["2020-01-01 00:00:60"], "timestamp"),
        (["2020-02-30 00:00:00"], "timestamp"),
        (["0000-12-31 00:00:00"], "timestamp"),
        (["2020-01-01 00:00:00", "2020-01-01T00:00:00"], "timestamp"),
        (["2020-01-01 00:00:00.5", "2020-01-01 00:00:00.25"], "timestamp"),
        (["2020-01-01T00:00:00Z", "2020-01-01T00:00:00"], "timestamp"),
        (["2020-01-01T00:00:00+02:00", "2020-01-01T00:00:00+01:00"], "timestamp"),
        (["2020-01-01 00:00:00\n"], "timestamp"),
    ],
)
def test_other_renderings_are_no_bool_date_or_timestamp(cells: list[str], type_: str) -> None:
    assert parsed(cells, type_) is None


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_canonical_exactly_in_its_positional_rendering(value: float) -> None:
    text = np.format_float_positional(value, trim="-")
    assert float_texts(pa.array([value])).to_pylist() == [text]
    expected = None if text == "-0" else [value]
    assert parsed([text], "float64") == expected


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=6), min_size=1))
def test_decimals_survive_or_stay_text(decimals: list[Decimal]) -> None:
    cells = [format(value, "f") for value in decimals]
    values = parsed(cells, "float64")
    if values is not None:
        assert [np.format_float_positional(value, trim="-") for value in values] == cells
    else:
        assert any(np.format_float_positional(float(cell), trim="-") != cell or cell == "-0" for cell in cells)


@given(st.text(alphabet="0123456789-+.eE ,xTZ:na", max_size=24).filter(bool))
def test_any_text_that_gets_a_type_renders_back(cell: str) -> None:
    renders = {
        "int64": str,
        "float64": lambda value: np.format_float_positional(value, trim="-"),
        "date": str,
        "bool": lambda value: str(value).lower(),
    }
    for type_, render in renders.items():
        values = parsed([cell], type_)
        if values is not None:
            assert render(values[0]) == cell


@given(st.dates(), st.times(), st.sampled_from(" T"), st.integers(0, 6), st.sampled_from(["", "Z"]))
def test_timestamps_survive_in_every_form(day: date, time: object, separator: str, n_digits: int, zone: str) -> None:
    moment = datetime.fromisoformat(f"{day}T{time}")
    fraction = f".{moment.microsecond:06d}"[: n_digits + 1] if n_digits else ""
    cell = f"{moment:%Y}".zfill(4) + f"{moment:-%m-%d}{separator}{moment:%H:%M:%S}" + fraction + zone
    kept = moment.replace(microsecond=int(fraction[1:].ljust(6, "0")) if fraction else 0)
    assert parsed([cell], "timestamp") == [kept]


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.none()))
def test_ints_survive_as_floats_where_each_renders_back(values: list[int | None]) -> None:
    expected = all(np.format_float_positional(float(v), trim="-") == str(v) for v in values if v is not None)
    assert survives_as_float(pa.array(values, pa.int64())) == expected


def test_cast_staged_gives_the_resolved_type() -> None:
    types: dict[str, str] = {
        "bool": "true", "bool:True": "False", "bool:TRUE": "TRUE", "int64": "1", "float64": "1.5",
        "float:python": "1e-07", "float:rust": "1e16", "float:java": "1.0E-7", "float:js": "1e-7", "decimal:2": "1.50",
        "decimal:0": "18446744073709551616", "date": "2020-01-01", "timestamp": "2020-01-01T00:00:00Z", "string": "x",
    }  # fmt: skip
    assert {name.partition(":")[0] for name in CANDIDATE_TYPES} == {name.partition(":")[0] for name in types}
    for type_, cell in types.items():
        cast = cast_staged(pa.array([cell, None]), type_)
        assert cast.to_pylist() == [*(parsed([cell], type_) or []), None]
    assert cast_staged(pa.array([1, None]), "string").to_pylist() == ["1", None]
    assert cast_staged(pa.array([1e-7, 2.0]), "string").to_pylist() == ["0.0000001", "2"]
    assert cast_staged(pa.array([1]), "float64").to_pylist() == [1.0]
    assert cast_staged(pa.array([[1]]), "").to_pylist() == [[1]]
    assert cast_staged(pa.array(['a"b', None]), "json").to_pylist() == ['"a\\"b"', None]
    assert cast_staged(pa.array([{"b": [1.5], "a": None}]), "json").to_pylist() == ['{"b":[1.5]}']
    assert cast_staged(pa.nulls(2), "date").to_pylist() == [None, None]


def test_a_type_given_by_the_config_takes_other_renderings() -> None:
    assert cast_staged(pa.array(["1.0", "1e5", " 2"]), "float64").to_pylist() == [1.0, 1e5, 2.0]
    assert cast_staged(pa.array(["00501"]), "int64").to_pylist() == [501]
    with pytest.raises(pa.ArrowInvalid):
        cast_staged(pa.array(["x"]), "int64")


LOCAL = {
    "Europe/Berlin": ["2024-01-02 03:04:05+01:00", "2024-07-02 03:04:05+02:00", "2024-10-27 02:30:00+01:00"],
    "America/New_York": ["2024-01-02T03:04:05.250-0500", "2024-07-02T03:04:05.500-0400"],
    "Australia/Adelaide": ["2024-01-02 03:04:05+10:30", "2024-07-02 03:04:05+09:30"],
    "Europe/London": ["2024-01-02 03:04:05+00", "2024-07-02 03:04:05+01"],
}


def profiled(cells):
    """The types of a column of text, read thoroughly where that is asked for."""
    for is_thorough in (False, True):
        profile = ColumnProfile('["t"]', "csv", is_thorough=is_thorough)
        try:
            profile.add(pa.array(cells[:1]))
            profile.add(pa.array(cells[1:]))
        except Unsettled:
            continue
        return profile.finish()
    raise AssertionError("a thorough scan is never unsettled")


@pytest.mark.parametrize("zone", LOCAL)
def test_local_times_of_one_zone_are_instants(zone):
    found = profiled(LOCAL[zone])
    assert found.form.endswith(f"@{zone}")
    values = parse_canonical(pa.array(LOCAL[zone]), "timestamp", found.form)
    times = [datetime.fromisoformat(cell).astimezone(UTC).replace(tzinfo=None) for cell in LOCAL[zone]]
    assert values.to_pylist() == times


@pytest.mark.parametrize(
    "cells",
    [
        ["2024-01-02 03:04:05+01:00", "2024-01-02 03:04:05+02:00"],
        ["2024-01-02 03:04:05+01:00", "2024-07-02 03:04:05+0200"],
        ["2024-01-02 03:04:05+01:00", "2024-07-02 03:04:05Z"],
        ["2024-01-02 03:04:05+01:00", "2024-07-02 03:04:05+03:00"],
    ],
)
def test_offsets_that_no_zone_has_keep_a_column_text(cells):
    assert list(profiled(cells).candidates) == ["string"]


def test_one_offset_needs_no_zone():
    assert "@" not in profiled(["2024-01-02 03:04:05+01:00", "2024-07-02 03:04:05+01:00"]).form

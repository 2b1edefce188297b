"""Each rendering takes what its language writes, and nothing else."""

import datetime as dt
import json
import math
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.lake.text.profile import ColumnProfile
from lakebed.connectors.lake.text.renderings import cast_rendered, decimal_rendering, parse_rendered, render
from lakebed.connectors.lake.text.types import cast_staged

SAMPLES = {
    "float:python": ["1.0", "2.5", "0.0001", "1e-05", "1.5e-07", "1e+16", "1234567890123456.0", "-0.0", "nan", "inf"],
    "float:rust": ["1.0", "2.5", "0.00001", "1e-6", "1.5e-7", "1e16", "123456789.0", "NaN", "inf"],
    "float:polars": ["1.0", "2.5", "0.00001", "1e-6", "1.5e-7", "1e+16", "1.5e+300", "NaN", "-inf"],
    "float:plain": ["1.0", "2.5", "0.0000001", "100000000000000000.0"],
    "float:java": ["1.0", "2.5", "0.001", "1.0E-4", "1.5E-7", "1.0E7", "9999999.0", "NaN", "-Infinity"],
    "float:js": ["1", "2.5", "1e-7"],
    "bool:True": ["True", "False"],
    "bool:TRUE": ["FALSE", "TRUE"],
    "decimal:2": ["1.50", "-0.05", "123.00"],
    "decimal:2w": ["9" * 73 + ".12", "-0.05"],
    "decimal:0": ["18446744073709551616", "0", "-9223372036854775809"],
    "float:python:comma": ["1,0", "2,5", "0,0001", "1e-05", "1,5e-07", "1e+16", "nan", "-inf"],
    "float:polars:comma": ["1,0", "1e-7", "1,5e+300", "NaN"],
    "float:js:comma": ["1", "2,5", "1e-7"],
    "decimal:2:comma": ["1,50", "-0,05", "123,00"],
    "date:dd.mm.yyyy": ["31.12.2024", "01.02.0003", "29.02.2024"],
    "date:yyyy/mm/dd": ["2024/12/31", "0003/02/01"],
}
OTHERS = {
    "float:python": [
        "1",
        "1.50",
        "01.0",
        "1e-7",
        "1e-04",
        "1.0e-07",
        "0.00001",
        "+1.0",
        "1E-07",
        "10000000000000000.0",
    ],
    "float:rust": ["1", "1e-06", "0.000001", "1e+16", "1.0e-6", "nan"],
    "float:polars": ["1", "1e-06", "0.000001", "1e16", "1e+6", "nan"],
    "float:plain": ["1", "1e-7", "nan", "inf", "1.50", "NAN"],
    "float:java": ["1", "1E-4", "0.0001", "10000000.0", "1.0e-4", "nan", "inf"],
    "float:js": ["1.0", "1e-07", "nan"],
    "bool:True": ["true", "TRUE", "1"],
    "decimal:2": ["1" * 37 + ".00", "9" * 40 + ".12", "1.5", "1.500", "-0.00", "01.50", "1", ".50", "1.5O"],
    "decimal:2w": ["1" * 75 + ".00", "1" * 115 + ".12"],
    "decimal:0": ["9" * 39, "-" + "9" * 44, "-0", "007", "1.0"],
    "float:python:comma": ["1.0", "1", "1,50", "1,2,3", "1.000,5", ",5"],
    "float:polars:comma": ["1.0", "1e-07", "1,50"],
    "float:js:comma": ["1,0", "1.5", "1e-07", "nan"],
    "decimal:2:comma": ["1.50", "1,5", "1,500", "1.000,50", "-0,00", "01,50", "1"],
    "date:dd.mm.yyyy": ["31.11.2024", "12.31.2024", "1.2.2024", "31.12.24", "31/12/2024", "2024-12-31", "01.01.0000"],
    "date:yyyy/mm/dd": ["2024/31/12", "2024/1/2", "2024-12-31", "24/12/31"],
}


def parsed(cells: list[str], name: str) -> pa.Array | None:
    try:
        return parse_rendered(pa.array(cells), name)
    except pa.ArrowInvalid:
        return None


@pytest.mark.parametrize("name", SAMPLES)
def test_what_a_rendering_writes_is_its_value(name: str) -> None:
    cells = pa.array(SAMPLES[name])
    values = parsed(SAMPLES[name], name)
    assert values is not None
    assert str(cast_rendered(cells, name).to_pylist()) == str(values.to_pylist())
    assert str(cast_staged(cells, name).to_pylist()) == str(values.to_pylist())
    if name.startswith("float"):
        floats = [float(cell.replace(",", ".")) for cell in SAMPLES[name]]
        assert all(math.isnan(a) if math.isnan(b) else a == b for a, b in zip(values.to_pylist(), floats, strict=True))


@pytest.mark.parametrize(("name", "cell"), [(name, cell) for name, cells in OTHERS.items() for cell in cells])
def test_what_it_does_not_write_is_none(name: str, cell: str) -> None:
    assert parsed([cell], name) is None
    assert parsed([*SAMPLES[name], cell], name) is None


@given(st.lists(st.floats(), min_size=1))
def test_every_float_as_python_writes_it(values: list[float]) -> None:
    found = parsed([repr(value) for value in values], "float:python")
    assert found is not None
    assert str(found.to_pylist()) == str(values)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_every_float_as_json_has_it_keeps_a_type(values: list[float]) -> None:
    profile = ColumnProfile("v", "number_text", is_thorough=True)
    profile.add(pa.array([json.dumps(value) for value in values]))
    assert "float:python" in profile.finish().candidates


@given(st.lists(st.decimals(-(10**9), 10**9, places=3), min_size=1))
def test_every_decimal_of_a_scale(values: list[Decimal]) -> None:
    values = [value + 0 for value in values]
    found = parsed([f"{value:.3f}" for value in values], "decimal:3")
    assert found is not None
    assert found.to_pylist() == values


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("1.50", "decimal:2"),
        ("1,50", "decimal:2:comma"),
        ("1,", ""),
        ("1", ""),
        ("9" * 19, "decimal:0"),
        ("x", ""),
        ("1e5", ""),
        ("0" * 19, ""),
        ("1.", ""),
    ],
)
def test_the_rendering_that_a_first_cell_allows(cell: str, name: str) -> None:
    assert decimal_rendering(cell) == name


@pytest.mark.parametrize(
    ("cells", "preferred"),
    [
        (["1.50", "2.25"], "decimal:2"),
        (["1.0", "2.5"], "float:python"),
        (["00501", "10001"], "string"),
        (["1.0", "1.10"], "string"),
        (["True", "False"], "bool:True"),
        (["12345678901234567890", "1"], "decimal:0"),
        (["1" * 40 + ".5", "2.5"], "decimal:1w"),
        (["2024-01-02 03:04:05+00:00", "2024-01-02 00:00:00+00:00"], "timestamp"),
        (["2024-01-02 03:04:05.5", "2024-01-02 00:00:00"], "timestamp"),
        (["2024-01-02T03:04:05.000Z"], "timestamp"),
        (["2024-01-02 03:04:05 UTC"], "timestamp"),
        (["2024-01-02 03:04:05.123456000"], "timestamp"),
        (["9999-12-31 23:59:59.999999", "0001-01-01 00:00:00.000000"], "timestamp"),
        (["9999-12-31", "0001-01-01"], "date"),
    ],
)
def test_what_a_column_becomes(cells: list[str], preferred: str) -> None:
    profile = ColumnProfile("v", "csv", is_thorough=True)
    for cell in cells:
        profile.add(pa.array([cell]))
    assert next(iter(profile.finish().candidates)) == preferred


@pytest.mark.parametrize(
    ("cells", "preferred"),
    [
        (["1,50", "-2,25"], "decimal:2:comma"),
        (["1,0", "2,25"], "float:python:comma"),
        (["1", "2,25", "1e-7"], "float:js:comma"),
        (["1", "25"], "int64"),
        (["1,250", "2,125", "0,500"], "decimal:3:comma"),
        (["1,234", "12,5"], "float:python:comma"),
        # thousands, as they may be
        (["1,250", "2,120"], "string"),
        (["1,234", "5,678"], "string"),
        (["999", "1,234"], "string"),
        (["-1,234", "999", "12,345"], "string"),
        (["1.250,5", "2,5"], "string"),
        (["1,2,3", "2,5"], "string"),
        (["31.12.2024", "01.01.2025"], "date:dd.mm.yyyy"),
        (["2024/12/31", "2025/01/01"], "date:yyyy/mm/dd"),
        # which is the month?
        (["01/02/2024", "31/12/2024"], "string"),
    ],
)
def test_decimal_commas_and_days_of_other_orders(cells: list[str], preferred: str) -> None:
    for blocks in ([cells], [[cell] for cell in cells], [[cell] for cell in reversed(cells)]):
        profile = ColumnProfile("v", "csv", is_thorough=True)
        for block in blocks:
            profile.add(pa.array(block))
        assert next(iter(profile.finish().candidates)) == preferred
    plain = ColumnProfile("v", "csv", is_canonical=True)
    plain.add(pa.array(cells))
    assert next(iter(plain.finish().candidates)) in {"int64", "string"}


@pytest.mark.parametrize("name", [name for name in SAMPLES if name.endswith(":comma") or name.startswith("date:")])
def test_what_is_written_again_is_what_was_read(name: str) -> None:
    cells = pa.array(SAMPLES[name])
    written = render(cast_rendered(cells, name), name)
    if name in {"float:polars:comma"}:
        assert written is None
        return
    assert written is not None and written.cast(pa.string()).equals(cells)


@given(st.lists(st.dates(), min_size=1))
def test_every_day(values: list[dt.date]) -> None:
    for name, form in (("date:dd.mm.yyyy", "{0:%d.%m.}{1:04}"), ("date:yyyy/mm/dd", "{1:04}{0:/%m/%d}")):
        cells = [form.format(value, value.year) for value in values]
        found = parsed(cells, name)
        assert found is not None and found.to_pylist() == values
        assert render(found, name).to_pylist() == cells

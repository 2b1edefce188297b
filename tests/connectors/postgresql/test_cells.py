from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.postgresql.cells import table_schema, typed_batch
from lakebed.connectors.postgresql.columns import Column


def typed(type_, texts, *, is_list=False):
    column = Column("x", "", "string", type_, is_list=is_list)
    batch = pa.record_batch([pa.array(texts, pa.string())], names=["c0"])
    made = typed_batch(batch, [column])
    assert made.schema == table_schema([column])
    return made.column(0).to_pylist()


@pytest.mark.parametrize(
    ("type_", "texts", "cells"),
    [
        ("decimal128(10, 2)", ["1.50", "-3", None], [Decimal("1.50"), Decimal("-3.00"), None]),
        ("date32[day]", ["2020-02-29", "0001-01-01"], [date(2020, 2, 29), date(1, 1, 1)]),
        ("time64[us]", ["23:59:59.999999", None], [time(23, 59, 59, 999999), None]),
        ("timestamp[us]", ["2020-01-01 00:00:00.5"], [datetime(2020, 1, 1, 0, 0, 0, 500000)]),
        ("timestamp[us, tz=UTC]", ["2020-01-01 00:00:00"], [datetime(2020, 1, 1, tzinfo=UTC)]),
        ("string", ["", None, "ü"], ["", None, "ü"]),
    ],
)
def test_texts_become_cells(type_, texts, cells):
    assert typed(type_, texts) == cells


@pytest.mark.parametrize(
    ("type_", "texts", "cells"),
    [
        ("int32", ['["1",null]', None, "[]"], [[1, None], None, []]),
        ("string", ['["a\\"b,c",null]'], [['a"b,c', None]]),
        ("binary", ['["\\\\x0aff"]'], [[b"\n\xff"]]),
        ("timestamp[us, tz=UTC]", ['["2020-01-01 00:00:00+00"]'], [[datetime(2020, 1, 1, tzinfo=UTC)]]),
    ],
)
def test_arrays_become_lists(type_, texts, cells):
    assert typed(type_, texts, is_list=True) == cells


@pytest.mark.parametrize(
    ("type_", "text", "is_list"),
    [
        ("date32[day]", "infinity", False),
        ("timestamp[us]", "0044-03-15 00:00:00 BC", False),
        ("timestamp[us]", "10000-01-01 00:00:00", False),
        ("decimal128(10, 2)", "NaN", False),
        ("time64[us]", "24:00:00", False),
        ("int32", '[["1"]]', True),
    ],
)
def test_a_cell_that_is_no_value_of_its_type_names_its_column(type_, text, is_list):
    with pytest.raises(SourceError) as caught:
        typed(type_, [text], is_list=is_list)
    assert str(caught.value.value).startswith("x: ")

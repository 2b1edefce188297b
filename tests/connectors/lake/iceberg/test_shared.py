"""The tables that duckdb-iceberg tests with, where they are at hand: rows as expected, values as DuckDB reads them."""

import csv
import datetime
import decimal
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from lakebed.connectors.errors import SourceError
from tests.connectors.lake.iceberg.reading import facts_of, rows_of

_PLACES = [above / "shared" / "data" / "iceberg" for above in Path(__file__).resolve().parents]
SHARED = next((place for place in _PLACES if place.is_dir()), _PLACES[0])
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the tables of duckdb-iceberg are not here")
# its one data file is not in that copy
WITHOUT_DATA = "column_mapping/warehouse/default.db/my_table"
# SHA-256 of the sorted rows of `told` as DuckDB 1.5.5 reads them with its iceberg extension, first 16 digits. It cannot
# read three (a bare vector, manifests without sequence numbers, timestamptz_ns), and takes a row too many of a fourth
# (an equality delete of another partition): these are by hand.
DUCKDB = {
    "add_columns_with_defaults/default.db/add_columns_with_defaults": "3ca063f0702f85e4",
    "case_sensitive_names/default.db/case_sensitive_names": "08ca466e495bd310",
    "equality_deletes/warehouse/mydb/mytable": "e33041f381857a24",
    "hive_partitioned_table": "828c235b9feb01e4",
    "iceberg/lineitem_iceberg_gz": "11dac834cafde0d7",
    "iceberg/lineitem_iceberg_no_hint": "d7a8f136b6226ca5",
    "is_null_is_not_null": "395d1d4b527087df",
    "map_stats/default.db/map_stats": "0c8e1fc624144a19",
    "name_mapping/warehouse_1/mydb/t1": "b774a1b31ebb069f",
    "null_stats/default/test_nulls": "6782d6c8803414d9",
    "partition_bigint": "062f7c38c9630365",
    "partition_bool": "2cfb2c1e9a73600c",
    "partition_decimal_bigint": "a1ecbc8324007f2a",
    "partition_decimal_hugeint": "a7ee68fc33d60ba9",
    "partition_decimal_integer": "d89c89774f12f95f",
    "partition_double": "369c79cd57305c13",
    "partition_fixed_length_binary/default.db/partition_fixed_length_binary": "f791f4339773373b",
    "partition_integer": "f9d93d75bdec7dc8",
    "partition_timestamp/default.db/partition_timestamp": "f3335d29513aa12e",
}
BY_HAND = {
    "equality_delete_cross_partition/warehouse/ns/t": [
        ["100", "1", "p1-k100"],
        ["888", "1", "p1-k888"],
        ["999", "0", "p0-k999"],
    ],
    "iceberg_v1_repro/repro/merch_v1": [["20", "2", "nba"], ["30", "3", "mlb"], ["40", "4", "nhl"], ["60", "6", "nba"]],
    "legacy_bare_deletion_vector/warehouse/default/legacy_bare_deletion_vector": [["1", "legacy"], ["3", "legacy"]],
    "timestamptz_ns": [],
}


def told(value: Any) -> Any:
    """A value in a form that is the same whoever read it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, decimal.Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime.datetime):
        return (value.astimezone(datetime.UTC).replace(tzinfo=None) if value.tzinfo else value).isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: told(one) for key, one in value.items()}
    return [told(one) for one in value] if isinstance(value, (list, tuple)) else str(value)


def digest(rows: list[dict[str, Any]]) -> str:
    """Of rows, by the sorted names of their columns."""
    lines = sorted(json.dumps([told(row[name]) for name in sorted(row)]) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def expected() -> dict[str, int]:
    if not SHARED.is_dir():
        return {}
    with (SHARED / "expected.csv").open() as stream:
        return {row["table"]: int(row["rows"]) for row in csv.DictReader(stream)}


@pytest.mark.parametrize("name", expected())
def test_rows_and_values(name: str) -> None:
    if name == WITHOUT_DATA:
        with pytest.raises(SourceError, match="not in the lake") as caught:
            facts_of(SHARED, name)
        assert "mock_data.parquet" in str(caught.value.value)
        return
    rows = rows_of(SHARED, name)
    assert len(rows) == expected()[name]
    if name in BY_HAND:
        assert sorted([told(row[key]) for key in sorted(row)] for row in rows) == BY_HAND[name]
    else:
        assert digest(rows) == DUCKDB[name]


def test_all_are_there() -> None:
    assert len(expected()) == 24 and set(expected()) == {*DUCKDB, *BY_HAND, WITHOUT_DATA}

"""Footers as they are written by others, put into files of pyarrow."""

import datetime as dt
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.footer import (
    _BINARY,
    _BYTE,
    _DOUBLE,
    _LIST,
    _STRUCT,
    _TRUE,
    _encoded,
    _Reader,
    parquet_traits,
    wide_timestamps,
    write_parquet,
)

VALUES = st.recursive(
    st.one_of(
        st.tuples(st.sampled_from((4, 5, 6)), st.integers(-(2**62), 2**62)),
        st.tuples(st.just(_BINARY), st.binary(max_size=300)),
        st.tuples(st.just(_DOUBLE), st.binary(min_size=8, max_size=8)),
        st.tuples(st.just(_BYTE), st.integers(0, 255)),
        st.tuples(st.sampled_from((_TRUE, _TRUE + 1)), st.none()),
        st.tuples(st.just(_LIST), st.tuples(st.just(5), st.lists(st.integers(-9, 9), max_size=20))),
    ),
    lambda inner: st.tuples(st.just(_STRUCT), st.dictionaries(st.integers(1, 300), inner, max_size=5)),
    max_leaves=20,
)


@given(st.dictionaries(st.integers(1, 40), VALUES, max_size=8))
def test_structures_survive_the_round_trip(value: dict[int, tuple[int, object]]) -> None:
    assert _Reader(_encoded(_STRUCT, value)).value(_STRUCT) == value


def traits(path: Path):
    with pa.OSFile(str(path)) as source:
        return parquet_traits(source)


def test_the_footers_of_files_are_read_and_written_to_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1, 2], "b": [["x"], None]}), path)
    data = path.read_bytes()
    size = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - size : -8]
    assert _encoded(_STRUCT, _Reader(footer).value(_STRUCT)) == footer


def test_another_engines_columns_are_written_again(tmp_path: Path) -> None:
    path, again = tmp_path / "t.parquet", tmp_path / "again.parquet"
    query = "select i, {'a': i, 'b': 'x' || i}::VARIANT v, ('{\"a\": ' || i || '}')::json j from range(3000) r(i)"
    duckdb.execute(f"copy ({query}) to '{path}'")
    wanted = traits(path)
    rows = pq.ParquetFile(path).read()
    assert wanted.arrow_schema.equals(rows.schema, check_metadata=True)
    again.write_bytes(write_parquet(rows, wanted))
    assert traits(again) == wanted
    tables = [duckdb.read_parquet(str(one)) for one in (path, again)]
    assert tables[0].types == tables[1].types and str(tables[0].types[1]) == "VARIANT"
    assert tables[0].fetchall() == tables[1].fetchall()
    # statistics of columns that keep their order stay: readers skip row groups by them
    metadata = pq.ParquetFile(again).metadata.row_group(0)
    assert metadata.column(0).statistics.max == 2999


def test_names_inside_of_lists_reach_the_column_chunks(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    rows = pa.table({"l": [[1, 2], None]})
    pq.write_table(rows, path, use_compliant_nested_type=False)
    again = tmp_path / "again.parquet"
    again.write_bytes(write_parquet(rows, traits(path)))
    assert pq.ParquetFile(again).metadata.row_group(0).column(0).path_in_schema == "l.list.item"
    assert duckdb.read_parquet(str(again)).fetchall() == [([1, 2],), (None,)]


def test_a_unit_that_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    at = [dt.datetime(2024, 1, 1)]
    pq.write_table(pa.table({"at": pa.array(at, pa.timestamp("ms"))}), path)
    wanted = traits(path)
    with pytest.raises(PlanError, match="cannot be written as it was") as caught:
        write_parquet(pa.table({"at": pa.array(at, pa.timestamp("us"))}), wanted)
    assert caught.value.value == "at is optional INT64 TIMESTAMP MILLIS, and would be optional INT64 TIMESTAMP MICROS"


def test_lists_of_two_levels_are_refused(tmp_path: Path) -> None:
    """As old writers of Avro and Hive made them: a repeated column without a group around it."""
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"l": pa.array([1, 2], pa.int64())}), path, store_schema=False)
    data, old = path.read_bytes(), b"\x15\x04\x25\x02\x18\x01l"
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, b"\x15\x04\x25\x04\x18\x01l"))
    wanted = traits(path)
    assert wanted.arrow_schema.field("l").type == pa.list_(pa.field("l", pa.int64(), nullable=False))
    with pytest.raises(PlanError, match="cannot be written as it was"):
        write_parquet(wanted.arrow_schema.empty_table(), wanted)


def test_differences_are_named(tmp_path: Path) -> None:
    one, other = tmp_path / "1.parquet", tmp_path / "2.parquet"
    table = pa.table({"a": pa.array([1], pa.int64()), "b": ["x"]})
    pq.write_table(table, one)
    schema = pa.schema([pa.field("a", pa.int64(), nullable=False), pa.field("c", pa.string())])
    changed = table.rename_columns(["a", "c"]).cast(schema)
    pq.write_table(changed.replace_schema_metadata({"who": "me"}), other)
    assert traits(one).differences(traits(other)) == [
        "a is optional INT64, not required INT64",
        "b is optional BYTE_ARRAY STRING, not there",
        "c is new",
        "the metadata ARROW:schema",
        "the metadata who",
    ]


@pytest.mark.parametrize(("year", "is_wide"), [(1600, True), (1700, False), (2200, False), (2300, True)])
def test_timestamps_beyond_nanoseconds_are_found_in_structs_and_lists(tmp_path: Path, year: int, is_wide: bool) -> None:
    path, at = tmp_path / "t.parquet", dt.datetime(year, 1, 1)
    type_ = pa.struct([pa.field("l", pa.list_(pa.timestamp("us")))])
    table = pa.table({"n": [1, 2], "s": pa.array([None, {"l": [None, at]}], type_)})
    pq.write_table(table, path, use_deprecated_int96_timestamps=True)
    with pa.OSFile(str(path)) as source:
        assert wide_timestamps(source) == ("s.l.list.element" if is_wide else "")

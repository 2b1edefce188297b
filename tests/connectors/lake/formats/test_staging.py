"""Avro, ORC and Arrow files, staged: equal to what was written, or refused with a reason."""

import datetime as dt
import errno
import os
import random
import resource
from decimal import Decimal

import fastavro
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyarrow import feather, orc

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake import batches
from lakebed.connectors.lake.batches import source_errors
from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.files import open_file
from lakebed.connectors.lake.formats.avro import read_avro
from lakebed.connectors.lake.formats.staging import stage_file
from lakebed.tasks.inventory.worker import FileUnit, WorkContext, do_units
from tests.connectors.lake.formats import SEEDS

COLUMNS = {
    "bool": pa.array([True, None, False]),
    "i32": pa.array([1, None, -(2**31)], pa.int32()),
    "i64": pa.array([2**63 - 1, None, -(2**63)], pa.int64()),
    "f32": pa.array([1.5, None, float("nan")], pa.float32()),
    "f64": pa.array([0.1, None, -0.0]),
    "text": pa.array(["ä\n", None, ""]),
    "bytes": pa.array([b"\x00\xff", None, b""]),
    "decimal": pa.array([Decimal("12.50"), None, Decimal("-0.01")], pa.decimal128(10, 2)),
    "wide decimal": pa.array([Decimal(10) ** 37, None, Decimal(-1)], pa.decimal128(38, 0)),
    "date": pa.array([dt.date(1, 1, 1), None, dt.date(9999, 12, 31)]),
    "list": pa.array([[1, None], None, []], pa.list_(pa.int64())),
    "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
    "struct": pa.array([{"a": 1, "b": {"c": "x"}}, None, {"a": None, "b": None}],
                       pa.struct([("a", pa.int64()), ("b", pa.struct([("c", pa.string())]))])),
}  # fmt: skip
TIMES = {
    "ns": pa.array([1, None, -1], pa.timestamp("ns")),
    "day": pa.array([dt.datetime(1700, 1, 1), None, dt.datetime(2200, 1, 1)], pa.timestamp("ns")),
}


def staged(folder, name, format_):
    stage_file(str(folder), name, format_, str(folder / "copy.parquet"))
    return pq.read_table(folder / "copy.parquet")


def avro(folder, schema, rows, name="t.avro"):
    with (folder / name).open("wb") as file:
        fastavro.writer(file, fastavro.parse_schema(schema), rows)
    return staged(folder, name, "avro")


def record(*fields, name="r"):
    return {"type": "record", "name": name, "fields": [{"name": name, "type": type_} for name, type_ in fields]}


@pytest.mark.parametrize("name", [*COLUMNS, *TIMES])
@pytest.mark.parametrize("is_empty", [False, True])
def test_orc_keeps_every_value(tmp_path, name, is_empty):
    table = pa.table({name: (COLUMNS | TIMES)[name]}).slice(0, 0 if is_empty else 3)
    orc.write_table(table, tmp_path / "t.orc")
    found = staged(tmp_path, "t.orc", "orc")
    assert found.schema.types == table.schema.types
    assert str(found.to_pylist()) == str(table.to_pylist())


def test_orc_timestamps_that_nanoseconds_have_no_room_for_are_refused(tmp_path):
    # of 9999-12-31, as Spark and Hive write them; pyarrow writes none
    table = pa.table({"at": pa.array([dt.datetime(9999, 12, 31)], pa.timestamp("us"))})
    orc.write_table(table, tmp_path / "t.orc")
    with pytest.raises(SourceError, match=r"cannot read t.orc(.|\n)*out of range for nanosecond"):
        staged(tmp_path, "t.orc", "orc")


@pytest.mark.parametrize("write", ["file", "stream", "feather"])
@pytest.mark.parametrize("name", [*COLUMNS, *TIMES])
def test_arrow_files_of_each_kind_keep_every_value(tmp_path, name, write):
    table = pa.table({name: (COLUMNS | TIMES)[name]})
    path = tmp_path / "t.arrow"
    if write == "feather":
        feather.write_feather(table, path, compression="zstd")
    else:
        with (pa.ipc.new_file if write == "file" else pa.ipc.new_stream)(str(path), table.schema) as writer:
            writer.write_table(table)
    found = staged(tmp_path, "t.arrow", "arrow")
    assert str(found.to_pylist()) == str(table.to_pylist())
    assert found.schema.types == table.schema.types


def test_feather_of_the_first_version_is_told(tmp_path):
    (tmp_path / "t.feather").write_bytes(b"FEA1" + bytes(64) + b"FEA1")
    with pytest.raises(SourceError, match="Feather's first version"):
        staged(tmp_path, "t.feather", "arrow")


def test_arrow_encodings_are_undone(tmp_path):
    values = pa.array(["a", "a", None, "b"])
    table = pa.table(
        {
            "dictionary": values.dictionary_encode(),
            "runs": pc.run_end_encode(values),
            "view": values.cast(pa.string_view()),
            "large": values.cast(pa.large_string()),
        }
    )
    with pa.ipc.new_file(str(tmp_path / "t.arrow"), table.schema) as writer:
        writer.write_table(table)
    found = staged(tmp_path, "t.arrow", "arrow")
    assert [found[name].to_pylist() for name in table.column_names] == [values.to_pylist()] * 4
    with pa.ipc.new_file(str(tmp_path / "t.arrow"), pa.schema([("x", pa.list_view(pa.int64()))])):
        pass
    with pytest.raises(SourceError, match="view of lists"):
        staged(tmp_path, "t.arrow", "arrow")


AVRO = {
    "bool": ("boolean", [True, False], pa.bool_()),
    "int": ("int", [1, -(2**31)], pa.int32()),
    "long": ("long", [2**63 - 1, -(2**63)], pa.int64()),
    "float": ("float", [1.5, float("inf")], pa.float32()),
    "double": ("double", [0.1, float("nan")], pa.float64()),
    "text": ("string", ["ä", ""], pa.string()),
    "bytes": ("bytes", [b"\x00", b""], pa.binary()),
    "enum": ({"type": "enum", "name": "e", "symbols": ["A", "B"]}, ["B", "A"], pa.string()),
    "fixed": ({"type": "fixed", "name": "f", "size": 3}, [b"abc", b"\x00\x00\x00"], pa.binary(3)),
    "decimal": ({"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
                [Decimal("12.50"), Decimal("-0.01")], pa.decimal128(10, 2)),
    "fixed decimal": ({"type": "fixed", "name": "d", "size": 20, "logicalType": "decimal", "precision": 45, "scale": 0},
                      [Decimal("123456789012345678901234567890123456789012345"), Decimal(-1)], pa.decimal256(45, 0)),
    "date": ({"type": "int", "logicalType": "date"}, [dt.date(1, 1, 1), dt.date(9999, 12, 31)], pa.date32()),
    "time": ({"type": "long", "logicalType": "time-micros"}, [dt.time(1, 2, 3, 4), dt.time(0)], pa.time64("us")),
    "millis": ({"type": "long", "logicalType": "timestamp-millis"},
               [dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 12, 31, tzinfo=dt.UTC)],
               pa.timestamp("ms", "UTC")),
    "local": ({"type": "long", "logicalType": "local-timestamp-micros"},
              [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 1, 2, 3, 4)], pa.timestamp("us")),
    "array": ({"type": "array", "items": ["null", "long"]}, [[1, None], []], pa.list_(pa.int64())),
    "map": ({"type": "map", "values": "long"}, [{"k": 1}, {}], pa.map_(pa.string(), pa.int64())),
    "dates": ({"type": "array", "items": {"type": "int", "logicalType": "date"}}, [[dt.date(2020, 1, 1)], []],
              pa.list_(pa.date32())),
    "record": (record(("a", "long"), ("b", ["null", "string"]), name="inner"),
               [{"a": 1, "b": None}, {"a": 2, "b": "x"}],
               pa.struct([("a", pa.int64()), ("b", pa.string())])),
    "widths": (["int", "long"], [1, 2**40], pa.int64()),
    "none": ("null", [None, None], pa.null()),
}  # fmt: skip


@pytest.mark.parametrize("name", AVRO)
@pytest.mark.parametrize("is_nullable", [False, True])
def test_avro_keeps_every_value(tmp_path, name, is_nullable):
    type_, values, expected = AVRO[name]
    if is_nullable and name not in ("widths", "none"):
        type_, values = ["null", type_], [*values, None]
    found = avro(tmp_path, record(("x", type_)), [{"x": value} for value in values])
    assert found.schema.types == [expected]
    told = [dict(one) if name == "map" and one is not None else one for one in found["x"].to_pylist()]
    assert str(told).replace("zoneinfo.ZoneInfo(key='UTC')", "datetime.timezone.utc") == str(values)
    assert avro(tmp_path, record(("x", type_)), []).schema.types == [expected]


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard", "bzip2", "xz", "lz4"])
def test_avro_of_every_codec_is_read(tmp_path, codec):
    with (tmp_path / "t.avro").open("wb") as file:
        fastavro.writer(file, record(("x", "long")), [{"x": 7}] * 1000, codec=codec)
    assert staged(tmp_path, "t.avro", "avro")["x"].to_pylist() == [7] * 1000


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_avro_of_wide_rows_comes_in_batches_that_memory_holds(tmp_path, monkeypatch, codec):
    monkeypatch.setattr(batches, "MAX_BATCH_BYTES", 10_000)
    rows = [{"n": n, "text": "x" * (4_000 if 50 <= n < 80 else 1)} for n in range(200)]
    with (tmp_path / "t.avro").open("wb") as file:
        fastavro.writer(file, record(("n", "long"), ("text", "string")), rows, codec=codec)
    with (tmp_path / "t.avro").open("rb") as file:
        found = list(read_avro(file)[1])
    assert max(one.nbytes for one in found) < 15_000 and 10 <= len(found) <= 13
    assert pa.Table.from_batches(found).to_pylist() == rows


def test_avro_nanoseconds_and_names_used_again(tmp_path):
    nanos = {"type": "long", "logicalType": "timestamp-nanos"}
    point = record(("x", "double"), name="point")
    fields = ("a", point), ("b", ["null", "point"])
    rows = [{"at": 1_600_000_000_123_456_789, "a": {"x": 1.0}, "b": {"x": 2.0}}, {"at": -1, "a": {"x": 0.0}, "b": None}]
    found = avro(tmp_path, record(("at", nanos), *fields), rows)
    assert found.schema.field("at").type == pa.timestamp("ns", "UTC")
    assert found["at"].cast(pa.int64()).to_pylist() == [1_600_000_000_123_456_789, -1]
    assert found["b"].to_pylist() == [{"x": 2.0}, None]


@pytest.mark.parametrize(
    ("schema", "rows", "why"),
    [
        (record(("x", ["string", "long"])), [{"x": 1}], "values of several types"),
        (record(("x", ["null", "long", "double"])), [{"x": 1}], "values of several types"),
        ("long", [1], "no record"),
        (record(("x", "long"), ("next", ["null", "r"])), [{"x": 1, "next": None}], "a type that holds itself"),
        (record(), [{}], "no columns"),
    ],
)
def test_avro_that_is_no_table_is_refused(tmp_path, schema, rows, why):
    with pytest.raises(SourceError, match=why):
        avro(tmp_path, schema, rows)


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged_files_cost_themselves_alone(tmp_path, seed):
    table = pa.table({name: values for name, values in COLUMNS.items() if name != "map"})
    orc.write_table(table, tmp_path / "t.orc")
    feather.write_feather(table, tmp_path / "t.arrow")
    avro(tmp_path, record(("x", ["null", "long"]), ("s", "string")), [{"x": n, "s": "abc" * n} for n in range(50)])
    rng = random.Random(seed)
    units = []
    for format_ in ("orc", "arrow", "avro"):
        data = (tmp_path / f"t.{format_}").read_bytes()
        for number in range(70):
            broken = bytearray(data)
            if number % 3:
                for _ in range(rng.randint(1, 8)):
                    broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
            else:
                del broken[rng.randrange(len(broken)) :]
            name = f"{number}.{format_}"
            (tmp_path / name).write_bytes(broken)
            units.append(FileUnit(name, format_, str(tmp_path / "out" / f"{name}.parquet"), len(broken)))
    found = list(do_units(WorkContext(str(tmp_path), TextConfig(), False), units))
    assert len(found) == len(units)
    for outcome in found:
        assert (outcome.error is None) == bool(outcome.footers)
        assert outcome.error is None or str(outcome.error.value or outcome.error.what)
    assert sum(outcome.error is not None for outcome in found) > len(units) // 2


@pytest.mark.parametrize("format_", ["orc", "arrow", "avro"])
def test_what_is_of_another_format_is_told(tmp_path, format_):
    for data, what in ((b"", "an empty file"), (b"id,name\n1,a\n", "plain text"), (b"PAR1\x15\x04", "a Parquet file")):
        (tmp_path / f"t.{format_}").write_bytes(data)
        with pytest.raises(SourceError, match="is no table") as error:
            staged(tmp_path, f"t.{format_}", format_)
        assert error.value.value == what


def test_what_the_machine_lacks_is_no_damage(tmp_path):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "t.avro")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(SourceError) as caught, source_errors("t.avro"), open_file(str(tmp_path), "t.avro"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "ulimit -n" in caught.value.hint
    with pytest.raises(SourceError) as caught, source_errors("t.avro"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    assert "right to read it" in caught.value.hint

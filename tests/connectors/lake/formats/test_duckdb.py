"""DuckDB databases, staged: what DuckDB itself reads, without a byte written beside them."""

import datetime as dt
import random
import subprocess
import sys
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.databases import VIEW
from lakebed.connectors.lake.formats.staging import Copy, list_book, stage_book
from lakebed.tasks.inventory.worker import BookUnit, WorkContext, do_units
from tests.connectors.lake.formats import SEEDS


def made(path, *statements):
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)


def read(folder, *parts, name="t.duckdb"):
    copies = [Copy(part, str(folder / "out" / f"{place}.parquet")) for place, part in enumerate(parts)]
    staged = stage_book(str(folder), name, "duckdb", copies)
    return [one.error or pq.read_table(copy.out_path) for copy, one in zip(copies, staged, strict=True)]


def files(folder):
    return {entry.name: (entry.stat().st_size, entry.stat().st_mtime_ns) for entry in folder.iterdir()
            if entry.is_file()}  # fmt: skip


# an expression, its type as it comes, and its value
KINDS = {
    "true": (pa.bool_(), True),
    "1::TINYINT": (pa.int8(), 1),
    "1::SMALLINT": (pa.int16(), 1),
    "1::INTEGER": (pa.int32(), 1),
    "(-9223372036854775808)::BIGINT": (pa.int64(), -(2**63)),
    "1::UTINYINT": (pa.uint8(), 1),
    "1::USMALLINT": (pa.uint16(), 1),
    "1::UINTEGER": (pa.uint32(), 1),
    "18446744073709551615::UBIGINT": (pa.uint64(), 2**64 - 1),
    "170141183460469231731::HUGEINT": (pa.decimal128(38, 0), Decimal(170141183460469231731)),
    "7::UHUGEINT": (pa.decimal128(38, 0), Decimal(7)),
    "0.1::REAL": (pa.float32(), pa.scalar(0.1, pa.float32()).as_py()),
    "0.1::DOUBLE": (pa.float64(), 0.1),
    "'inf'::DOUBLE": (pa.float64(), float("inf")),
    "12.5::DECIMAL(9, 2)": (pa.decimal128(9, 2), Decimal("12.50")),
    "1::DECIMAL(38, 10)": (pa.decimal128(38, 10), Decimal("1.0000000000")),
    "'ä'::VARCHAR": (pa.string(), "ä"),
    "''::VARCHAR": (pa.string(), ""),
    "'\\x00\\xFF'::BLOB": (pa.binary(), b"\x00\xff"),
    "'b'::ENUM('a', 'b', 'it''s')": (pa.string(), "b"),
    "DATE '2024-02-29'": (pa.date32(), dt.date(2024, 2, 29)),
    "DATE '0001-01-01'": (pa.date32(), dt.date(1, 1, 1)),
    "TIME '01:02:03.5'": (pa.time64("us"), dt.time(1, 2, 3, 500000)),
    "TIMESTAMP '2024-02-29 01:02:03.000004'": (pa.timestamp("us"), dt.datetime(2024, 2, 29, 1, 2, 3, 4)),
    "TIMESTAMPTZ '2024-02-29 03:02:03+02'":
        (pa.timestamp("us", "UTC"), dt.datetime(2024, 2, 29, 1, 2, 3, tzinfo=dt.UTC)),
    "TIMESTAMP_S '2024-02-29 01:02:03'": (pa.timestamp("s"), dt.datetime(2024, 2, 29, 1, 2, 3)),
    "TIMESTAMP_MS '2024-02-29 01:02:03'": (pa.timestamp("ms"), dt.datetime(2024, 2, 29, 1, 2, 3)),
    "'0b0e7c0a-0000-4000-8000-000000000001'::UUID": (pa.string(), "0b0e7c0a-0000-4000-8000-000000000001"),
    "'{\"a\": 1}'::JSON": (pa.string(), '{"a": 1}'),
    "INTERVAL 36 HOURS": (pa.string(), "36:00:00"),
    "'101'::BIT": (pa.string(), "101"),
    "'01:02:03+02'::TIMETZ": (pa.string(), "01:02:03+02"),
    "union_value(k := 1)": (pa.string(), "1"),
    "[1, NULL]::INTEGER[]": (pa.list_(pa.int32()), [1, None]),
    "[1, 2]::INTEGER[2]": (pa.list_(pa.int32()), [1, 2]),
    "{'a': 1, 'b': 'x'}::STRUCT(a INTEGER, b VARCHAR)":
        (pa.struct([("a", pa.int32()), ("b", pa.string())]), {"a": 1, "b": "x"}),
    "['a']::ENUM('a')[]": (pa.list_(pa.string()), ["a"]),
    "MAP {'k': 1}": (pa.map_(pa.string(), pa.int32()), [("k", 1)]),
}  # fmt: skip


@pytest.mark.parametrize("n_rows", [0, 2])
def test_every_type_comes_as_it_is_or_as_text(tmp_path, n_rows):
    shown = ", ".join(f"{expression} AS c{place}" for place, expression in enumerate(KINDS))
    made(tmp_path / "t.duckdb", f"CREATE TABLE t AS SELECT {shown}", "INSERT INTO t (c0) VALUES (NULL)",
         *["DELETE FROM t"] * (not n_rows))  # fmt: skip
    found = read(tmp_path, "t")[0]
    for place, (expression, (type_, value)) in enumerate(KINDS.items()):
        field = found.schema.field(f"c{place}")
        is_same = pa.types.is_nested(type_) or field.type == type_ or type_ == pa.timestamp("s")
        assert is_same, (expression, field.type)
        assert found[f"c{place}"].to_pylist() == [value, None][:n_rows], expression


def test_schemas_odd_names_and_many_columns(tmp_path):
    names = ["select", "ä b", "x'y", '"q"', *(f"c{n}" for n in range(4996))]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    made(tmp_path / "t.duckdb", "CREATE SCHEMA s", "CREATE TABLE s.t (x INT)", 'CREATE TABLE "s.t" (y INT)',
         f'CREATE TABLE "#1/2" AS SELECT {", ".join(f"{n} AS {name}" for n, name in enumerate(quoted))}',
         "CREATE VIEW v AS SELECT 1")  # fmt: skip
    book = list_book(str(tmp_path), "t.duckdb", "duckdb")
    assert book.parts == ('"s.t"', "#1/2", "s.t")
    assert [(one.part, one.format) for one in book.unread] == [("v", VIEW)]
    one, wide, other = read(tmp_path, *book.parts)
    assert (one.column_names, other.column_names) == (["y"], ["x"])
    assert wide.column_names == names
    assert [column[0].as_py() for column in wide.columns] == list(range(5000))


_HOLD = """
import duckdb, os, sys
c = duckdb.connect(sys.argv[1])
c.execute("SET checkpoint_threshold = '1GB'")
c.execute("INSERT INTO t VALUES (2)")
print("open", flush=True)
sys.stdin.readline()
os._exit(1)
"""


def test_a_database_that_is_open_is_told_and_one_that_was_not_closed_is_read_with_its_log(tmp_path):
    made(tmp_path / "t.duckdb", "CREATE TABLE t AS SELECT 1 AS x")
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path / "t.duckdb")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(SourceError) as error:
            list_book(str(tmp_path), "t.duckdb", "duckdb")
        assert error.value.value == "another program has it open to write"
    finally:
        holder.communicate("\n")
    before = files(tmp_path)
    assert "t.duckdb.wal" in before
    assert read(tmp_path, "t")[0]["x"].to_pylist() == [1, 2]
    assert files(tmp_path) == before


def test_an_integer_that_no_column_holds_is_told_with_file_and_table_and_not_as_damage(tmp_path):
    made(tmp_path / "t.duckdb", f"CREATE TABLE huge AS SELECT {2**127 - 1}::HUGEINT AS h")
    (staged,) = stage_book(str(tmp_path), "t.duckdb", "duckdb", [Copy("huge", str(tmp_path / "out.parquet"))])
    assert staged.error.what == "cannot read t.duckdb#huge"
    assert "38 digits" in staged.error.expected and "restore" not in staged.error.hint


def test_what_is_no_database_or_is_encrypted_is_told(tmp_path):
    (tmp_path / "t.duckdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(SourceError, match=r"cannot read t\.duckdb"):
        list_book(str(tmp_path), "t.duckdb", "duckdb")
    with duckdb.connect() as connection:
        connection.execute("SET force_mbedtls_unsafe = 'true'")
        connection.execute(f"ATTACH '{tmp_path}/e.duckdb' AS e (ENCRYPTION_KEY 'secret')")
        connection.execute("CREATE TABLE e.t AS SELECT 1 AS x")
    with pytest.raises(SourceError) as error:
        list_book(str(tmp_path), "e.duckdb", "duckdb")
    assert "encrypt" in str(error.value.value).lower()


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged_databases_cost_themselves_alone(tmp_path, seed):
    made(tmp_path / "t.duckdb", "CREATE TABLE t AS SELECT range AS n, 'text ' || range AS s FROM range(3000)",
         "CREATE TABLE u AS SELECT range / 7 AS n, [range] AS l FROM range(500)")  # fmt: skip
    data, rng, units = (tmp_path / "t.duckdb").read_bytes(), random.Random(seed), []
    for number in range(60):
        broken = bytearray(data)
        if number % 3:
            for _ in range(rng.randint(1, 12)):
                broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        else:
            del broken[rng.randrange(len(broken)) :]
        (tmp_path / f"{number}.duckdb").write_bytes(broken)
        copies = tuple(Copy(part, str(tmp_path / "out" / f"{number}-{part}.parquet")) for part in "tu")
        units.append(BookUnit(f"{number}.duckdb", "duckdb", copies, len(broken)))
    found = list(do_units(WorkContext(str(tmp_path), TextConfig(), False), units))
    parts = [outcome.of_copy(place) for outcome in found for place in range(2)]
    assert len(parts) == 2 * len(units)
    for outcome in parts:
        assert (outcome.error is None) == bool(outcome.footers)
        assert outcome.error is None or str(outcome.error.value or outcome.error.what)
    assert sum(outcome.error is not None for outcome in parts) > len(units) // 2

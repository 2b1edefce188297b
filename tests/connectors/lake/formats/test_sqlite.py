"""SQLite databases, staged: what SQLite itself reads, in one state, without a byte written beside them."""

import datetime as dt
import os
import random
import re
import resource
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake import batches
from lakebed.connectors.lake.config import TextConfig
from lakebed.connectors.lake.databases import VIEW
from lakebed.connectors.lake.formats import sqlite
from lakebed.connectors.lake.formats.staging import Copy, list_book, stage_book, stage_only_table
from lakebed.tasks.inventory.worker import BookUnit, WorkContext, do_units
from tests.connectors.lake.formats import SEEDS


def made(path, *statements, rows=None):
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        for table, values in (rows or {}).items():
            places = ", ".join("?" for _ in values[0])
            connection.executemany(f"INSERT INTO {table} VALUES ({places})", values)  # noqa: S608
        connection.commit()


def read(folder, *parts, name="t.sqlite"):
    copies = [Copy(part, str(folder / "out" / f"{place}.parquet")) for place, part in enumerate(parts)]
    staged = stage_book(str(folder), name, "sqlite", copies)
    return [pq.read_table(copy.out_path) if not one.error else one.error
            for copy, one in zip(copies, staged, strict=True)]  # fmt: skip


def column(folder, declared, values):
    made(folder / "t.sqlite", f"CREATE TABLE t (x {declared})", rows={"t": [(value,) for value in values]})
    return read(folder, "t")[0]


DAY, MOMENT = dt.date(2024, 2, 29), dt.datetime(2024, 2, 29, 1, 2, 3, 4000)
ZONED = dt.datetime(2024, 2, 29, 1, 2, 3, tzinfo=dt.UTC)
# what is declared, what is written, the type and the values that come of it
KINDS = {
    "integers": ("INTEGER", [1, None, -(2**63), 2**63 - 1], pa.int64(), None),
    "integers without a type": ("", [1, None], pa.int64(), None),
    "small ints": ("SMALLINT", [1, None], pa.int64(), None),
    "reals": ("REAL", [0.1, None, 1e300], pa.float64(), None),
    "whole reals": ("REAL", [1, None, 2], pa.float64(), [1.0, None, 2.0]),
    "infinite": ("REAL", [float("inf"), None, float("-inf")], pa.float64(), None),
    "doubles": ("DOUBLE PRECISION", [0.5, None], pa.float64(), None),
    "numeric of both": ("NUMERIC", [1, 0.5, None], pa.float64(), [1.0, 0.5, None]),
    "numbers beyond floats": ("", [2**53 + 1, 0.5], pa.string(), ["9007199254740993", "0.5"]),
    "text": ("TEXT", ["ä\n", None, "", "a\0b"], pa.string(), None),
    "varchar": ("VARCHAR(3)", ["longer", None], pa.string(), None),
    "char": ("CHAR(3)", ["a  ", "a"], pa.string(), None),
    "digits as text": ("TEXT", ["007", None], pa.string(), None),
    "blobs": ("BLOB", [b"\0\xff", None, b""], pa.binary(), None),
    "booleans": ("BOOLEAN", [1, None, 0], pa.bool_(), [True, None, False]),
    "booleans that are none": ("BOOLEAN", [1, 2], pa.int64(), None),
    "tinyint(1)": ("TINYINT(1)", [1, 0], pa.int64(), None),
    "decimals": ("DECIMAL(10, 2)", [12.5, None, -0.01, 7], pa.decimal128(10, 2),
                 [Decimal("12.50"), None, Decimal("-0.01"), Decimal("7.00")]),
    "numerics": ("NUMERIC(5)", [7, None], pa.decimal128(5, 0), [Decimal(7), None]),
    "decimals with more digits": ("DECIMAL(10, 2)", [0.125], pa.float64(), None),
    "decimals that a float has not": ("DECIMAL(20, 2)", [123456789012345678], pa.int64(), None),
    "dates": ("DATE", [str(DAY), None], pa.date32(), [DAY, None]),
    "dates that are none": ("DATE", ["2024-02-30"], pa.string(), None),
    "dates as text": ("TEXT", [str(DAY)], pa.string(), None),
    "dates as numbers": ("DATE", [19782], pa.int64(), None),
    "timestamps": ("TIMESTAMP", [str(MOMENT), None, "2024-02-29T00:00:00"], pa.timestamp("us"),
                   [MOMENT, None, dt.datetime(2024, 2, 29)]),
    "datetimes": ("DATETIME", ["2024-02-29 01:02"], pa.timestamp("us"), [dt.datetime(2024, 2, 29, 1, 2)]),
    "timestamps with zones": ("TIMESTAMP", ["2024-02-29 01:02:03Z", "2024-02-29 03:02:03+02:00"],
                              pa.timestamp("us", "UTC"), [ZONED, ZONED]),
    "timestamps with some zones": ("TIMESTAMP", ["2024-02-29 01:02:03Z", "2024-02-29 03:02:03"], pa.string(), None),
    "times": ("TIME", ["01:02:03.5", None], pa.time64("us"), [dt.time(1, 2, 3, 500000), None]),
    "the year 0": ("DATE", ["0000-01-01"], pa.string(), None),
    "numbers and text": ("", [1, 2.5, "x", None], pa.string(), ["1", "2.5", "x", None]),
    "uuid": ("UUID", ["0b0e", None], pa.string(), None),
    "json": ("JSON", ['{"a": 1}'], pa.string(), None),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_values_decide_the_type_of_a_column(tmp_path, kind):
    declared, values, type_, expected = KINDS[kind]
    found = column(tmp_path, declared, values)
    assert found.schema.field("x").type == type_
    assert found["x"].to_pylist() == (values if expected is None else expected)


EMPTY = {
    "INTEGER": pa.int64(), "VARCHAR(9)": pa.string(), "REAL": pa.float64(), "BLOB": pa.binary(), "": pa.null(),
    "BOOLEAN": pa.bool_(), "DATE": pa.date32(), "DATETIME": pa.timestamp("us"), "DECIMAL(9, 3)": pa.decimal128(9, 3),
    "TIME": pa.time64("us"),
}  # fmt: skip


@pytest.mark.parametrize("declared", EMPTY)
@pytest.mark.parametrize("n_nulls", [0, 2])
def test_a_column_without_values_is_what_is_declared(tmp_path, declared, n_nulls):
    made(tmp_path / "t.sqlite", f"CREATE TABLE t (x {declared})", *["INSERT INTO t VALUES (NULL)"] * n_nulls)
    found = read(tmp_path, "t")[0]
    assert found.schema.field("x").type == EMPTY[declared]
    assert found["x"].to_pylist() == [None] * n_nulls


def test_bytes_beside_text_cost_their_table_alone(tmp_path):
    made(tmp_path / "t.sqlite", "CREATE TABLE a (x)", "CREATE TABLE b (x)",
         rows={"a": [("text",), (b"bytes",)], "b": [(1,)]})  # fmt: skip
    bad, good = read(tmp_path, "a", "b")
    assert bad.what == "a column holds bytes beside other values"
    assert good["x"].to_pylist() == [1]


def test_text_that_is_not_utf8_is_refused_by_name(tmp_path):
    made(tmp_path / "t.sqlite", "CREATE TABLE t (x)", "INSERT INTO t VALUES (CAST(x'ff41' AS TEXT))")
    assert "Could not decode to UTF-8 column" in read(tmp_path, "t")[0].value


def test_odd_names_and_many_columns(tmp_path):
    names = ['a"b', "select", "ä", "a b", "x'y", "1", "t.x", "\n", "", *(f"c{n}" for n in range(1900))]
    shown = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    made(tmp_path / "t.sqlite", f'CREATE TABLE "odd ""name"" #1" ({shown})',
         rows={'"odd ""name"" #1"': [tuple(range(len(names)))]})  # fmt: skip
    assert list_book(str(tmp_path), "t.sqlite", "sqlite").parts == ('odd "name" #1',)
    found = read(tmp_path, 'odd "name" #1')[0]
    assert found.column_names == names
    assert [values[0] for values in found.to_pydict().values()] == list(range(len(names)))


def test_what_is_no_table_is_told(tmp_path):
    made(tmp_path / "t.sqlite", "CREATE TABLE t (x INTEGER PRIMARY KEY AUTOINCREMENT)", "CREATE VIEW v AS SELECT 1",
         "CREATE VIRTUAL TABLE words USING fts5(word)", 'CREATE TABLE "" (x)', rows={"t": [(1,)]})  # fmt: skip
    book = list_book(str(tmp_path), "t.sqlite", "sqlite")
    assert book.parts == ("t",)
    assert {one.part: one.format for one in book.unread} == {"v": VIEW, "words": VIEW, "": "sqlite"}


def test_generated_columns_and_tables_without_rowid(tmp_path):
    columns = "x INT PRIMARY KEY, y AS (x * 2) STORED, z AS (x || 'a')"
    made(tmp_path / "t.sqlite", f"CREATE TABLE t ({columns}) WITHOUT ROWID", "INSERT INTO t (x) VALUES (1), (2)")
    assert read(tmp_path, "t")[0].to_pydict() == {"x": [1, 2], "y": [2, 4], "z": ["1a", "2a"]}


def test_a_database_in_utf16_is_read(tmp_path):
    made(tmp_path / "t.sqlite", "PRAGMA encoding = 'UTF-16le'", 'CREATE TABLE "ä" (x)', rows={'"ä"': [("ö",)]})
    assert read(tmp_path, "ä")[0]["x"].to_pylist() == ["ö"]


def listed(folder):
    return {entry.name: (entry.stat().st_size, entry.stat().st_mtime_ns) for entry in folder.iterdir()
            if entry.is_file()}  # fmt: skip


def test_rows_in_a_log_beside_the_database_count_and_nothing_is_written(tmp_path):
    with closing(sqlite3.connect(tmp_path / "t.sqlite")) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE t (x)")
        writer.execute("INSERT INTO t VALUES (1)")
        writer.commit()
        writer.execute("PRAGMA wal_checkpoint")
        writer.execute("INSERT INTO t VALUES (2)")
        writer.commit()
        writer.execute("INSERT INTO t VALUES (3)")
        before = listed(tmp_path)
        assert {"t.sqlite-wal", "t.sqlite-shm"} < before.keys()
        assert read(tmp_path, "t")[0]["x"].to_pylist() == [1, 2]
        assert listed(tmp_path) == before


def test_a_database_that_was_closed_in_wal_mode_is_read_without_files_beside_it(tmp_path):
    made(tmp_path / "t.sqlite", "PRAGMA journal_mode = WAL", "CREATE TABLE t (x)", rows={"t": [(1,)]})
    before = listed(tmp_path)
    assert read(tmp_path, "t")[0]["x"].to_pylist() == [1]
    assert listed(tmp_path) == before


_CUT = """
import os, sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("PRAGMA cache_size = 5")
c.execute("BEGIN")
c.execute("UPDATE t SET x = x || 'later'")
print("torn", flush=True)
sys.stdin.readline()
os._exit(1)
"""


def writing(path):
    """A process in the middle of a transaction that has reached the file."""
    process = subprocess.Popen(
        [sys.executable, "-c", _CUT, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "torn\n"
    return process


def test_a_locked_database_is_told_and_one_whose_writer_died_is_read_as_it_was(tmp_path, monkeypatch):
    rows = [(f"row {n} " + "x" * 500,) for n in range(2000)]
    made(tmp_path / "t.sqlite", "CREATE TABLE t (x)", rows={"t": rows})
    monkeypatch.setattr(sqlite, "LOCK_WAIT_S", 0.2)
    process = writing(tmp_path / "t.sqlite")
    try:
        with pytest.raises(SourceError, match=r"cannot read t\.sqlite") as error:
            read(tmp_path, "t")
        assert error.value.value == "another program has locked it"
    finally:
        process.communicate("\n")
    before = listed(tmp_path)
    assert before["t.sqlite-journal"][0]
    assert read(tmp_path, "t")[0]["x"].to_pylist() == [text for (text,) in rows]
    assert listed(tmp_path) == before


def test_a_database_that_is_written_to_meanwhile_is_told(tmp_path, monkeypatch):
    made(tmp_path / "t.sqlite", "PRAGMA journal_mode = WAL", "CREATE TABLE t (x)", rows={"t": [(1,)] * 10})

    class Book(sqlite.SqliteBook):
        def rows(self, part):
            made(tmp_path / "t.sqlite", rows={"t": [(2,)]})
            return super().rows(part)

    monkeypatch.setattr(sqlite, "SqliteBook", Book)
    with pytest.raises(SourceError) as error:
        read(tmp_path, "t")
    assert error.value.value == "it was written to while it was read"


def test_all_tables_are_of_one_state(tmp_path):
    made(tmp_path / "t.sqlite", "CREATE TABLE a (x)", "CREATE TABLE b (x)", rows={"a": [(0,)], "b": [(0,)]})
    is_over = threading.Event()

    def write():
        with closing(sqlite3.connect(tmp_path / "t.sqlite", timeout=30)) as writer:
            while not is_over.is_set():
                writer.execute("UPDATE a SET x = x + 1")
                writer.execute("UPDATE b SET x = x + 1")
                writer.commit()

    # this process has the lock already where a thread writes: what is seen is a change, or one state
    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(20):
            try:
                one, other = read(tmp_path, "a", "b")
            except SourceError as error:
                assert "written" in str(error.value) or "locked" in str(error.value)
            else:
                assert one == other
    finally:
        is_over.set()
        thread.join()


@pytest.mark.parametrize(
    ("data", "name", "why"),
    [
        (b"not a database" * 100, "t.sqlite", "no SQLite database, or an encrypted one"),
        (os.urandom(4096), "t.db3", "no SQLite database, or an encrypted one"),
        (b"SQLite format 3\0" + os.urandom(4096), "t.db", "not a database|malformed"),
    ],
)
def test_what_is_no_database_is_told(tmp_path, data, name, why):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError) as error:
        list_book(str(tmp_path), name, "sqlite")
    assert re.search(why, str(error.value.value))


def test_a_copy_that_finds_no_room_is_no_damaged_database(tmp_path):
    connection = sqlite3.connect(tmp_path / "t.db")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (a)")
    connection.executemany("INSERT INTO t VALUES (?)", [("x" * 100,)] * 100)
    connection.commit()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # the copy of the database itself does not fit; all fits but the index of its log
    for limit in (2000, 24_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            with pytest.raises(SourceError) as caught:
                list_book(str(tmp_path), "t.db", "sqlite")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert "temporary copy cannot be written" in caught.value.value
        assert "TMPDIR" in caught.value.hint
    assert list_book(str(tmp_path), "t.db", "sqlite").parts == ("t",)
    connection.close()


def test_the_ending_db_is_used_by_others_too(tmp_path):
    (tmp_path / "thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" * 100)
    assert list_book(str(tmp_path), "thumbs.db", "sqlite").is_other
    (tmp_path / "empty.db").touch()
    book = list_book(str(tmp_path), "empty.db", "sqlite")
    assert not book.parts and not book.unread


def test_wide_rows_come_in_batches_that_memory_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(batches, "MAX_BATCH_BYTES", 10_000)
    rows = [(n, "x" * 4_000, b"y" * (n % 7)) for n in range(100)]
    made(tmp_path / "t.sqlite", "CREATE TABLE t (n INT, text TEXT, bytes BLOB)", rows={"t": rows})
    with sqlite.open_sqlite(str(tmp_path), "t.sqlite") as book:
        _, found, _ = book.rows("t")
        found = list(found)
    assert [len(one) for one in found] == [3] * 33 + [1]
    assert [tuple(row.values()) for row in pa.Table.from_batches(found).to_pylist()] == rows


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged_databases_cost_themselves_alone(tmp_path, seed):
    rows = [(n, n / 7, f"text {n}", b"\0" * (n % 50)) for n in range(400)]
    made(tmp_path / "t.sqlite", "PRAGMA page_size = 1024", "CREATE TABLE t (a INTEGER, b REAL, c TEXT, d BLOB)",
         "CREATE TABLE u (x DECIMAL(9, 2), y DATE)",
         rows={"t": rows, "u": [(n / 4, "2024-01-01") for n in range(300)]})  # fmt: skip
    data, rng, units = (tmp_path / "t.sqlite").read_bytes(), random.Random(seed), []
    for number in range(250):
        broken = bytearray(data)
        if number % 3:
            for _ in range(rng.randint(1, 12)):
                broken[rng.randrange(16, len(broken))] ^= 1 << rng.randrange(8)
        else:
            del broken[rng.randrange(len(broken)) :]
        (tmp_path / f"{number}.sqlite").write_bytes(broken)
        copies = tuple(Copy(part, str(tmp_path / "out" / f"{number}-{part}.parquet")) for part in "tu")
        units.append(BookUnit(f"{number}.sqlite", "sqlite", copies, len(broken)))
    found = list(do_units(WorkContext(str(tmp_path), TextConfig(), False), units))
    assert len(found) == len(units)
    parts = [outcome.of_copy(place) for outcome in found for place in range(2)]
    for outcome in parts:
        assert (outcome.error is None) == bool(outcome.footers)
        assert outcome.error is None or str(outcome.error.value or outcome.error.what)
    assert sum(outcome.error is not None for outcome in parts) > len(units) // 2


def test_a_file_that_is_asked_about_has_one_table(tmp_path):
    made(tmp_path / "one.sqlite", "CREATE TABLE t (x)", rows={"t": [(1,)]})
    made(tmp_path / "two.sqlite", "CREATE TABLE t (x)", "CREATE TABLE u (x)")
    stage_only_table(str(tmp_path), "one.sqlite", "sqlite", str(tmp_path / "copy.parquet"))
    assert pq.read_table(tmp_path / "copy.parquet")["x"].to_pylist() == [1]
    with pytest.raises(SourceError, match=r"two\.sqlite holds 2 tables") as error:
        stage_only_table(str(tmp_path), "two.sqlite", "sqlite", str(tmp_path / "copy.parquet"))
    assert error.value.value == "t, u"

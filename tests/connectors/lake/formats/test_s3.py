"""Books on an object store: fetched to this machine with what lies beside them, and opened there."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq

from lakebed.connectors.lake.formats.staging import Copy, list_book, stage_book
from tests.tasks.quarantine.s3 import s3_server, upload
from tests.workbooks import write_xlsx

_LEFT_OPEN = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("CREATE TABLE t AS SELECT 1 AS x")
connection.execute("CHECKPOINT")
connection.execute("INSERT INTO t VALUES (2)")
os._exit(0)
"""


def test_books_on_a_store_are_read_with_their_logs(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    write_xlsx(lake / "book.xlsx", t=[["x", "s"], [1, "a"], [2, "b"]])
    subprocess.run([sys.executable, "-c", _LEFT_OPEN, str(lake / "book.duckdb")], check=True)
    assert (lake / "book.duckdb.wal").stat().st_size
    with closing(sqlite3.connect(lake / "book.sqlite")) as writer, s3_server():
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE t (x)")
        writer.execute("INSERT INTO t VALUES (1), (2)")
        writer.commit()
        root = upload(lake, "some/lake")
        for name, format_ in (("book.xlsx", "spreadsheet"), ("book.duckdb", "duckdb"), ("book.sqlite", "sqlite")):
            assert list_book(root, name, format_).parts == ("t",)
            copy = Copy("t", str(tmp_path / "out" / f"{name}.parquet"))
            (staged,) = stage_book(root, name, format_, [copy])
            assert staged.error is None
            assert pq.read_table(copy.out_path)["x"].to_pylist() == [1, 2]

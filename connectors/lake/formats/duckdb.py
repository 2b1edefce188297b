"""DuckDB databases: each of their tables is one of the lake's, read by DuckDB itself, which only reads the file.

What Arrow or Parquet has no type for comes as DuckDB's text: intervals, bits, unions, times with an offset.
"""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from lakebed.connectors.errors import SourceError
from lakebed.connectors.extras import extra_hint
from lakebed.connectors.lake.batches import batch_rows
from lakebed.connectors.lake.books import Book, Unread
from lakebed.connectors.lake.databases import VIEW
from lakebed.connectors.lake.files import fetch_file, local_path, open_file
from lakebed.connectors.storage import is_object_store

# it neither loads nor reads anything else, and takes no more memory than a child has
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false", "autoload_known_extensions": "false", "autoinstall_known_extensions": "false",
    "threads": "1", "memory_limit": "2GB", "temp_directory": "",
}  # fmt: skip
_AS_TEXT = re.compile(r"INTERVAL|\bBIT\b|UNION\(|TIME WITH TIME ZONE|GEOMETRY|VARIANT|BIGNUM|VARINT|\bTYPE\b")
_ENUM, _FIXED, _HUGE = re.compile(r"ENUM\((?:'(?:[^']|'')*'(?:, )?)*\)"), re.compile(r"\[\d+\]"), "HUGEINT"
_PLAIN_TIMES = re.compile(r"TIMESTAMP WITH TIME ZONE")


@contextmanager
def open_duckdb(root: str, path: str) -> Iterator["DuckdbBook"]:
    """A database in one state, for as long as it is open.

    Raises:
        SourceError: if it is none, is damaged or locked, or DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        hint = extra_hint("duckdb")
        raise SourceError(f"cannot read {path}", value="DuckDB is not installed", hint=hint) from error
    with _told(path, duckdb.Error), _place(root, path) as place:
        with closing(duckdb.connect(place, read_only=True, config=_CONFIG)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("BEGIN TRANSACTION")
            yield DuckdbBook(connection, duckdb.Error)


def is_duckdb(root: str, path: str) -> bool:
    """Whether a file begins as a database of DuckDB does."""
    with open_file(root, path) as source:
        return bytes(source.read(12))[8:] == b"DUCK"


@contextmanager
def _told(path: str, kind: type[Exception]) -> Iterator[None]:
    try:
        yield
    except kind as error:
        why = str(error).splitlines()[0][:300]
        expected = "a DuckDB database that is whole, and that nobody writes to"
        hint = "restore the file, or leave it out with `exclude` in the lake section of the config"
        if "Could not set lock" in why:
            why, hint = "another program has it open to write", "close that program, then run the same command again"
        elif any(one.__name__ == "DataError" for one in type(error).__mro__):
            expected = "values that a column of Parquet holds, such as integers of at most 38 digits"
            hint = "leave the table out with `exclude` in the lake section of the config"
        raise SourceError(f"cannot read {path}", value=why, expected=expected, hint=hint) from error


@contextmanager
def _place(root: str, path: str) -> Iterator[str]:
    if not is_object_store(root):
        yield local_path(root, path)
        return
    with TemporaryDirectory(prefix="lakebed-duckdb-") as folder:
        yield fetch_file(root, path, folder, (".wal",))


class DuckdbBook:
    """The tables of an open database; those of the schema `main` go by their names alone."""

    def __init__(self, connection: Any, kind: type[Exception]) -> None:
        self._connection, self._kind = connection, kind
        self._tables = {_shown(*row): row for row in self._named("table")}

    def _named(self, kind: str) -> list[tuple[str, str]]:
        """Schema and name of each table or view of the database."""
        condition = "WHERE database_name = current_database() AND NOT internal"
        query = f"SELECT schema_name, {kind}_name FROM duckdb_{kind}s() {condition}"  # noqa: S608
        found: list[tuple[str, str]] = self._connection.execute(query).fetchall()
        return found

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows that DuckDB answers."""
        found: list[tuple[Any, ...]] = self._connection.execute(sql).fetchall()
        return found

    def contents(self) -> Book:
        """Its tables by name."""
        why = (VIEW, "a view is not read", "read the tables that it is made of")
        return Book(tuple(sorted(self._tables)), tuple(Unread(_shown(*row), *why) for row in self._named("view")))

    def rows(self, part: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch], tuple[str, ...]]:
        """Schema and rows of a table, and what is said of how it is read.

        Raises:
            SourceError: if DuckDB cannot read it.
        """
        schema, name = self._tables[part]
        with _told(part, self._kind):
            columns = self._connection.execute(
                "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = current_database() "
                "AND schema_name = ? AND table_name = ? ORDER BY column_index",
                [schema, name],
            ).fetchall()
            wanted = ", ".join(_cell(column, type_) for column, type_ in columns)
            query = f"SELECT {wanted} FROM {_quoted(schema)}.{_quoted(name)} AS t"  # noqa: S608
            reader = self._connection.sql(query).to_arrow_reader(batch_rows(range(len(columns))))
        names = [column for column, type_ in columns if _is_text(type_)]
        notes = (f"read as text: {', '.join(names[:3])}",) if names else ()
        return reader.schema, self._batches(part, reader), notes

    def _batches(self, part: str, reader: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with _told(part, self._kind):
            yield from reader


def _is_text(type_: str) -> bool:
    return bool(_AS_TEXT.search(_PLAIN_TIMES.sub("TIMESTAMP", _ENUM.sub("VARCHAR", type_))))


def _cell(column: str, type_: str) -> str:
    """What is asked of a column: its values, as a type that Parquet has."""
    plain = _FIXED.sub("[]", _ENUM.sub("VARCHAR", type_)).replace(f"U{_HUGE}", _HUGE).replace(_HUGE, "DECIMAL(38,0)")
    wanted = "VARCHAR" if _is_text(type_) else plain
    name = f"t.{_quoted(column)}"
    return name if wanted == type_ else f"CAST({name} AS {wanted}) AS {_quoted(column)}"


def _shown(schema: str, name: str) -> str:
    return _short(name) if schema == "main" else f"{_short(schema)}.{_short(name)}"


def _short(name: str) -> str:
    return _quoted(name) if "." in name or '"' in name or not name else name


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

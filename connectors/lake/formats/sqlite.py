"""SQLite databases: each table is one of the lake's; nothing is ever written beside them.

A database is read in the one state that its last commit left. A shared lock, which SQLite's own readers take too, keeps
writers out, and the file is read where it lies. Where a log or a journal lies beside it, and on object stores, all of
them are copied first, and SQLite makes the state of the copy: opened in its place it would write into the lake.

Declared types are hints: which values a column holds decides. DATE, TIME, TIMESTAMP, BOOLEAN and DECIMAL, which SQLite
has no values for, are taken as such where every value of the column is one.
"""

import errno
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.batches import MAX_BATCH_ROWS, batch_rows, cut_rows, room_error, with_sizes
from lakebed.connectors.lake.books import Book, Unread
from lakebed.connectors.lake.databases import VIEW
from lakebed.connectors.lake.files import fetch_file, local_path, open_file
from lakebed.connectors.lake.formats.values import (
    MAX_SAFE_INTEGER,
    ColumnType,
    mixed_notes,
    type_of_kinds,
)
from lakebed.connectors.lake.isolated import alive
from lakebed.connectors.lake.type_text import cast_text
from lakebed.connectors.storage import is_object_store

_BESIDE = ("-wal", "-journal")
_MAGIC = b"SQLite format 3\0"
LOCK_WAIT_S = 5.0
# SQLite's documented places of its locks in a file: of who waits to write, and of who reads
_PENDING, _SHARED, _SHARED_BYTES = 0x40000000, 0x40000002, 510
# what it says where it cannot write its copy, or the index beside that
_NO_ROOM = {
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE, sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP, sqlite3.SQLITE_IOERR_SHMOPEN,
}  # fmt: skip
_COLUMNS_AT_ONCE, _N_FACTS = 200, 8
_STEPS = 1 << 20
_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC|DEC)\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)")
# digits that a float tells for certain
_FLOAT_DIGITS = 15
_KINDS = {"integer": int, "real": float, "text": str, "blob": bytes}
_WHY_NOT = {"view": ("a view is not read", "read the tables that it is made of"),
            "virtual": ("a virtual table is not read, an extension makes its rows", "")}  # fmt: skip


@contextmanager
def open_sqlite(root: str, path: str) -> Iterator["SqliteBook"]:
    """A database in one state, for as long as it is open.

    Raises:
        SourceError: if it is none, is locked, damaged, or was written to meanwhile.
    """
    _require_sqlite(root, path)
    with _told(path), _place(root, path) as (place, is_copy):
        mode = "mode=rw" if is_copy else "mode=ro&immutable=1"
        with closing(sqlite3.connect(f"file:{quote(place)}?{mode}", uri=True, isolation_level=None)) as connection:
            connection.set_progress_handler(alive, _STEPS)
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("BEGIN")
            yield SqliteBook(connection)


def is_sqlite(root: str, path: str) -> bool:
    """Whether a file begins as a SQLite database does; an empty one is such, too."""
    with open_file(root, path) as source:
        return bytes(source.read(len(_MAGIC))) in (_MAGIC, b"")


def _require_sqlite(root: str, path: str) -> None:
    if not is_sqlite(root, path):
        raise SourceError(
            f"cannot read {path}",
            value="it is no SQLite database, or an encrypted one",
            expected="a database that begins with 'SQLite format 3'",
            hint="leave it out with `exclude` in the lake section of the config",
        )


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        why = str(error)
        if getattr(error, "sqlite_errorcode", 0) in _NO_ROOM:
            raise room_error(path, why) from error
        if "not a database" in why:
            why += ": it is damaged, encrypted, or of another program"
        raise SourceError(
            f"cannot read {path}",
            value=why,
            expected="a SQLite database that is whole and not encrypted",
            hint="restore the file, or leave it out with `exclude` in the lake section of the config",
        ) from error


@contextmanager
def _place(root: str, path: str) -> Iterator[tuple[str, bool]]:
    """Where the database can be opened, and whether that is a copy."""
    if is_object_store(root):
        with TemporaryDirectory(prefix="lakebed-sqlite-") as folder:
            yield fetch_file(root, path, folder, _BESIDE), True
        return
    place = local_path(root, path)
    with _shared_lock(place, path):
        before = _states(place)
        if any(state and state[0] for state in before[1:]):
            with TemporaryDirectory(prefix="lakebed-sqlite-") as folder:
                for end in ("", *_BESIDE):
                    if os.path.exists(f"{place}{end}"):
                        shutil.copyfile(f"{place}{end}", f"{folder}/copy{end}")
                _require_same(place, path, before)
                yield f"{folder}/copy", True
            return
        yield place, False
        _require_same(place, path, before)


def _states(place: str) -> list[tuple[int, int] | None]:
    """Size and time of the database and of what lies beside it; None of what is not there."""
    found: list[tuple[int, int] | None] = []
    for end in ("", *_BESIDE):
        try:
            facts = os.stat(f"{place}{end}")
            found.append((facts.st_size, facts.st_mtime_ns))
        except FileNotFoundError:
            found.append(None)
    return found


def _require_same(place: str, path: str, before: list[tuple[int, int] | None]) -> None:
    if _states(place) != before:
        raise SourceError(
            f"cannot read {path}",
            value="it was written to while it was read",
            expected="a database that nobody writes to for that long",
            hint="run the same command again",
        )


@contextmanager
def _shared_lock(place: str, path: str) -> Iterator[None]:
    """Holds the lock of SQLite's readers; a system or a disk without locks has none to hold.

    The lock goes with the first handle of this process on the file that is closed, be it that of a copy's source: what
    was read has to be checked besides.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(place, os.O_RDONLY)
    try:
        end = time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, _PENDING)
                fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB, _SHARED_BYTES, _SHARED)
                fcntl.lockf(handle, fcntl.LOCK_UN, 1, _PENDING)
                break
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EAGAIN):
                    break
                fcntl.lockf(handle, fcntl.LOCK_UN, 1, _PENDING)
            if time.monotonic() > end:
                raise SourceError(
                    f"cannot read {path}",
                    value="another program has locked it",
                    expected=f"a database that is free within {LOCK_WAIT_S:.0f} s",
                    hint="close the program that writes to it, then run the same command again",
                )
            time.sleep(0.05)
            alive()
        yield
    finally:
        os.close(handle)


@dataclass(frozen=True)
class _Declared:
    """A column as the table declares it."""

    name: str
    shown: str
    type: str


class SqliteBook:
    """The tables of an open database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows that SQLite answers."""
        return self._connection.execute(sql).fetchall()

    def contents(self) -> Book:
        """Its tables by name. Raises: sqlite3.Error."""
        rows = self._connection.execute("PRAGMA main.table_list").fetchall()
        found = [(name, kind) for _, name, kind, *_ in rows if not name.startswith("sqlite_")]
        unread = [Unread(name, VIEW, *_WHY_NOT[kind]) for name, kind in found if kind in _WHY_NOT]
        unread += [Unread(name, "sqlite", "its name is empty") for name, kind in found if kind == "table" and not name]
        return Book(tuple(sorted(name for name, kind in found if kind == "table" and name)), tuple(unread))

    def rows(self, part: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch], tuple[str, ...]]:
        """Schema and rows of a table, and what is said of how it is read.

        Raises:
            SourceError: if a column cannot be compared, or the database is damaged there.
        """
        with _told(part):
            declared = self._columns(part)
            types = self._types(part, declared)
        columns = [(column.name, type_) for column, type_ in zip(declared, types, strict=True)]
        schema = pa.schema([pa.field(name, column.type) for name, column in columns])
        return schema, self._batches(part, declared, types, schema), mixed_notes(columns)

    def _columns(self, part: str) -> list[_Declared]:
        rows = self._connection.execute("SELECT name, type, hidden FROM pragma_table_xinfo(?, 'main')", (part,))
        return [_Declared(name, _quoted(name), type_.upper()) for name, type_, hidden in rows if hidden != 1]

    def _batches(
        self, part: str, declared: Sequence[_Declared], columns: Sequence[ColumnType], schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        n_rows = batch_rows(range(len(columns)))
        with _told(part):
            cursor = self._connection.execute(_select([column.shown for column in declared], part))
            for rows in cut_rows(with_sizes(cursor), n_rows):
                cells = zip(*rows, strict=True)
                arrays = [_array(column, values) for column, values in zip(columns, cells, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _types(self, part: str, declared: Sequence[_Declared]) -> list[ColumnType]:
        """The types of a table's columns; one scan for each few hundred columns, one more for each hint about time."""
        found = []
        for start in range(0, len(declared), _COLUMNS_AT_ONCE):
            some = declared[start : start + _COLUMNS_AT_ONCE]
            asked = [_facts_asked(f"c{place}", column.type) for place, column in enumerate(some)]
            inner = _select([f"{column.shown} AS c{place}" for place, column in enumerate(some)], part)
            wanted = ", ".join(one for each in asked for one in each)
            answer = self._connection.execute(f"SELECT {wanted} FROM ({inner})").fetchone()  # noqa: S608
            facts = [answer[place : place + _N_FACTS] for place in range(0, len(answer), _N_FACTS)]
            found += [self._type(part, column, own) for column, own in zip(some, facts, strict=True)]
        return found

    def _type(self, part: str, column: _Declared, facts: Sequence[Any]) -> ColumnType:
        counts, (low, high, n_off, largest) = facts[:4], facts[4:]
        kinds = [_KINDS[name] for name, n in zip(_KINDS, counts, strict=True) if n]
        if not kinds:
            return ColumnType(_declared_type(column.type))
        are_exact = int not in kinds or (low >= -MAX_SAFE_INTEGER and high <= MAX_SAFE_INTEGER)
        plain = type_of_kinds(column.name, kinds, are_exact=are_exact)
        if "BOOL" in column.type and kinds == [int] and low >= 0 and high <= 1:
            return ColumnType(pa.bool_())
        digits = _decimal_of(column.type)
        if digits and not n_off and set(kinds) <= {int, float}:
            is_certain = are_exact and largest < 10 ** min(digits[0] - digits[1], _FLOAT_DIGITS - digits[1])
            return ColumnType(pa.decimal128(*digits)) if is_certain else plain
        hinted = _time_type(column.type)
        return self._time(part, column, hinted) or plain if hinted is not None and kinds == [str] else plain

    def _time(self, part: str, column: _Declared, hinted: pa.DataType) -> ColumnType | None:
        """The type of a text column that is declared as one of times, if all of it is; with a zone if all have one."""
        types = [hinted, pa.timestamp("us", "UTC")] if pa.types.is_timestamp(hinted) else [hinted]
        cursor = self._connection.execute(f"{_select([column.shown], part)} WHERE {column.shown} IS NOT NULL")
        for rows in cut_rows(with_sizes(cursor), MAX_BATCH_ROWS):
            cells = pa.array([text for (text,) in rows], pa.string())
            types = [type_ for type_ in types if _are(cells, type_)]
            if not types:
                return None
        return ColumnType(types[0])


def _select(shown: Sequence[str], part: str) -> str:
    return f"SELECT {', '.join(shown)} FROM main.{_quoted(part, '')} AS t"  # noqa: S608


def _quoted(name: str, table: str = "t.") -> str:
    # behind the table's name, since SQLite takes a quoted name that it does not know for a text
    return f'{table}"{name.replace(chr(34), chr(34) * 2)}"'


def _facts_asked(name: str, declared: str) -> list[str]:
    """Of how many kinds the values of a column are, the bounds of integers, and what a decimal must know."""
    kinds = [f"sum(typeof({name}) = '{kind}')" for kind in _KINDS]
    integers = [f"{end}(CASE WHEN typeof({name}) = 'integer' THEN {name} END)" for end in ("min", "max")]
    digits = _decimal_of(declared)
    if not digits:
        return [*kinds, *integers, "0", "0"]
    off = f"sum(CASE WHEN typeof({name}) = 'real' THEN round({name}, {digits[1]}) <> {name} ELSE 0 END)"
    return [*kinds, *integers, off, f"max(abs(CAST({name} AS REAL)))"]


def _decimal_of(declared: str) -> tuple[int, int] | None:
    """Digits, and those behind the point."""
    if not (match := _DECIMAL.search(declared)):
        return None
    precision, scale = int(match[1]), int(match[2] or 0)
    return (precision, scale) if 0 < precision <= 38 and scale <= min(precision, _FLOAT_DIGITS) else None


def _time_type(declared: str) -> pa.DataType | None:
    if "TIMESTAMP" in declared or "DATETIME" in declared:
        return pa.timestamp("us")
    if declared.strip() in ("DATE", "TIME"):
        return pa.date32() if declared.strip() == "DATE" else pa.time64("us")
    return None


def _declared_type(declared: str) -> pa.DataType:
    """The type of a column without values: SQLite's own reading of what is declared, beside the hints."""
    if (hinted := _time_type(declared)) is not None:
        return hinted
    if digits := _decimal_of(declared):
        return pa.decimal128(*digits)
    rules = (("BOOL", pa.bool_()), ("INT", pa.int64()), ("CHAR", pa.string()), ("CLOB", pa.string()),
             ("TEXT", pa.string()), ("BLOB", pa.binary()), ("REAL", pa.float64()), ("FLOA", pa.float64()),
             ("DOUB", pa.float64()))  # fmt: skip
    return next((type_ for sign, type_ in rules if sign in declared), pa.null())


_SHAPES = {
    "date32[day]": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "time64[us]": r"^[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?$",
    "timestamp[us]": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?$",
    "timestamp[us, tz=UTC]": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})$",
}


def _are(cells: pa.Array, type_: pa.DataType) -> bool:
    is_shaped = pc.all(pc.match_substring_regex(cells, _SHAPES[str(type_)])).as_py()
    # a year that Python's dates have not
    if not is_shaped or pc.any(pc.match_substring_regex(cells, "^0000-")).as_py():
        return False
    try:
        cast_text(cells, type_)
    except pa.ArrowInvalid:
        return False
    return True


def _array(column: ColumnType, values: Sequence[Any]) -> pa.Array:
    type_ = column.type
    if pa.types.is_temporal(type_):
        return cast_text(pa.array(values, pa.string()), type_)
    if pa.types.is_decimal(type_):
        return pa.array(values, pa.float64()).cast(type_)
    return pa.array(values, pa.int64()).cast(type_) if pa.types.is_boolean(type_) else column.array(values)

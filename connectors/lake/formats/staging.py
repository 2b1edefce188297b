"""A file of any of these formats on its way to Parquet."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import pyarrow as pa

from lakebed.connectors.errors import SourceBusyError, SourceError
from lakebed.connectors.lake.batches import reason_of, source_errors
from lakebed.connectors.lake.books import Book, OpenBook
from lakebed.connectors.lake.files import open_file
from lakebed.connectors.lake.isolated import alive
from lakebed.connectors.lake.model import BOOK_FORMATS, Unreadable
from lakebed.connectors.lake.no_table import HEAD_BYTES, not_of_format
from lakebed.connectors.lake.text.staged import StagedWriter

Rows = tuple[pa.Schema, Iterator[pa.RecordBatch]]
Reader = Callable[[Any], Rows]
# endings of databases that files of other programs have, too
_SHARED_ENDINGS = (".db", ".ducklake")


@dataclass(frozen=True)
class Copy:
    """A table of a file, by its name in a book and empty elsewhere, and the absolute path of its copy."""

    part: str
    out_path: str


@dataclass(frozen=True)
class Staged:
    """What became of a copy: what is said of how it was read, or why it was not."""

    notes: tuple[str, ...] = ()
    error: SourceError | None = None


def stage_file(root: str, path: str, format_: str, out_path: str) -> None:
    """Writes the rows of a file of one table as Parquet: the types that it has, and so the bounds of its columns.

    Args:
        root: of the lake.
        path: of the file, below it.
        format_: one of `model.FILE_FORMATS` that is no book.
        out_path: absolute; of the copy.

    Raises:
        SourceError: if it is damaged, or holds what no column can.
        ArtifactError: if the copy cannot be written.
    """
    _require_format(root, path, format_)
    with source_errors(path), open_file(root, path) as source:
        try:
            _write(path, _reader(format_)(source), out_path)
        except (EOFError, StopIteration, AttributeError, SystemError) as error:
            # what fastavro makes of a file that ends too soon
            raise SourceError(f"cannot read {path}", value=reason_of(error), expected="a file that is whole") from error


def stage_book(root: str, path: str, format_: str, copies: Sequence[Copy]) -> list[Staged]:
    """Writes tables of a book as Parquet, all of one state; what cannot be read of it costs the table.

    Args:
        root: of the lake.
        path: of the book, below it.
        format_: one of `model.BOOK_FORMATS`.
        copies: which tables, and where to.

    Raises:
        SourceError: if the book cannot be opened, or did not hold still.
        ArtifactError: if a copy cannot be written.
    """
    _require_format(root, path, format_)
    with source_errors(path), _open_book(root, path, _kind(root, path, format_)) as book:
        return [_staged(path, book, copy) for copy in copies]


def stage_only_table(root: str, path: str, format_: str, out_path: str) -> None:
    """The same as `stage_file`, of a book that holds one table alone, too.

    Raises:
        SourceError: as `stage_file`; if it is a book of several tables, or of none.
        ArtifactError: if the copy cannot be written.
    """
    if format_ not in BOOK_FORMATS:
        stage_file(root, path, format_, out_path)
        return
    parts = list_book(root, path, format_).parts
    if len(parts) != 1:
        raise SourceError(
            f"{path} holds {len(parts)} tables",
            value=", ".join(parts[:5]) or None,
            expected="one",
            hint="save the table that you ask about in a file of its own, as CSV or Parquet",
        )
    if error := stage_book(root, path, format_, [Copy(parts[0], out_path)])[0].error:
        raise error


def list_book(root: str, path: str, format_: str) -> Book:
    """What is in a book.

    Raises:
        SourceError: if it cannot be opened.
    """
    _require_format(root, path, format_)
    with source_errors(path):
        kind = _kind(root, path, format_)
        if not kind:
            return Book(is_other=True)
        with _open_book(root, path, kind) as book:
            return book.contents()


def list_claims(root: str, path: str, format_: str, error: Unreadable | None = None) -> Book:
    """Which files of the lake a database keeps, if it is the catalog of a DuckLake of whatever version; no tables.

    Args:
        root: of the lake.
        path: of the database, below it.
        format_: of it.
        error: why its tables are not read.

    Raises:
        SourceBusyError: if the store does not answer.
    """
    from lakebed.connectors.lake.formats.ducklake import SIGNS, Database
    from lakebed.connectors.lake.formats.ducklake_claims import Places, claimed, unsure

    try:
        with source_errors(path):
            kind = _kind(root, path, format_)
            if not kind:
                return Book(error=error)
            with _open_database(root, path, kind) as book:
                if kind == "spreadsheet" or not SIGNS.issubset(book.contents().parts):
                    return Book(error=error)
                return replace(claimed(cast("Database", book).query, Places(root, path)), error=error)
    except SourceBusyError:
        raise
    except SourceError as why:
        return unsure(path, error or Unreadable(path, format_, str(why.value or why.what), why.hint))


def _require_format(root: str, path: str, format_: str) -> None:
    """Refuses what is of another kind than its name says, in words, before a reader takes its bytes for sizes.

    Raises:
        SourceError: naming what it is.
    """
    with source_errors(path), open_file(root, path) as source:
        what = not_of_format(format_, bytes(source.read(HEAD_BYTES)))
    if what:
        hint = "leave it out with `exclude` in the lake section of the config"
        raise SourceError(f"{path} is no table", value=what, hint=hint)


def _staged(path: str, book: OpenBook, copy: Copy) -> Staged:
    name = f"{path}#{copy.part}"
    try:
        with source_errors(name):
            schema, batches, notes = book.rows(copy.part)
            _write(name, (schema, batches), copy.out_path)
            return Staged(notes)
    except SourceError as error:
        if error.what.startswith("cannot read"):
            # readers of books know the part alone
            error.what = f"cannot read {name}"
        return Staged(error=error)


def _write(path: str, rows: Rows, out_path: str) -> None:
    schema, batches = rows
    if not len(schema):
        raise SourceError(f"cannot read {path}", value="it has no columns", expected="columns")
    with StagedWriter(out_path, schema) as writer:
        for batch in batches:
            alive()
            writer.write(batch)


def _kind(root: str, path: str, format_: str) -> str:
    """A book's format by how it begins, whatever a database is called; empty if it has a book's ending by chance."""
    if format_ == "spreadsheet":
        return format_
    from lakebed.connectors.lake.formats.duckdb import is_duckdb
    from lakebed.connectors.lake.formats.sqlite import is_sqlite

    if is_duckdb(root, path):
        return "duckdb"
    if is_sqlite(root, path):
        return "sqlite"
    return "" if path.lower().endswith(_SHARED_ENDINGS) else format_


@contextmanager
def _open_book(root: str, path: str, kind: str) -> Iterator[OpenBook]:
    with _open_database(root, path, kind) as book:
        if kind == "spreadsheet":
            yield book
            return
        from lakebed.connectors.lake.formats.ducklake import SIGNS, Database, DucklakeBook

        is_lake = SIGNS.issubset(book.contents().parts)
        yield DucklakeBook(cast("Database", book), root, path) if is_lake else book


def _open_database(root: str, path: str, kind: str) -> AbstractContextManager[OpenBook]:
    if kind == "sqlite":
        from lakebed.connectors.lake.formats.sqlite import open_sqlite

        return open_sqlite(root, path)
    if kind == "duckdb":
        from lakebed.connectors.lake.formats.duckdb import open_duckdb

        return open_duckdb(root, path)
    from lakebed.connectors.lake.formats.spreadsheet import open_spreadsheet

    return open_spreadsheet(root, path)


def _reader(format_: str) -> Reader:
    if format_ == "avro":
        from lakebed.connectors.lake.formats.avro import read_avro

        return read_avro
    if format_ == "orc":
        from lakebed.connectors.lake.formats.orc import read_orc

        return read_orc
    from lakebed.connectors.lake.formats.arrow_ipc import read_arrow

    return read_arrow

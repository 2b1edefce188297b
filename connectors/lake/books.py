"""Books: files that hold several tables each, such as a SQLite database, and what their tables are called.

A table of a book is called as the file is without its ending, a slash, and its name in the book. A name that another
table has keeps the ending; no other table is ever called otherwise because of what is in a book, since who lists a lake
does not open its files.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import pyarrow as pa

from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.globs import matches_any
from lakebed.connectors.lake.model import FileEntry, TableFormat, TableSource, Unreadable

# what a database of SQLite or DuckDB that is open, or was not closed, has beside it
BESIDE = ("-wal", "-journal", ".wal")
DUCKLAKE: Final = "ducklake"
"""Of what is not read: a file or (`folder/`) a folder of the lake, by its path, that belongs to a DuckLake."""
KEPT = "a file of a table of DuckLake is no table of its own"


@dataclass(frozen=True)
class Unread:
    """A table of a book that is not read: its name, what it is listed as, and why."""

    part: str
    format: str
    reason: str
    hint: str = ""


@dataclass(frozen=True)
class Book:
    """What is in a book: the names of its tables in their order, and what is not read; or why it cannot be opened.

    One that `is_other` is no book at all: its ending is used for other files too.
    """

    parts: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()
    error: Unreadable | None = None
    is_other: bool = False


class OpenBook(Protocol):
    """A file of several tables, in one state for as long as it is open."""

    def contents(self) -> Book:
        """Its tables."""

    def rows(self, part: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch], tuple[str, ...]]:
        """Schema and rows of a table, and what is said of how it is read.

        Raises:
            SourceError: if it cannot be read.
        """


@dataclass(frozen=True)
class BookTables:
    """The tables of a lake's books."""

    tables: tuple[TableSource, ...]
    unreadable: tuple[Unreadable, ...]
    others: tuple[FileEntry, ...]


def claimed_files(books: Iterable[Book]) -> set[str]:
    """Files of the lake that belong to tables of books, and folders, with a slash at their end, whose files may."""
    return {one.part for book in books for one in book.unread if one.format == DUCKLAKE}


def with_links(claims: Collection[str], links: Mapping[str, str]) -> set[str]:
    """Claims with what those that are links lead to, and with the links that lead to them."""
    real = {*claims, *(links[one] for one in claims if one in links)}
    return real | {link for link, target in links.items() if target in real}


def claims_met(books: Mapping[str, Book], met: Iterable[str], config: LakeConfig) -> list[Unreadable]:
    """How claims that have files are listed, those of books that the globs leave out among them.

    Args:
        books: by path.
        met: the claims that have files.
        config: of the lake; its globs may leave out `book#file`.
    """
    claims = {one.part: (path, one) for path, book in books.items() for one in book.unread if one.format == DUCKLAKE}
    found = []
    for part in sorted(met):
        path, one = claims.get(part, ("", Unread(part, DUCKLAKE, KEPT)))
        if not matches_any(f"{path}#{part}", config.exclude):
            found.append(Unreadable(part.rstrip("/") or ".", DUCKLAKE, one.reason, one.hint))
    return found


def book_files(entry: FileEntry, beside: Mapping[str, FileEntry]) -> tuple[FileEntry, ...]:
    """A book and the files that its program keeps beside it; `beside` are files of no kind, by path."""
    return (entry, *(beside[path] for end in BESIDE if (path := f"{entry.path}{end}") in beside))


def book_tables(
    books: Sequence[tuple[FileEntry, TableFormat]],
    contents: Mapping[str, Book],
    beside: Mapping[str, FileEntry],
    taken: Collection[str],
    config: LakeConfig,
) -> BookTables:
    """The tables of books, named.

    Args:
        books: with their formats.
        contents: what is in them, by path; a book that is not among them is one source, called by its path.
        beside: files of no kind, by path.
        taken: the names of all other tables.
        config: of the lake; its globs may leave out `book#table`.
    """
    sources: list[TableSource] = []
    unreadable: list[Unreadable] = []
    others: list[FileEntry] = []
    for entry, format_ in books:
        files, book = book_files(entry, beside), contents.get(entry.path)
        if book is None:
            sources.append(TableSource(entry.path, format_, files, entry.path))
        elif book.error or book.is_other:
            unreadable += [book.error] if book.error else []
            others += [] if book.error else [entry]
        else:
            is_in = {part: not matches_any(f"{entry.path}#{part}", config.exclude) for part in book.parts}
            sources += [
                TableSource("", format_, files, f"{entry.path}#{part}", part=part) for part in book.parts if is_in[part]
            ]
            unreadable += _unread(entry.path, book.unread, config)
    return BookTables(tuple(_named(sources, taken)), tuple(unreadable), tuple(others))


def _unread(path: str, unread: Iterable[Unread], config: LakeConfig) -> list[Unreadable]:
    return [
        Unreadable(f"{_stem(path)}/{one.part}", one.format, one.reason, one.hint)
        for one in unread
        if one.format != DUCKLAKE and not matches_any(f"{path}#{one.part}", config.exclude)
    ]


def _named(sources: Sequence[TableSource], taken: Collection[str]) -> list[TableSource]:
    short = [source.name or f"{_stem(source.files[0].path)}/{source.part}" for source in sources]
    n_called = Counter(short)
    used = set(taken)
    named = []
    for source, name in zip(sources, short, strict=True):
        free = name if n_called[name] == 1 and name not in used else f"{source.files[0].path}/{source.part}".rstrip("/")
        while free in used:
            free += f"/.{source.format}"
        used.add(free)
        named.append(replace(source, name=free))
    return named


def _stem(path: str) -> str:
    """A path without its ending; a name is never all ending."""
    folder, slash, name = path.rpartition("/")
    stem = name.rpartition(".")[0]
    return f"{folder}{slash}{stem or name}"

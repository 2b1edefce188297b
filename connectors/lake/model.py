"""What a lake consists of: files, tables, and what could not be read."""

from dataclasses import dataclass
from typing import Literal

TableFormat = Literal[
    "parquet", "delta", "iceberg", "csv", "json", "avro", "orc", "arrow", "sqlite", "spreadsheet", "duckdb",
    "postgresql", "mariadb", "sqlserver", "catalog", "hudi",
]  # fmt: skip
# both are staged as Parquet: text, whose cells have no type, and files that are read whole and have types; of these
# books hold several tables each, which only they themselves name
TEXT_FORMATS = ("csv", "json")
BOOK_FORMATS = ("sqlite", "spreadsheet", "duckdb")
FILE_FORMATS = ("avro", "orc", "arrow", *BOOK_FORMATS)
STAGED_FORMATS = (*TEXT_FORMATS, *FILE_FORMATS)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file as it was listed.

    `path` is relative to the lake root with "/" between its parts; `mtime_ns` is UTC; `etag` comes from object stores;
    `sha256` is filled only when every file is digested.
    """

    path: str
    size: int
    mtime_ns: int
    etag: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class TableSource:
    """A table before anything of it is opened.

    `name` is the path relative to the root without the file ending (the ending stays where two names would collide);
    `path` is the folder or the file. `files` of a Delta or an Iceberg table are what lies in its folder (of the latter
    with its metadata), not what its log names. A table that `is_guess` is one by its files' names alone, so that their
    columns have to agree. `metadata` is the file that a catalog names for an Iceberg table; empty: the newest counts.
    `part` is the name of a table in its book, and `path` then that of the book, a `#`, and the part; `files` are the
    book and what its program keeps beside it. A book of which the tables are not known has no part.
    """

    name: str
    format: TableFormat
    files: tuple[FileEntry, ...]
    path: str
    partition_columns: tuple[str, ...] = ()
    delta_version: int | None = None
    is_guess: bool = False
    metadata: str = ""
    part: str = ""


@dataclass(frozen=True)
class Unreadable:
    """A table, file or folder that is listed with its reason and skipped."""

    name: str
    format: str
    reason: str
    hint: str = ""

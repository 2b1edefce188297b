"""What a lake consists of: files, tables, and what could not be read."""

from dataclasses import dataclass
from typing import Literal

TableFormat = Literal["parquet", "delta", "csv", "json", "postgresql", "catalog"]


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
    `path` is the folder or the file. `files` of a Delta table are what lies in its folder, not what its log names. A
    table that `is_guess` is one by its files' names alone, so that their columns have to agree.
    """

    name: str
    format: TableFormat
    files: tuple[FileEntry, ...]
    path: str
    partition_columns: tuple[str, ...] = ()
    delta_version: int | None = None
    is_guess: bool = False


@dataclass(frozen=True)
class Unreadable:
    """A table, file or folder that is listed with its reason and skipped."""

    name: str
    format: str
    reason: str
    hint: str = ""

"""What became of the parents of a recipe in a lake that lives.

A parent is unchanged as long as every file that the recipe names is what it was, and is live in the table's newest
version: appended files, new partitions and new versions that only add harm nothing. Overwritten, deleted and compacted
files do, and so do rows that a deletion vector takes away. Rewritten deletes of an Iceberg table that leave the same
rows do not.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lakebed.connectors.errors import LakeError, SourceBusyError, SourceError
from lakebed.connectors.lake.change import SeenFile, has_changed
from lakebed.connectors.lake.delta_live import live_files
from lakebed.tasks.retention.plan import FileIdentity, TableIdentity

Recipe = Mapping[str, Any]


@dataclass(frozen=True)
class ReadFile:
    """How a file was read: its live rows, and the casts that the inventory notes."""

    n_rows: int
    casts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ParentChange:
    """What became of a file that a recipe reads.

    Attributes:
        told: in words, with the file's path.
        is_kept: whether its bytes are there still, so that the recipe can be executed until somebody vacuums.
    """

    told: str
    is_kept: bool = False


def parent_change(
    root: str,
    parent: TableIdentity,
    rows: Mapping[str, ReadFile],
    find: Callable[[str], SeenFile | None],
    is_other: Callable[[FileIdentity, SeenFile], bool] = has_changed,
) -> ParentChange | None:
    """The first thing that makes a parent another than the one that a recipe was made of; None if nothing does.

    Args:
        root: of the lake.
        parent: as it was; its log does not matter, only which files its newest version reads.
        rows: how each file was read when the recipes of its children were made, as `rows_read` tells.
        find: the file at a path below the root, as it is now; None where there is none.
        is_other: whether such a file is not the one that was meant.
    """
    return next(_changes(root, parent, rows, find, is_other), None)


def _changes(
    root: str,
    parent: TableIdentity,
    rows: Mapping[str, ReadFile],
    find: Callable[[str], SeenFile | None],
    is_other: Callable[[FileIdentity, SeenFile], bool],
) -> Iterator[ParentChange]:
    try:
        for file in parent.files:
            now = find(file.path)
            if now is None:
                yield ParentChange(f"{file.path} is gone")
            elif is_other(file, now):
                yield ParentChange(f"{file.path} was changed")
        if parent.format == "delta":
            yield from _superseded(root, parent, rows)
        elif parent.format == "iceberg":
            yield from _left_behind(root, parent, rows)
    except LakeError as error:
        yield ParentChange(f"{error.what}: {error.value}" if error.value is not None else error.what)


def _superseded(root: str, parent: TableIdentity, wanted: Mapping[str, ReadFile]) -> Iterator[ParentChange]:
    version, live = live_files(root, "" if parent.path == "." else parent.path)
    for file in parent.files:
        n_live = live.get(file.path)
        if file.path not in live:
            told = f"{file.path} was overwritten, deleted or compacted: version {version} does not read it"
            yield ParentChange(told, is_kept=True)
        elif n_live is not None and file.path in wanted and n_live != wanted[file.path].n_rows:
            told = f"{file.path} has {n_live:,} rows in version {version}, not {wanted[file.path].n_rows:,}"
            yield ParentChange(told, is_kept=True)


def _left_behind(root: str, parent: TableIdentity, wanted: Mapping[str, ReadFile]) -> Iterator[ParentChange]:
    from lakebed.connectors.lake.iceberg.live import file_readings, live_rows
    from lakebed.connectors.lake.iceberg.model import READING, FileReading

    known = {file.path: wanted[file.path] for file in parent.files if file.path in wanted}
    noted = {path: (one.n_rows, dict(one.casts)) for path, one in known.items() if READING in dict(one.casts)}
    metadata = max((FileReading.from_text(casts[READING]).metadata for _, casts in noted.values()), default="")
    live, lost = live_rows(root, parent.path, metadata), ""
    try:
        file_readings(root, parent.path, noted)
    except SourceBusyError:
        raise
    except SourceError as error:
        lost = f"{error.what}: {error.value}"
    for file in parent.files:
        n_live, told = live.get(file.path, -1), ""
        if n_live < 0:
            told = f"{file.path} was overwritten, deleted or compacted: the newest snapshot does not read it"
        elif file.path in known and n_live != known[file.path].n_rows:
            told = f"{file.path} has {n_live:,} rows in the newest snapshot, not {known[file.path].n_rows:,}"
        if told:
            yield ParentChange("; ".join(filter(None, (told, lost))), is_kept=not lost)
    if lost:
        yield ParentChange(lost)


def rows_read(recipes: Iterable[Recipe | None]) -> dict[str, ReadFile]:
    """How each file of the parents was read when these recipes, of one moment, were made; by path."""
    refs = (part["parent"] for recipe in recipes for part in (recipe or {}).get("parts", ()))
    files = (file for ref in refs for file in ref["files"])
    return {file["path"]: ReadFile(file["n_rows"], tuple(map(tuple, file.get("casts", ())))) for file in files}

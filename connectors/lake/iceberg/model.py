"""How a data file of an Iceberg table is read, and where the files that its metadata names lie now."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.lake_root import LakeRoot, plain_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

METADATA = "metadata"
# under which a file's casts tell how it is read; no token is called so
READING = "iceberg"
# the field ids of the columns of positional deletes
PATH_ID, POSITION_ID = 2147483546, 2147483545
HINT = "restore the table's files, or leave it out with `exclude` in the lake section of the config"


@dataclass(frozen=True)
class DeleteFile:
    """A file that deletes rows of a data file.

    `columns` are the field ids by which an equality delete compares; a deletion vector lies at `offset` and has `size`
    bytes, None for the whole file.
    """

    kind: Literal["positions", "vector", "equality"]
    path: str
    columns: tuple[int, ...] = ()
    offset: int = 0
    size: int | None = None


@dataclass(frozen=True)
class FileReading:
    """How a data file is read whose cells are not simply those of its columns.

    Attributes:
        metadata: the metadata file of the version that is read, below the lake's root.
        schema: digest of that version's schema and name mapping: with the same one, any metadata file will do.
        recorded: the data file's path as the table's metadata writes it, which deletes go by.
        deletes: that apply to it.
        constants: field id and text of columns whose value stands in the metadata alone.
    """

    metadata: str
    schema: str
    recorded: str
    deletes: tuple[DeleteFile, ...] = ()
    constants: tuple[tuple[int, str | None], ...] = ()

    def to_text(self) -> str:
        """As it is kept in the inventory."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> FileReading:
        """The inverse of `to_text`."""
        found = json.loads(text)
        deletes = tuple(DeleteFile(**{**one, "columns": tuple(one["columns"])}) for one in found["deletes"])
        constants = tuple((number, value) for number, value in found["constants"])
        return cls(found["metadata"], found["schema"], found["recorded"], deletes, constants)


def steady_casts(casts: str) -> str:
    """A file's casts without what changes though the file is read as before: where the metadata lies."""
    found = json.loads(casts) if f'"{READING}"' in casts else {}
    if READING not in found:
        return casts
    reading = {**json.loads(found[READING]), "metadata": ""}
    return json.dumps({**found, READING: json.dumps(reading, sort_keys=True)}, sort_keys=True)


class Places:
    """Where recorded files lie now: the table may have been moved or copied since they were recorded.

    Args:
        root: of the lake.
        folder: of the table, below it.
        location: that the metadata names for the table.
        listed: paths of the files of the lake; those outside of the folder may be the table's too.
    """

    def __init__(self, root: str, folder: str, location: str, listed: Collection[str]) -> None:
        self._listed = listed
        self._moves = list(_moves(plain_path(location), folder))
        self._moves += [(f"{name.rstrip('/')}/", "") for name in LakeRoot(root).names]
        self._below = f"{folder}/" if folder else ""

    def path(self, recorded: str) -> str:
        """Below the lake's root.

        Raises:
            SourceError: if there is no such file in the lake.
        """
        if (path := self.find(recorded)) is not None:
            return path
        raise SourceError(
            "a file that its snapshot names is not in the lake",
            value=recorded,
            expected="all files of the table in its folder",
            hint=HINT,
        )

    def find(self, recorded: str) -> str | None:
        """The same; None where there is no such file."""
        plain = plain_path(recorded)
        tries, parts = self.moved(plain), plain.split("/")
        tries += [self._below + "/".join(parts[start:]) for start in range(1, len(parts))]
        return next((path for path in tries if path in self._listed), None)

    def moved(self, plain: str) -> list[str]:
        """Where a file or folder with that plain path would lie now."""
        return [new + plain.removeprefix(old) for old, new in self._moves if plain.startswith(old)]


def _moves(location: str, folder: str) -> Iterator[tuple[str, str]]:
    """Old and new beginnings of paths: of the table's folder, then of each folder above that kept its name."""
    old, new = [part for part in location.rstrip("/").split("/") if part != "."], folder.split("/") if folder else []
    while old:
        yield "/".join([*old, ""]), "/".join([*new, ""]) if new else ""
        if not new or old.pop() != new.pop():
            return
    yield "", "/".join([*new, ""]) if new else ""

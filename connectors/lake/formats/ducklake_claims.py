"""Which files of a lake a DuckLake keeps, by its catalog: also one that is left out, or whose tables are not read."""

import os
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lakebed.connectors.lake.books import DUCKLAKE, KEPT, Book, Unread
from lakebed.connectors.lake.files import local_path
from lakebed.connectors.lake.lake_root import LakeRoot
from lakebed.connectors.lake.model import Unreadable
from lakebed.connectors.paths import folders_above
from lakebed.connectors.uris import is_object_store

VERSIONS = ("1.0",)
Query = Callable[[str], list[tuple[Any, ...]]]
_UNSURE = (
    "the catalog of a DuckLake that has its data here cannot be read: nothing in this folder is a table of its own"
)


@dataclass(frozen=True)
class Places:
    """Where a catalog says that files lie, as paths below the lake's root; `path` is the catalog's."""

    root: str
    path: str

    def data_folder(self, told: str) -> str:
        """The folder of the data below the lake's root; of a lake that was moved, the one beside its catalog."""
        place = self.under_root(told)
        beside = f"{self._folder}/{told.rstrip('/').rpartition('/')[2]}".strip("/")
        return beside if place is None else place

    def below(self, folder: str, path: str | None, is_relative: Any) -> str:
        """A path that is relative to a folder, or absolute; empty if it lies elsewhere."""
        if is_relative:
            return f"{folder}/{path or ''}".strip("/")
        return self.under_root(str(path)) or ""

    def under_root(self, place: str) -> str | None:
        """A path below the lake's root, of one that is absolute or relative to the catalog; None if elsewhere."""
        if "://" not in place and not place.startswith("/"):
            return f"{self._folder}/{place}".strip("/")
        return self._lake.below(place)

    def as_listed(self, path: str) -> set[str]:
        """What a path below the root may be called where the lake is listed: without `..`, and without links."""
        found = {posixpath.normpath(path)} if path else set()
        if path and not is_object_store(self.root):
            found |= {self._lake.below(os.path.abspath(local_path(self.root, path))) or ""} - {""}
        return {one for one in found if not one.startswith("../")}

    def from_above(self, place: str) -> set[str]:
        """What a path may mean that is relative to where its writer worked, which is known to nobody now.

        It is taken to be any folder above the catalog.
        """
        if is_object_store(self.root) or "://" in place or place.startswith("/"):
            return set()
        catalog = os.path.dirname(os.path.abspath(local_path(self.root, self.path)))
        above = [f"/{folder}".rstrip("/") for folder in folders_above(f"{catalog.strip('/')}/")]
        found = (self.under_root(os.path.normpath(f"{folder}/{place}")) for folder in above)
        return {one for one in found if one}

    @property
    def _folder(self) -> str:
        return self.path.rpartition("/")[0]

    @cached_property
    def _lake(self) -> LakeRoot:
        return LakeRoot(self.root)


def claimed(query: Query, places: Places) -> Book:
    """What a catalog keeps, of whatever snapshot: files that are not called as DuckLake calls its own.

    Of a catalog of another version its whole data folder besides. Reads no more than the places.

    Args:
        query: asks the catalog; raises what it likes.
        places: of the catalog.
    """
    facts: dict[str, str] = dict(_rows(query, "SELECT key, value FROM ducklake_metadata"))
    told = facts.get("data_path") or f"{places.path.rpartition('/')[2]}.files"
    base = places.data_folder(told)
    is_whole = is_known(facts)
    try:
        files = _files(query, places, base)
    except Exception:
        # whatever a database makes of tables that it has not
        files, is_whole = set(), False
    found = tuple(Unread(path, DUCKLAKE, KEPT) for path in sorted(files))
    return Book(unread=found if is_whole else (*found, *_folders(places.as_listed(base) if base else {""})))


def is_known(facts: Mapping[str, Any]) -> bool:
    """Whether the tables of a catalog that says so of itself can be read."""
    return facts.get("version") in VERSIONS and str(facts.get("encrypted")).lower() != "true"


def unsure(path: str, error: Unreadable) -> Book:
    """Of a database that cannot be opened what would be its data folder if it were a catalog."""
    return Book(unread=_folders({f"{path}.files"}), error=error)


def _folders(folders: set[str]) -> tuple[Unread, ...]:
    hint = "let the program that keeps it bring it to DuckLake 1.0 without encryption, or mend it, then lakebed run"
    return tuple(Unread(f"{folder}/", DUCKLAKE, _UNSURE, hint) for folder in sorted(folders))


def _files(query: Query, places: Places, base: str) -> set[str]:
    """Raises: whatever the database does."""
    schemas = _below(places, base, _rows(query, "SELECT schema_id, path, path_is_relative FROM ducklake_schema"))
    tables = {
        number: places.below(schemas.get(schema, base), *place)
        for number, schema, *place in _rows(
            query, "SELECT table_id, schema_id, path, path_is_relative FROM ducklake_table"
        )
    }
    files = query("SELECT table_id, path, path_is_relative FROM ducklake_data_file")
    gone = _rows(query, "SELECT 0, path, path_is_relative FROM ducklake_files_scheduled_for_deletion")
    found = {places.below(tables.get(table, base), *place) for table, *place in files}
    found |= {places.below(base, *place) for _, *place in gone}
    found = found.union(*(places.from_above(str(path)) for _, path, is_relative in (*files, *gone) if not is_relative))
    plain = {one for one in found if one and not one.rpartition("/")[2].startswith("ducklake-")}
    return plain.union(*(places.as_listed(one) for one in plain))


def _below(places: Places, base: str, rows: Sequence[tuple[Any, ...]]) -> dict[Any, str]:
    return {number: places.below(base, *place) for number, *place in rows}


def _rows(query: Query, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a table that older versions may not have, or not so."""
    try:
        return query(sql)
    except Exception:
        # whatever a database makes of a table that it has not
        return []

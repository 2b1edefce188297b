"""Which files beside its folder an Iceberg table may need: those of all snapshots, whether it can be read or not.

All metadata files in its folder count, as nobody but a catalog knows which of them is meant, and all manifests there:
they hold data and delete files of every snapshot, branch and tag, even where a metadata file is damaged.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

from lakebed.connectors.errors import SourceBusyError, SourceError
from lakebed.connectors.lake.iceberg.manifests import DELETED, read_records
from lakebed.connectors.lake.iceberg.metadata import NEWEST_FORMAT, is_metadata, read_bytes
from lakebed.connectors.lake.iceberg.model import METADATA, Places
from lakebed.connectors.lake.isolated import alive, isolated
from lakebed.connectors.lake.lake_root import LakeRoot, plain_path
from lakebed.connectors.object_client import has_client
from lakebed.connectors.paths import folders_above
from lakebed.connectors.storage import Storage
from lakebed.connectors.uris import is_object_store

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_STATISTICS = ("statistics", "partition-statistics")
_WRITE_PATHS = ("write.data.path", "write.folder-storage.path", "write.object-storage.path")


@dataclass(frozen=True)
class Claims:
    """What an Iceberg table has outside of its folder.

    Attributes:
        files: that its metadata names and that are there, below the lake's root.
        copied: the same of files that its metadata names in another folder, though it has its own by these names: it
            was moved or copied, and other engines read those.
        places: where further files of it may lie, as part of its metadata cannot be read; "" is the whole lake.
        is_blind: none of its manifests can be read, so that it may have any file of the lake.
        why: that is so; empty where all was read.
    """

    files: frozenset[str] = frozenset()
    copied: frozenset[str] = frozenset()
    places: tuple[str, ...] = ()
    is_blind: bool = False
    why: str = ""

    def may_have(self, path: str, *, is_final: bool) -> bool:
        """Whether a file may be the table's though nothing that can be read names it.

        Args:
            path: of the file, below the lake's root.
            is_final: it would be gone for good, so that what is merely likely does not do.
        """
        return (is_final and self.is_blind) or any(not place or path.startswith(f"{place}/") for place in self.places)


def claims_of(
    root: str, folders: Sequence[str], listed: Collection[str], *, is_mutual: bool = False
) -> dict[str, Claims]:
    """What each table has outside of its folder; read in a process of its own, as `read_tables` does.

    Args:
        root: of the lake.
        folders: of the tables, below it.
        listed: the files of the lake.
        is_mutual: whether what the tables have in each other's folders matters, too.

    Raises:
        SourceBusyError: if the store does not answer.
    """
    own: dict[str, list[str]] = {folder: [] for folder in folders}
    with_data: set[str] = set()
    has_others = is_mutual and len(own) > 1
    for path in listed:
        owner = next((above for above in folders_above(path) if above in own), None)
        if owner is None:
            has_others = True
        elif path.startswith(f"{owner}/{METADATA}/" if owner else f"{METADATA}/"):
            own[owner].append(path)
        else:
            with_data.add(owner)
    if not has_others:
        # nothing lies beside the tables
        return {folder: Claims() for folder in folders}
    return _walked(_Work(root, frozenset(listed), frozenset(with_data)), own)


def _walked(work: _Work, own: Mapping[str, Sequence[str]]) -> dict[str, Claims]:
    """The claims of each table, given the files of its metadata."""
    is_forked = not (is_object_store(work.root) and has_client())
    claims = dict(zip(own, isolated(work, [*own.items()], _deadly, is_forked=is_forked), strict=True))
    if busy := next((one for one in claims.values() if isinstance(one, SourceBusyError)), None):
        raise busy
    return {folder: one for folder, one in claims.items() if isinstance(one, Claims)}


def claims_from_elsewhere(root: str, tables: Collection[str], listed: Collection[str]) -> dict[str, Claims]:
    """What tables that lie elsewhere on this machine have in a lake; as `claims_of`.

    Args:
        root: of the lake.
        tables: their folders, whole.
        listed: the files of the lake.
    """
    own: dict[str, list[str]] = {}
    for folder in tables:
        try:
            found = Storage.at(f"{folder}/{METADATA}", SourceError).list_files()
            own[folder] = [f"{folder}/{METADATA}/{file.path}" for file in found]
        except SourceError:
            own[folder] = []
    # what their metadata leaves open is taken to lie in their own folders, as of a damaged table with its data
    return _walked(_Work(root, frozenset([*listed, *chain.from_iterable(own.values())]), frozenset(own)), own)


@dataclass(frozen=True)
class _Work:
    root: str
    listed: frozenset[str]
    with_data: frozenset[str]

    def __call__(self, item: tuple[str, Sequence[str]]) -> Claims | SourceBusyError:
        folder, own = item
        try:
            return _Walk(self.root, self.listed, folder, own, folder in self.with_data).claims()
        except SourceBusyError as error:
            return error
        except Exception as error:
            # whatever is made of foreign bytes
            return _deadly(item, f"{type(error).__name__}: {str(error)[:200]}")


def _deadly(item: tuple[str, Sequence[str]], why: str) -> Claims | SourceBusyError:
    del item
    return Claims(places=("",), is_blind=True, why=why)


@dataclass
class _Walk:
    """Goes through all metadata of one table; what cannot be read is noted and passed by."""

    root: str
    listed: frozenset[str]
    folder: str
    own: Sequence[str]
    has_data: bool
    named: set[str] = field(default_factory=set)
    damaged: list[str] = field(default_factory=list)

    @cached_property
    def lake(self) -> LakeRoot:
        """The root by each of its names."""
        return LakeRoot(self.root)

    def claims(self) -> Claims:
        """What the table has outside of its folder."""
        heads = [found for path in self.own if is_metadata(path) and (found := self._head(path)) is not None]
        locations = {plain_path(str(head.get("location") or "")).rstrip("/") for head in heads} - {""}
        places = [Places(self.root, self.folder, location, self.listed) for location in sorted(locations) or [""]]
        below = tuple(f"{location}/" for location in locations)
        wanted = {path for path in self.own if path.endswith(".avro")}
        missing = 0
        for recorded in {recorded for head in heads for recorded in self._lists(head)}:
            there = self._find(recorded, places, below)
            wanted |= there
            missing += not there
        n_read = self._read_all(wanted, places, below)
        outside = {path for name in self.named for path in self._find(name, places, below) if not self._is_own(path)}
        is_blind = not n_read and bool(wanted or missing)
        copied = {path for name in self.named if (path := self._literal(name)) and not self._is_own(path)} - outside
        if not self.damaged and not is_blind:
            return Claims(frozenset(outside), frozenset(copied))
        roots = {path.rpartition("/")[0] for path in outside}
        roots |= {path for head in heads for path in self._written_to(head, places)}
        if is_blind and not (self.has_data and heads and all(map(_is_known, heads))):
            # its data is elsewhere, or nobody here knows how it tells where
            roots = {""}
        what = "none of its manifests can be read" if is_blind else f"{self.damaged[0]} is damaged"
        why = f"{what}, so that its files are not known"
        return Claims(frozenset(outside), frozenset(copied), tuple(sorted(roots)), is_blind, why)

    def _literal(self, recorded: str) -> str:
        """Where a recorded file lies by its path alone, below the lake's root; empty where nothing lies there."""
        path = self.lake.spelled_below(plain_path(recorded))
        return path if path and path in self.listed else ""

    def _is_own(self, path: str) -> bool:
        return not self.folder or path.startswith(f"{self.folder}/")

    def _head(self, path: str) -> Mapping[str, Any] | None:
        try:
            found = json.loads(read_bytes(self.root, path))
        except SourceBusyError:
            raise
        except Exception:
            # the manifests tell
            return None
        return found if isinstance(found, dict) else None

    def _lists(self, head: Mapping[str, Any]) -> Iterator[str]:
        """The manifest lists and manifests that a metadata file names; its files of statistics are named, too."""
        for key in _STATISTICS:
            self.named |= {str(one["statistics-path"]) for one in _records_in(head, key) if "statistics-path" in one}
        for snapshot in _records_in(head, "snapshots"):
            manifests = snapshot.get("manifests")
            yield from map(str, manifests if isinstance(manifests, list) else ())
            if "manifest-list" in snapshot:
                yield str(snapshot["manifest-list"])

    def _read_all(self, paths: set[str], places: Sequence[Places], below: tuple[str, ...]) -> int:
        """Notes all files that manifests name; how many manifests could be read."""
        seen, left, n_read = set(paths), sorted(paths), 0
        while left:
            alive()
            path = left.pop()
            try:
                records, _, _ = read_records(self.root, path)
                lists = {str(one["manifest_path"]) for one in records if "data_file" not in one}
                files = [one["data_file"] for one in records if "data_file" in one and one.get("status") != DELETED]
                named = {str(file["file_path"]) for file in files}
            except SourceBusyError:
                raise
            except Exception:
                self.damaged.append(path)
                continue
            self.named |= named
            # a list counts as read with its manifests, of which an empty one has none
            n_read += not lists
            more = {found for name in lists for found in self._find(name, places, below)} - seen
            seen |= more
            left += sorted(more)
        return n_read

    def _find(self, recorded: str, places: Sequence[Places], below: tuple[str, ...]) -> set[str]:
        """Where a recorded file may lie now; one that lay outside of the table's folder may have any folder above."""
        found = {path for one in places if (path := one.find(recorded)) is not None}
        plain = plain_path(recorded)
        if found or plain.startswith(below or ("\0",)):
            return found
        parts = plain.split("/")
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        return {next((end for end in ends if end in self.listed), "")} - {""}

    def _written_to(self, head: Mapping[str, Any], places: Sequence[Places]) -> Iterator[str]:
        """Folders outside of the table's to which its properties send new files."""
        given = head.get("properties")
        properties = given if isinstance(given, dict) else {}
        for key in _WRITE_PATHS:
            if key in properties:
                folder = f"{plain_path(str(properties[key])).rstrip('/')}/"
                tries = (path.rstrip("/") for one in places for path in one.moved(folder))
                yield from (path for path in tries if path and path != self.folder and not self._is_own(path))


def _records_in(head: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = head.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _is_known(head: Mapping[str, Any]) -> bool:
    """Whether a metadata file is of a version of the format whose manifests could be read."""
    version = head.get("format-version", 1)
    return isinstance(version, int) and version <= NEWEST_FORMAT

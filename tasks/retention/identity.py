"""The identity of tables: taken from the lake as it lies there now, and compared with what a plan says."""

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from lakebed.connectors.errors import LakeError, PlanError
from lakebed.connectors.lake.change import file_changes
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.files import file_digest, local_path, open_file
from lakebed.connectors.lake.listing import Listing, list_lake, table_of_log
from lakebed.connectors.lake.model import FileEntry, TableSource
from lakebed.connectors.paths import folders_above
from lakebed.connectors.uris import is_object_store
from lakebed.tasks.retention.plan import MAKE_AGAIN, FileIdentity, TableIdentity

_DIGEST_THREADS = 4
_COMMIT = re.compile(r"(\d{20})\.json$")


class LakeState:
    """A lake's tables as they lie there now, by name.

    Delta's data files are those in its folder: which of them are its newest version's, the caller knows.
    """

    def __init__(self, listing: Listing, lake: LakeConfig) -> None:
        self.root = listing.root
        self.listing_identity = listing.identity
        self.sources: Mapping[str, TableSource] = {source.name: source for source in discover(listing, lake).every}
        self.files: Mapping[str, FileEntry] = {entry.path: entry for entry in listing.files}
        self._names = {(source.format, source.path or "."): name for name, source in self.sources.items()}
        self._logs: dict[str, list[FileEntry]] = defaultdict(list)
        for entry in listing.logs:
            self._logs[table_of_log(entry.path)].append(entry)
        self._led_to: dict[str, str] = {}
        for link, real in sorted(listing.links.items()):
            # what leads to no file that counts is gone with the folder that it leads into
            for place in (real,) if real in self.files else folders_above(f"{real}/"):
                self._led_to.setdefault(place, link)

    @classmethod
    def of(cls, lake: LakeConfig) -> "LakeState":
        """Lists the lake.

        Raises:
            PlanError: if it cannot be listed.
        """
        try:
            return cls(list_lake(lake), lake)
        except LakeError as error:
            raise PlanError(
                f"the plan's lake cannot be listed: {error.what}", value=error.value, hint=error.hint
            ) from error

    def name_at(self, was: TableIdentity) -> str | None:
        """What the table at this place is called now: a name loses its ending when the table it collided with goes."""
        return self._names.get((was.format, was.path))

    def link_to(self, was: TableIdentity) -> str:
        """Which symbolic link of the lake leads to a file of a table, or into its folder, in words; empty if none does.

        It would lead nowhere once the table is set aside. O(files).
        """
        places = [was.path, *(file.path for file in (*was.files, *was.log_files))] if self._led_to else []
        place = next((place for place in places if place in self._led_to), "")
        return f"the symbolic link {self._led_to[place]} leads to {place}, and would lead nowhere" if place else ""

    def link_in(self, was: TableIdentity) -> str:
        """Which file of a table, or folder on its way, is a symbolic link, in words; empty if none is. O(files)."""
        paths = [] if is_object_store(self.root) else [was.path, *(file.path for file in was.files)]
        places = dict.fromkeys(place for path in paths for place in (*folders_above(path), path) if place)
        place = next((place for place in places if os.path.islink(local_path(self.root, place))), "")
        return f"{place} is a symbolic link, and only the link would move" if place else ""

    def again(self, was: TableIdentity, *, is_going: bool = False) -> TableIdentity:
        """The same table with those of its files that are there still, as they lie there now, and the log of now.

        Of an Iceberg table that `is_going` to be set aside, all other files in its folder.
        """
        found = (self.files[file.path] for file in was.files if file.path in self.files)
        logs = self._logs["" if was.path == "." else was.path] if was.format == "delta" else []
        if was.format == "iceberg" and is_going and (name := self.name_at(was)) is not None:
            own = {file.path for file in was.files}
            logs = [entry for entry in self.sources[name].files if entry.path not in own]
        return was.model_copy(update={"files": tuple(map(_file, found)), "log_files": tuple(map(_file, logs))})

    def changes(self, was: TableIdentity) -> list[str]:
        """What makes a table another than it was, by path; for one that is to be set aside, where new files count too.

        New files in the folder of a Delta table are of other versions: its log tells, or its version where the log was
        not noted. What a commit adds to that of an Iceberg table is a change.
        """
        name = self.name_at(was)
        if name is None:
            return ["it is not there any more, or not in this format"]
        is_folder = was.format in ("delta", "iceberg")
        now = self.again(was, is_going=True) if is_folder else self.identity(name)
        changes = file_changes(was.files, now.files)
        if was.log_files:
            changes |= file_changes(was.log_files, now.log_files)
        commits = [int(match[1]) for file in now.log_files if (match := _COMMIT.search(file.path))]
        newest = max(commits, default=-1)
        if was.delta_version is not None and newest != was.delta_version:
            changes.setdefault(was.path, f"is at version {newest}, not {was.delta_version}")
        return [f"{path} {what}" for path, what in sorted(changes.items())]

    def identity(self, name: str) -> TableIdentity:
        """A table without digests, with all files that lie in its folder.

        Raises:
            PlanError: if there is no such table.
        """
        source = self.sources.get(name)
        if source is None:
            raise PlanError("a table of the plan is not in the lake", value=name, hint=MAKE_AGAIN)
        path = source.path or "."
        return self.again(
            TableIdentity(name=name, format=source.format, path=path, files=tuple(map(_file, source.files)))
        )


def digested(root: str, identities: Sequence[TableIdentity]) -> list[TableIdentity]:
    """The same with the SHA-256 of every file's bytes, read now.

    Raises:
        PlanError: if a file cannot be read.
    """
    paths = sorted({file.path for one in identities for file in (*one.files, *one.log_files)})
    with ThreadPoolExecutor(_DIGEST_THREADS) as pool:
        digests = dict(zip(paths, pool.map(lambda path: file_sha256(root, path), paths), strict=True))
    return [
        one.model_copy(
            update={
                part: tuple(file.model_copy(update={"sha256": digests[file.path]}) for file in getattr(one, part))
                for part in ("files", "log_files")
            }
        )
        for one in identities
    ]


def file_sha256(root: str, path: str) -> str:
    """Hex SHA-256 of a file's bytes.

    Raises:
        PlanError: if it cannot be read.
    """
    try:
        with open_file(root, path) as stream:
            return file_digest(stream)
    except (OSError, LakeError) as error:
        raise PlanError("a file of the plan cannot be read", value=f"{path}: {error}", hint=MAKE_AGAIN) from error


def _file(entry: FileEntry) -> FileIdentity:
    return FileIdentity(path=entry.path, size=entry.size, mtime_ns=entry.mtime_ns, etag=entry.etag, sha256=entry.sha256)

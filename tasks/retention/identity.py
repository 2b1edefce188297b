"""The identity of tables: taken from the lake as it lies there now, and compared with what a plan says."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from lakebed.connectors.errors import LakeError, PlanError
from lakebed.connectors.lake.change import file_changes
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.files import file_digest, open_file
from lakebed.connectors.lake.listing import Listing, list_lake, table_of_log
from lakebed.connectors.lake.model import FileEntry, TableSource
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

    def again(self, was: TableIdentity) -> TableIdentity:
        """The same table with those of its files that are there still, as they lie there now, and the log of now."""
        found = (self.files[file.path] for file in was.files if file.path in self.files)
        logs = self._logs["" if was.path == "." else was.path] if was.format == "delta" else []
        return was.model_copy(update={"files": tuple(map(_file, found)), "log_files": tuple(map(_file, logs))})

    def changes(self, was: TableIdentity) -> list[str]:
        """What makes a table another than it was, by path; for one that is to be set aside, where new files count too.

        New files in the folder of a Delta table are of other versions: its log tells, or its version where the log was
        not noted.
        """
        name = self.name_at(was)
        if name is None:
            return ["it is not there any more, or not in this format"]
        now = self.again(was) if was.format == "delta" else self.identity(name)
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
        table = TableIdentity(name=name, format=source.format, path=path, files=tuple(map(_file, source.files)))
        return self.again(table)


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

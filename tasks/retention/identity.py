"""The identity of tables: taken from the lake as it lies there now, and compared with what a plan says."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from lakebed.connectors.errors import LakeError, PlanError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.files import file_digest, open_file
from lakebed.connectors.lake.listing import Listing, list_lake, table_of_log
from lakebed.connectors.lake.model import FileEntry, TableSource
from lakebed.tasks.retention.plan import MAKE_AGAIN, FileIdentity, TableIdentity

_DIGEST_THREADS = 4


class LakeState:
    """A lake's tables as they lie there now, by name.

    Delta's data files are those in its folder: which of them are its newest version's, the caller knows
    (`active_files`).
    """

    def __init__(self, listing: Listing, lake: LakeConfig) -> None:
        self.root = listing.root
        self.listing_identity = listing.identity
        self.sources: Mapping[str, TableSource] = {source.name: source for source in discover(listing, lake).tables}
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

    def identity(
        self, name: str, delta_version: int | None = None, active: Iterable[str] | None = None
    ) -> TableIdentity:
        """A table without digests; `active` are the paths of a Delta table's newest version.

        Raises:
            PlanError: if there is no such table.
        """
        source = self.sources.get(name)
        if source is None:
            raise PlanError("a table of the plan is not in the lake", value=name, hint=MAKE_AGAIN)
        wanted = None if active is None else set(active)
        files = [entry for entry in source.files if wanted is None or entry.path in wanted]
        logs = self._logs[source.path] if source.format == "delta" else []
        return TableIdentity(
            name=name,
            format=source.format,
            path=source.path or ".",
            delta_version=delta_version,
            files=tuple(_file(entry) for entry in files),
            log_files=tuple(_file(entry) for entry in logs),
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

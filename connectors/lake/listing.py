"""Lists the files of a lake, and the identity of what was listed."""

import hashlib
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property

from lakebed.connectors.errors import ConfigError, SourceError
from lakebed.connectors.lake.change import mark
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.files import file_digest, local_path, open_file
from lakebed.connectors.lake.globs import matches_any
from lakebed.connectors.lake.hidden import DELTA_LOG, is_log, is_visible
from lakebed.connectors.lake.managed import (
    SINK_LOG,
    ManagedFolders,
    managed_folders,
    require_no_owner,
)
from lakebed.connectors.lake.model import FileEntry, TableSource, Unreadable
from lakebed.connectors.lake.sink import committed_files
from lakebed.connectors.lake.walk import problem_of, walk_local
from lakebed.connectors.storage import Storage, is_object_store

_STAND_IN = "._"
# what may be the catalog of a DuckLake, and what its program keeps beside it
_CATALOG = re.compile(r".+\.(?:ducklake|duckdb|ddb|sqlite3?|db3?)(?:-wal|-journal|\.wal)?", re.IGNORECASE | re.DOTALL)
_DIGEST_THREADS = 4


@dataclass(frozen=True)
class Listing:
    """The files of a lake that count, sorted by path; `problems` are folders and files that could not be looked at.

    `files` hold the data; `logs` what lies in the folders of Delta logs; `sources` are the tables of databases and
    catalogs beside the folder; `sinks` the folders that Spark's streaming sink writes, each of which is one table;
    `icebergs` those of Iceberg tables, all of whose files count; `pinned` the metadata files that catalogs name for
    these, by folder; `hudis` the folders of whole tables of Hudi, which are among the problems; `links` what the
    symbolic links in the lake's folder lead to in it: those among the files lead to others of the files; `left_out`
    the databases that the globs leave out, which may keep files that they do not.
    """

    root: str
    files: tuple[FileEntry, ...]
    logs: tuple[FileEntry, ...]
    problems: tuple[Unreadable, ...] = ()
    sources: tuple[TableSource, ...] = ()
    sinks: frozenset[str] = frozenset()
    icebergs: frozenset[str] = frozenset()
    hudis: frozenset[str] = frozenset()
    pinned: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[FileEntry, ...] = ()

    @cached_property
    def identity(self) -> str:
        """Hex SHA-256 over the root, each file's path, size and mark, and what catalogs say, with lengths before."""
        digest = hashlib.sha256()
        _add_part(digest, self.root)
        external = (entry for source in self.sources for entry in source.files)
        for entry in (*self.files, *self.logs, *external, *self.left_out):
            for part in (entry.path, str(entry.size), mark(entry.sha256, entry.etag, entry.mtime_ns)):
                _add_part(digest, part)
        for problem in self.problems:
            _add_part(digest, problem.name)
        named = [(source.name, source.metadata) for source in self.sources if source.metadata]
        for part in (part for pair in (*sorted(self.pinned.items()), *named) for part in pair):
            _add_part(digest, part)
        return digest.hexdigest()


def list_lake(config: LakeConfig) -> Listing:
    """Walks the lake once.

    Hidden files and folders (`.x`, `_x`) are left out, except Delta logs and partition folders such as `_day=1`, as
    Spark does. What lies in a folder that another system manages is left out whatever the globs say; of a streaming
    sink only the committed files count.

    Raises:
        ConfigError: if the root does not exist, is a file, lies in a managed table, or holds no file that counts.
        SourceError: if the root may not be read.
    """
    root = canonical_root(config.root)
    if not root:
        return Listing("", (), ())
    found, problems, links = (_walk_store if is_object_store(root) else walk_local)(root)
    require_no_owner(root)
    listing = _counted(root, found, config)
    if links:
        paths = {entry.path for entry in listing.files}
        kept = {one: real for one, real in links.items() if one not in paths or real in paths}
        listing = replace(listing, links=kept)
    problems += listing.problems
    if not (listing.files or listing.logs or problems or config.has_sources or config.iceberg or config.unity):
        raise empty_lake_error(root, any(is_visible(entry.path) for entry in found))
    if config.paranoid:
        listing, unread = _digest_all(listing)
        problems += unread
    return replace(listing, problems=tuple(sorted(problems, key=lambda problem: problem.name)))


def list_table(config: LakeConfig, path: str) -> Listing:
    """The listing of one table only: the file at `path`, or the files below that folder.

    Raises:
        SourceError: if it cannot be listed.
    """
    root = canonical_root(config.root)
    storage = Storage.at(root, SourceError)
    under = "" if path == "." else path
    one = storage.stat(under) if under and not _is_folder(root, under) else None
    found = [one] if one is not None else storage.list_files(under)
    return _counted(root, [FileEntry(file.path, file.size, file.mtime_ns) for file in found])


def _counted(root: str, found: Sequence[FileEntry], config: LakeConfig | None = None) -> Listing:
    """Of all that lies there what counts; a managed table is a problem, as long as the globs leave any of it."""
    managed = managed_folders(entry.path for entry in found)
    # a managed table may have no file that counts
    chosen = [FileEntry(f"{folder}/{_STAND_IN}".lstrip("/"), 0, 0) for folder in managed.folders]
    chosen += sorted((entry for entry in found if is_visible(entry.path)), key=lambda entry: entry.path)
    every, chosen = chosen, _select(chosen, config) if config else chosen
    left_out = _catalogs_among({entry.path for entry in chosen}, every) if len(chosen) < len(every) else ()
    owners = {entry.path: owner for entry in chosen if (owner := managed.owner(entry.path)) is not None}
    icebergs = frozenset(owner.folder for owner in owners.values() if owner.is_read)
    problems = {owner.folder: owner.as_unreadable() for owner in owners.values() if not owner.is_read}
    entries, torn = _committed(root, [entry for entry in chosen if entry.path not in owners], found, managed)
    if icebergs:
        entries = sorted([*entries, *_below(found, managed, icebergs)], key=lambda entry: entry.path)
    return Listing(
        root,
        tuple(entry for entry in entries if not is_log(entry.path)),
        tuple(entry for entry in entries if is_log(entry.path)),
        (*problems.values(), *torn),
        sinks=frozenset(managed.sinks),
        icebergs=icebergs,
        hudis=frozenset(
            owner.folder or "." for owner in owners.values() if owner.format == "hudi" and not owner.is_torn
        ),
        left_out=left_out,
    )


def _catalogs_among(chosen: Collection[str], every: Iterable[FileEntry]) -> tuple[FileEntry, ...]:
    return tuple(entry for entry in every if entry.path not in chosen and _CATALOG.fullmatch(entry.path))


def _below(found: Sequence[FileEntry], managed: ManagedFolders, icebergs: frozenset[str]) -> list[FileEntry]:
    """All that lies in Iceberg tables, whatever the globs leave of it: a table is read whole or not at all."""
    visible = (entry for entry in found if is_visible(entry.path) and not entry.path.endswith("/"))
    return [entry for entry in visible if (own := managed.owner(entry.path)) is not None and own.folder in icebergs]


def _committed(
    root: str, entries: list[FileEntry], found: Sequence[FileEntry], managed: ManagedFolders
) -> tuple[list[FileEntry], list[Unreadable]]:
    """Leaves out what the logs of streaming sinks do not name, and sinks that Spark could not read either."""
    if not managed.sinks:
        return entries, []
    owners = {entry.path: managed.sink(entry.path) for entry in entries}
    sizes = {entry.path: entry.size for entry in found}
    logs = [path for path in sizes if f"{SINK_LOG}/" in path]
    committed: set[str] = set()
    torn = []
    for folder in sorted({owner for owner in owners.values() if owner is not None}):
        try:
            named = committed_files(root, folder, logs)
            if wrong := [path for path, size in named.items() if sizes.get(path) != size]:
                raise SourceError("a file that the log of the streaming sink names is not as it says", value=wrong[0])
            committed |= named.keys()
        except SourceError as error:
            torn.append(Unreadable(folder or ".", "sink", f"{error.what}: {error.value}", "see the job that writes it"))
    return [entry for entry in entries if owners[entry.path] is None or entry.path in committed], torn


def _is_folder(root: str, path: str) -> bool:
    return not is_object_store(root) and os.path.isdir(local_path(root, path))


def canonical_root(root: str) -> str:
    """The root as it is known everywhere: an absolute path, or the address without a slash at its end; "" is none."""
    if not root:
        return ""
    return root.rstrip("/") if is_object_store(root) else os.path.abspath(local_path(root))


def table_of_log(path: str) -> str:
    """The folder of the Delta table that a file of a log belongs to."""
    parts = path.split("/")
    return "/".join(parts[: parts.index(DELTA_LOG)])


def _walk_store(root: str) -> tuple[list[FileEntry], list[Unreadable], dict[str, str]]:
    problems: list[Unreadable] = []
    files = Storage.at(root, SourceError).list_files(
        on_error=lambda path, reason: problems.append(Unreadable(path, "", reason))
    )
    if problems and not files:
        raise SourceError(
            problems[0].reason, value=root, hint="check the address and the credentials in the environment"
        )
    return [FileEntry(file.path, file.size, file.mtime_ns, getattr(file, "etag", "")) for file in files], problems, {}


def empty_lake_error(root: str, has_files: bool) -> ConfigError:
    """The error of a lake in which there is nothing to read."""
    return ConfigError(
        "the lake holds no table" if has_files else "the lake is empty",
        value=root,
        expected="at least one Parquet, Delta, CSV or JSON lines file that is not hidden",
        hint="check `--lake`, and `include` and `exclude` in the lake section of the config",
    )


def _select(entries: Iterable[FileEntry], config: LakeConfig) -> list[FileEntry]:
    """The entries that the globs leave; a log follows its table, which counts as long as any part of it does."""
    include, exclude = config.include, config.exclude
    entries = [entry for entry in entries if not matches_any(entry.path, exclude)]
    if not include:
        return entries
    tables = {table_of_log(entry.path) for entry in entries if is_log(entry.path)}
    chosen = [entry for entry in entries if matches_any(entry.path, include)]
    prefixes = [f"{table}/" if table else "" for table in tables]
    kept = tuple(prefix for prefix in prefixes if any(entry.path.startswith(prefix) for entry in chosen))
    return [entry for entry in entries if entry.path.startswith(kept) or matches_any(entry.path, include)]


def _digest_all(listing: Listing) -> tuple[Listing, list[Unreadable]]:
    with ThreadPoolExecutor(_DIGEST_THREADS) as pool:
        results = list(pool.map(lambda entry: _digest(listing.root, entry), (*listing.files, *listing.logs)))
    digested = [result for result in results if isinstance(result, FileEntry)]
    files = tuple(entry for entry in digested if not is_log(entry.path))
    logs = tuple(entry for entry in digested if is_log(entry.path))
    return replace(listing, files=files, logs=logs), [bad for bad in results if isinstance(bad, Unreadable)]


def _digest(root: str, entry: FileEntry) -> FileEntry | Unreadable:
    try:
        with open_file(root, entry.path) as stream:
            digest = file_digest(stream)
    except OSError as error:
        return problem_of(entry.path, error)
    except SourceError as error:
        return Unreadable(entry.path, "", error.what, error.hint)
    return replace(entry, sha256=digest)


def _add_part(digest: "hashlib._Hash", part: str) -> None:
    data = part.encode("utf-8", "surrogateescape")
    digest.update(len(data).to_bytes(8, "little"))
    digest.update(data)

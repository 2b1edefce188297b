"""Lists the files of a lake, and the identity of what was listed."""

from __future__ import annotations

import hashlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from lakebed.connectors.errors import ConfigError, LakeError, SourceError
from lakebed.connectors.lake.files import local_path, open_file
from lakebed.connectors.lake.globs import matches_any
from lakebed.connectors.lake.model import FileEntry, TableSource, Unreadable
from lakebed.connectors.storage import Storage, is_object_store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lakebed.connectors.lake.config import LakeConfig

DELTA_LOG = "_delta_log"
POINTER_ENDING = ".lakebed.json"
_DIGEST_BLOCK = 1 << 20
_DIGEST_THREADS = 4


@dataclass(frozen=True)
class Listing:
    """The files of a lake that count, sorted by path; `problems` are folders and files that could not be looked at.

    `files` hold the data; `logs` what lies in the folders of Delta logs; `sources` are the tables of databases and
    catalogs beside the folder.
    """

    root: str
    files: tuple[FileEntry, ...]
    logs: tuple[FileEntry, ...]
    problems: tuple[Unreadable, ...] = ()
    sources: tuple[TableSource, ...] = ()

    @cached_property
    def identity(self) -> str:
        """Hex SHA-256 over the root and each file's path, size and time (or ETag, or digest), with lengths before."""
        digest = hashlib.sha256()
        _add_part(digest, self.root)
        external = (entry for source in self.sources for entry in source.files)
        for entry in (*self.files, *self.logs, *external):
            for part in (entry.path, str(entry.size), entry.sha256 or entry.etag or str(entry.mtime_ns)):
                _add_part(digest, part)
        for problem in self.problems:
            _add_part(digest, problem.name)
        return digest.hexdigest()


def list_lake(config: LakeConfig) -> Listing:
    """Walks the lake.

    Hidden files and folders (`.x`, `_x`) are left out, except Delta logs and partition folders such as `_day=1`, as
    Spark does; so are the pointer files that stand in for tables set aside.

    Raises:
        ConfigError: if the root does not exist, is a file, or holds no file that counts.
        SourceError: if the root may not be read.
    """
    root = canonical_root(config.root)
    if not root:
        return Listing("", (), ())
    found, problems = (_walk_store if is_object_store(root) else _walk_local)(root)
    visible = sorted((entry for entry in found if _is_visible(entry.path)), key=lambda entry: entry.path)
    selected = _select(visible, config)
    if not selected and not problems and not config.has_sources:
        raise empty_lake_error(root, bool(visible))
    if config.paranoid:
        selected, problems = _digest_all(root, selected, problems)
    return Listing(
        root,
        tuple(entry for entry in selected if not _is_log(entry.path)),
        tuple(entry for entry in selected if _is_log(entry.path)),
        tuple(sorted(problems, key=lambda problem: problem.name)),
    )


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
    entries = [FileEntry(file.path, file.size, file.mtime_ns) for file in found if _is_visible(file.path)]
    return Listing(
        root,
        tuple(entry for entry in entries if not _is_log(entry.path)),
        tuple(entry for entry in entries if _is_log(entry.path)),
    )


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


def _walk_store(root: str) -> tuple[list[FileEntry], list[Unreadable]]:
    problems: list[Unreadable] = []
    files = Storage.at(root, SourceError).list_files(
        on_error=lambda path, reason: problems.append(Unreadable(path, "", reason))
    )
    if problems and not files:
        raise SourceError(
            problems[0].reason, value=root, hint="check the address and the credentials in the environment"
        )
    return [FileEntry(file.path, file.size, file.mtime_ns, getattr(file, "etag", "")) for file in files], problems


def _walk_local(root: str) -> tuple[list[FileEntry], list[Unreadable]]:
    _check_root(root)
    files: list[FileEntry] = []
    problems: list[Unreadable] = []
    folders, seen = [(root, "")], {_root_identity(root)}
    while folders:
        folder, prefix = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    _visit(entry, prefix, (folders, seen), (files, problems))
        except OSError as error:
            if not prefix:
                raise _root_error(root, error) from error
            problems.append(_problem(prefix.rstrip("/"), error))
    return files, problems


def _visit(
    entry: os.DirEntry[str],
    prefix: str,
    walk: tuple[list[tuple[str, str]], set[tuple[int, int]]],
    result: tuple[list[FileEntry], list[Unreadable]],
) -> None:
    """Adds one entry of a folder to the walk or to the result; a folder reached twice by links is walked once."""
    path = prefix + entry.name
    try:
        if not _is_text(path):
            raise OSError("the name is not valid UTF-8, rename it")
        facts = entry.stat()
        if stat.S_ISDIR(facts.st_mode):
            if _is_visible(f"{path}/x") and _identity(facts) not in walk[1]:
                walk[1].add(_identity(facts))
                walk[0].append((entry.path, f"{path}/"))
        elif stat.S_ISREG(facts.st_mode) and _is_visible(path):
            result[0].append(FileEntry(path, facts.st_size, facts.st_mtime_ns))
    except OSError as error:
        result[1].append(_problem(path, error))


def _check_root(root: str) -> None:
    if not os.path.lexists(root):
        raise ConfigError(
            "the lake does not exist",
            value=root,
            expected="a folder, or an object store's address such as s3://bucket/prefix",
            hint="check `--lake` or `root` in the lake section of the config",
        )
    if os.path.isfile(root):
        raise ConfigError(
            "the lake is a file, not a folder",
            value=root,
            expected="the folder that holds the tables",
            hint=f"lakebed run --lake {os.path.dirname(root) or '.'}",
        )


def _root_identity(root: str) -> tuple[int, int]:
    """Raises: SourceError: if the root is a link to nowhere, or in a circle."""
    try:
        return _identity(os.stat(root))
    except OSError as error:
        raise _root_error(root, error) from error


def _root_error(root: str, error: OSError) -> LakeError:
    return SourceError(
        f"the lake cannot be listed: {error.strerror or error}",
        value=root,
        expected="a folder that this user may read",
        hint="give this user the right to read it, or choose another folder",
    )


def empty_lake_error(root: str, has_files: bool) -> ConfigError:
    """The error of a lake in which there is nothing to read."""
    return ConfigError(
        "the lake holds no table" if has_files else "the lake is empty",
        value=root,
        expected="at least one Parquet, Delta, CSV or JSON lines file that is not hidden",
        hint="check `--lake`, and `include` and `exclude` in the lake section of the config",
    )


def _problem(path: str, error: OSError) -> Unreadable:
    name = path.encode("utf-8", "backslashreplace").decode("utf-8")
    return Unreadable(name, "", error.strerror or str(error), "give this user the right to read it, or exclude it")


def _is_text(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _identity(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_dev, facts.st_ino


def is_visible(path: str) -> bool:
    """Whether a path below the root counts: no part of it is hidden, and it is no pointer file."""
    return _is_visible(path)


def _is_visible(path: str) -> bool:
    *folders, name = path.split("/")
    if DELTA_LOG in folders:
        folders, name = folders[: folders.index(DELTA_LOG)], name.lstrip("_")
    is_open = not any(part.startswith(("_", ".")) and not _is_open_folder(part) for part in folders)
    return is_open and not name.startswith(("_", ".")) and not name.endswith(POINTER_ENDING)


def _is_open_folder(name: str) -> bool:
    """Whether a folder counts although its name begins with an underscore: a Delta log, or a partition as in Spark."""
    return name == DELTA_LOG or (name.startswith("_") and "=" in name)


def _is_log(path: str) -> bool:
    return DELTA_LOG in path.split("/")[:-1]


def _select(entries: Iterable[FileEntry], config: LakeConfig) -> list[FileEntry]:
    """The entries that the globs leave; a log follows its table, which counts as long as any part of it does."""
    include, exclude = config.include, config.exclude
    entries = [entry for entry in entries if not matches_any(entry.path, exclude)]
    if not include:
        return entries
    tables = {table_of_log(entry.path) for entry in entries if _is_log(entry.path)}
    chosen = [entry for entry in entries if matches_any(entry.path, include)]
    prefixes = [f"{table}/" if table else "" for table in tables]
    kept = tuple(prefix for prefix in prefixes if any(entry.path.startswith(prefix) for entry in chosen))
    return [entry for entry in entries if entry.path.startswith(kept) or matches_any(entry.path, include)]


def _digest_all(
    root: str, entries: list[FileEntry], problems: list[Unreadable]
) -> tuple[list[FileEntry], list[Unreadable]]:
    with ThreadPoolExecutor(_DIGEST_THREADS) as pool:
        results = list(pool.map(lambda entry: _digest(root, entry), entries))
    digested = [result for result in results if isinstance(result, FileEntry)]
    return digested, problems + [result for result in results if isinstance(result, Unreadable)]


def _digest(root: str, entry: FileEntry) -> FileEntry | Unreadable:
    digest = hashlib.sha256()
    try:
        with open_file(root, entry.path) as stream:
            while block := stream.read(_DIGEST_BLOCK):
                digest.update(block)
    except OSError as error:
        return _problem(entry.path, error)
    except SourceError as error:
        return Unreadable(entry.path, "", error.what, error.hint)
    return replace(entry, sha256=digest.hexdigest())


def _add_part(digest: hashlib._Hash, part: str) -> None:
    data = part.encode("utf-8", "surrogateescape")
    digest.update(len(data).to_bytes(8, "little"))
    digest.update(data)

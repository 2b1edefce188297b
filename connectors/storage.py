"""Files of a lake or of an artifact root: a local folder, or a prefix of an object store.

Local folders go through `os`, because `pyarrow.fs` needs several times as long to list some thousand files.
"""

import contextlib
import errno
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from lakebed.connectors.errors import ArtifactError, LakeError

OBJECT_STORES = ("s3://", "s3a://", "gs://", "gcs://", "abfs://", "abfss://")

_REASONS = {
    errno.EACCES: ("no permission", "give this user the right, or choose another folder"),
    errno.EPERM: ("no permission", "give this user the right, or choose another folder"),
    errno.EROFS: ("the file system is read-only", "choose a folder that can be written"),
    errno.ENOSPC: ("the disk is full", "free some space, or choose another folder"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, or choose another folder"),
    errno.ENOENT: ("there is no such file or folder", "check the path"),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "check the path"),
    errno.EEXIST: ("a part of the path is a file, not a folder", "check the path"),
    errno.EISDIR: ("the path is a folder, not a file", "check the path"),
}


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file: path below the storage's root, size in bytes, time of its last change; tag and digest if known."""

    path: str
    size: int
    mtime_ns: int
    etag: str = ""
    sha256: str = ""


def is_object_store(uri: str) -> bool:
    """Whether `uri` names an object store, not a local path."""
    return uri.startswith(OBJECT_STORES)


def join_uri(root: str, *parts: str) -> str:
    """`root` and the parts below it, with one slash between them."""
    below = "/".join(part.strip("/") for part in parts if part.strip("/"))
    return f"{root.rstrip('/')}/{below}" if below else root


def storage_error(error: OSError, action: str, path: str, kind: type[LakeError] = ArtifactError) -> LakeError:
    """The typed error for a failed file operation: what failed, why, and what to do."""
    why, hint = _REASONS.get(error.errno or 0, (error.strerror or str(error), "see the reason above"))
    return kind(f"cannot {action}: {why}", value=path, hint=hint)


class Storage(ABC):
    """Reading and writing below one root; every path is relative to it, with "/" between parts."""

    root: str
    is_local: bool

    @staticmethod
    def at(uri: str, error: type[LakeError] = ArtifactError) -> "Storage":
        """The storage at `uri`; its failures are raised as `error`."""
        if not is_object_store(uri):
            return LocalStorage(uri, error)
        from lakebed.connectors.object_storage import ObjectStorage

        return ObjectStorage(uri, error)

    @abstractmethod
    def list_files(self, under: str = "", on_error: Callable[[str, str], None] | None = None) -> list[StoredFile]:
        """Every file below `under`, sorted by path.

        Args:
            under: folder below the root; "" is the root itself.
            on_error: called with (folder, reason) for a folder that cannot be listed; without it that raises.
        """

    @abstractmethod
    def list_folders(self, under: str = "") -> list[str]:
        """The names of the folders directly below `under`, sorted; none if it is missing."""

    @abstractmethod
    def stat(self, path: str) -> StoredFile | None:
        """The file at `path`, or None."""

    def stats(self) -> Callable[[str], StoredFile | None]:
        """As `stat`, for many files: locally asked one by one; of an object store listed now, a thousand a request."""
        return self.stat if self.is_local else {file.path: file for file in self.list_files()}.get

    @abstractmethod
    def exists(self, path: str) -> bool:
        """Whether a file or folder lies at `path`."""

    @abstractmethod
    def open(self, path: str) -> BinaryIO:
        """A seekable stream for reading; the caller closes it."""

    @abstractmethod
    def write_bytes_atomic(self, path: str, data: bytes) -> None:
        """Write a file so that a reader sees the old content or the new, never a part."""

    @abstractmethod
    def open_output(self, path: str) -> BinaryIO:
        """A stream for writing a new file, which is whole only once the stream is closed; the caller closes it."""

    @abstractmethod
    def arrow(self) -> tuple[Any, str]:
        """Arrow's own file system for this storage, and the root's path in it."""

    @abstractmethod
    def make_folder(self, path: str = "") -> None:
        """Make a folder and those above it; object stores have none, so nothing is done there."""

    @abstractmethod
    def delete_folder(self, path: str) -> None:
        """Delete a folder with all in it; a missing one is fine."""

    @abstractmethod
    def delete_file(self, path: str) -> None:
        """Delete a file; a missing one is fine."""

    def read_bytes(self, path: str) -> bytes:
        """The whole content of a file."""
        with self.open(path) as stream:
            return stream.read()

    def read_if_there(self, path: str) -> bytes | None:
        """The whole content of a file, None where there is none; one request on an object store."""
        return self.read_bytes(path) if self.stat(path) is not None else None

    def uri(self, *parts: str) -> str:
        """The full path or URI of something below the root."""
        return join_uri(self.root, *parts)


class LocalStorage(Storage):
    """A folder of this machine."""

    is_local = True

    def __init__(self, uri: str, error: type[LakeError] = ArtifactError) -> None:
        self.root = os.path.abspath(Path(uri.removeprefix("file://")).expanduser())
        self._error = error

    def list_files(self, under: str = "", on_error: Callable[[str, str], None] | None = None) -> list[StoredFile]:
        """See `Storage.list_files`; a folder reached twice through symbolic links is listed once."""
        found: list[StoredFile] = []
        seen: set[tuple[int, int]] = set()
        folders = [self._path(under)]
        while folders:
            folder = folders.pop()
            try:
                if not _is_new(folder, seen):
                    continue
                folders += self._scan(folder, found)
            except OSError as error:
                failure = storage_error(error, "list the folder", folder, self._error)
                if on_error is None:
                    raise failure from error
                on_error(self._relative(folder), failure.what)
        return sorted(found, key=lambda file: file.path)

    def list_folders(self, under: str = "") -> list[str]:
        """See `Storage.list_folders`."""
        with self._typed("list the folder", under), contextlib.suppress(FileNotFoundError):
            with os.scandir(self._path(under)) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir())
        return []

    def stat(self, path: str) -> StoredFile | None:
        """See `Storage.stat`."""
        try:
            facts = os.stat(self._path(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise storage_error(error, "look at the file", self._path(path), self._error) from error
        return StoredFile(path, facts.st_size, facts.st_mtime_ns)

    def exists(self, path: str) -> bool:
        """See `Storage.exists`."""
        return os.path.exists(self._path(path))

    def open(self, path: str) -> BinaryIO:
        """See `Storage.open`."""
        with self._typed("read the file", path):
            return open(self._path(path), "rb")

    def write_bytes_atomic(self, path: str, data: bytes) -> None:
        """See `Storage.write_bytes_atomic`: a temporary file beside it, fsync, rename, fsync of the folder."""
        target = self._path(path)
        with self._typed("write the file", path):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=os.path.dirname(target))
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.chmod(temporary, 0o644 & ~_umask())
                os.replace(temporary, target)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
            _sync_folder(os.path.dirname(target))

    def open_output(self, path: str) -> BinaryIO:
        """See `Storage.open_output`."""
        target = self._path(path)
        with self._typed("write the file", path):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            return open(target, "wb")

    def arrow(self) -> tuple[Any, str]:
        """See `Storage.arrow`."""
        from pyarrow import fs

        return fs.LocalFileSystem(), self._path("")

    def make_folder(self, path: str = "") -> None:
        """See `Storage.make_folder`."""
        with self._typed("make the folder", path):
            os.makedirs(self._path(path), exist_ok=True)

    def delete_folder(self, path: str) -> None:
        """See `Storage.delete_folder`."""
        with self._typed("delete the folder", path), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._path(path))

    def delete_file(self, path: str) -> None:
        """See `Storage.delete_file`."""
        with self._typed("delete the file", path), contextlib.suppress(FileNotFoundError):
            os.unlink(self._path(path))

    def _scan(self, folder: str, found: list[StoredFile]) -> list[str]:
        """Append the folder's files to `found`; return its folders."""
        folders = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    folders.append(entry.path)
                elif entry.is_file():
                    facts = entry.stat()
                    found.append(StoredFile(self._relative(entry.path), facts.st_size, facts.st_mtime_ns))
        return folders

    def _path(self, path: str) -> str:
        if path.startswith("/"):
            return path
        return os.path.join(self.root, *path.split("/")) if path else self.root

    def _relative(self, path: str) -> str:
        return "" if path == self.root else path[len(self.root.rstrip(os.sep)) + 1 :].replace(os.sep, "/")

    @contextlib.contextmanager
    def _typed(self, action: str, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise storage_error(error, action, self._path(path), self._error) from error


def _is_new(folder: str, seen: set[tuple[int, int]]) -> bool:
    facts = os.stat(folder)
    identity = (facts.st_dev, facts.st_ino)
    if identity in seen:
        return False
    seen.add(identity)
    return True


def _umask() -> int:
    """This process's umask, which can only be asked for by setting it, but on Linux."""
    with contextlib.suppress(OSError, StopIteration), open("/proc/self/status") as lines:
        return int(next(line for line in lines if line.startswith("Umask:")).split()[1], 8)
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sync_folder(folder: str) -> None:
    """Make a rename durable; file systems that cannot sync a folder are left alone."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

"""Files of a lake or of an artifact root: a local folder, or a prefix of an object store.

Local folders go through `os`, because `pyarrow.fs` needs several times as long to list some thousand files.
"""

import contextlib
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

from lakebed.connectors.errors import ArtifactError, LakeError, Transient
from lakebed.connectors.local_files import is_new, storage_error, write_atomic
from lakebed.connectors.object_client import address_error, client, note_client, store_error, typed
from lakebed.connectors.uris import is_object_store, join_uri

__all__ = [
    "LocalStorage",
    "ObjectStorage",
    "Storage",
    "StoredFile",
    "arrow_file_system",
    "is_object_store",
    "join_uri",
    "storage_error",
]


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file: path below the storage's root, size in bytes, time of its last change; tag and digest if known."""

    path: str
    size: int
    mtime_ns: int
    etag: str = ""
    sha256: str = ""


class Storage(ABC):
    """Reading and writing below one root; every path is relative to it, with "/" between parts."""

    root: str
    is_local: bool

    @staticmethod
    def at(uri: str, error: type[LakeError] = ArtifactError) -> "Storage":
        """The storage at `uri`; its failures are raised as `error`."""
        return ObjectStorage(uri, error) if is_object_store(uri) else LocalStorage(uri, error)

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
                if not is_new(folder, seen):
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
            write_atomic(target, data)

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


class ObjectStorage(Storage):
    """A prefix of an object store, with credentials and endpoint of the environment.

    Single objects go through `obstore`: one request each, where Arrow asks first and leaves markers of folders behind.
    Listings and streams go through Arrow's file systems, which Arrow's readers want anyway.
    """

    is_local = False

    def __init__(self, uri: str, error: type[LakeError] = ArtifactError) -> None:
        self.root = uri.rstrip("/")
        self._error = error
        self._objects = client(self.root, error)

    def list_files(self, under: str = "", on_error: Callable[[str, str], None] | None = None) -> list[StoredFile]:
        """See `Storage.list_files`."""
        try:
            return self._listed(under, may_miss=bool(under))
        except OSError as error:
            failure = store_error(str(error), "list the prefix", join_uri(self.root, under), self._error)
            if on_error is None or isinstance(failure, Transient):
                raise failure from error
            on_error(under, failure.what)
            return []

    def _listed(self, under: str, *, may_miss: bool) -> list[StoredFile]:
        from pyarrow import fs

        infos = self._arrow[0].get_file_info(
            fs.FileSelector(self._path(under), recursive=True, allow_not_found=may_miss)
        )
        files = [self._stored(info) for info in infos if info.type == fs.FileType.File]
        return sorted(files, key=lambda file: file.path)

    def list_folders(self, under: str = "") -> list[str]:
        """See `Storage.list_folders`."""
        import obstore

        with self._asking("list the prefix", under):
            found = obstore.list_with_delimiter(self._objects, under or None)["common_prefixes"]
        return sorted(prefix.rsplit("/", 1)[-1] for prefix in found)

    def stat(self, path: str) -> StoredFile | None:
        """See `Storage.stat`; the time is in whole seconds."""
        import obstore

        if not path:
            return None
        try:
            with self._asking("look at the object", path, may_miss=True):
                meta = obstore.head(self._objects, path)
        except FileNotFoundError:
            return None
        return StoredFile(path, meta["size"], int(meta["last_modified"].timestamp()) * 1_000_000_000)

    def exists(self, path: str) -> bool:
        """See `Storage.exists`: an object, or a prefix with objects below."""
        import obstore

        if self.stat(path) is not None:
            return True
        with self._asking("look at the prefix", path):
            return bool(next(iter(obstore.list(self._objects, path or None, chunk_size=1)), None))

    def open(self, path: str) -> BinaryIO:
        """See `Storage.open`."""
        with self._streaming("read the object", path):
            return cast("BinaryIO", self._arrow[0].open_input_file(self._path(path)))

    def read_bytes(self, path: str) -> bytes:
        """See `Storage.read_bytes`."""
        data = self.read_if_there(path)
        if data is None:
            raise store_error(_MISSING, "read the object", join_uri(self.root, path), self._error)
        return data

    def read_if_there(self, path: str) -> bytes | None:
        """See `Storage.read_if_there`."""
        import obstore

        try:
            with self._asking("read the object", path, may_miss=True):
                return bytes(obstore.get(self._objects, path).bytes())
        except FileNotFoundError:
            return None

    def write_bytes_atomic(self, path: str, data: bytes) -> None:
        """See `Storage.write_bytes_atomic`: one put, which an object store makes visible at once."""
        import obstore

        with self._asking("write the object", path):
            obstore.put(self._objects, path, data)

    def open_output(self, path: str) -> BinaryIO:
        """See `Storage.open_output`."""
        with self._streaming("write the object", path):
            # Arrow would pack what goes into a file whose name ends in `.gz`, packed already or not
            return cast("BinaryIO", self._arrow[0].open_output_stream(self._path(path), compression=None))

    def arrow(self) -> tuple[Any, str]:
        """See `Storage.arrow`."""
        return self._arrow[0], self._path("")

    def make_folder(self, path: str = "") -> None:
        """See `Storage.make_folder`."""

    def delete_folder(self, path: str) -> None:
        """See `Storage.delete_folder`; S3 deletes a thousand objects a request."""
        import obstore

        try:
            paths = [file.path for file in self._listed(path, may_miss=True)]
        except OSError as error:
            raise store_error(str(error), "list the prefix", join_uri(self.root, path), self._error) from error
        if paths:
            with self._asking("delete the prefix", path, may_miss=True), contextlib.suppress(FileNotFoundError):
                obstore.delete(self._objects, paths)

    def delete_file(self, path: str) -> None:
        """See `Storage.delete_file`."""
        import obstore

        with contextlib.suppress(FileNotFoundError), self._asking("delete the object", path, may_miss=True):
            obstore.delete(self._objects, path)

    @cached_property
    def _arrow(self) -> tuple[Any, str]:
        """Arrow's file system and the root's path in it, made when they are first needed."""
        import pyarrow as pa

        try:
            return arrow_file_system(self.root)
        except (pa.ArrowInvalid, ValueError, OSError) as failure:
            raise address_error(str(failure), self.root, self._error) from failure

    def _path(self, path: str) -> str:
        base = self._arrow[1]
        return f"{base.rstrip('/')}/{path}" if path else base

    def _stored(self, info: Any) -> StoredFile:
        return StoredFile(info.path[len(self._arrow[1].rstrip("/")) + 1 :], info.size, info.mtime_ns or 0)

    def _asking(self, action: str, path: str, *, may_miss: bool = False) -> contextlib.AbstractContextManager[None]:
        return typed(action, join_uri(self.root, path), self._error, may_miss=may_miss)

    @contextlib.contextmanager
    def _streaming(self, action: str, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise store_error(str(error), action, join_uri(self.root, path), self._error) from error


_MISSING = "there is no such object"


def arrow_file_system(uri: str) -> tuple[Any, str]:
    """Arrow's file system for an object store, and the path in it; on S3 a small file is one put, not three requests.

    Raises:
        OSError, ValueError: if the address is none, or the store cannot be used.
    """
    from pyarrow import fs

    note_client()
    scheme, _, rest = uri.partition("://")
    if scheme in ("s3", "s3a"):
        uri = f"s3://{rest}{'&' if '?' in rest else '?'}allow_delayed_open=true"
    return cast("tuple[Any, str]", fs.FileSystem.from_uri(uri))

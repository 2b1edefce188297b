"""A prefix of an object store, with credentials and endpoint of the environment.

Single objects go through `obstore`: one request each, where Arrow asks first and leaves markers of folders behind.
Listings and streams go through Arrow's file systems, which Arrow's readers want anyway.
"""

import contextlib
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, BinaryIO, cast

from lakebed.connectors.errors import ArtifactError, LakeError, Transient
from lakebed.connectors.object_client import address_error, client, store_error, typed
from lakebed.connectors.storage import Storage, StoredFile, join_uri


class ObjectStorage(Storage):
    """A prefix of an object store."""

    is_local = False

    def __init__(self, uri: str, error: type[LakeError] = ArtifactError) -> None:
        self.root = uri.rstrip("/")
        self._error = error
        self._objects = client(self.root, error)

    def list_files(self, under: str = "", on_error: Callable[[str, str], None] | None = None) -> list[StoredFile]:
        """See `Storage.list_files`."""
        from pyarrow import fs

        selector = fs.FileSelector(self._path(under), recursive=True, allow_not_found=bool(under))
        try:
            infos = self._arrow[0].get_file_info(selector)
        except OSError as error:
            failure = store_error(str(error), "list the prefix", join_uri(self.root, under), self._error)
            if on_error is None or isinstance(failure, Transient):
                raise failure from error
            on_error(under, failure.what)
            return []
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

        if paths := [file.path for file in self.list_files(path)]:
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

    scheme, _, rest = uri.partition("://")
    if scheme in ("s3", "s3a"):
        uri = f"s3://{rest}{'&' if '?' in rest else '?'}allow_delayed_open=true"
    return cast("tuple[Any, str]", fs.FileSystem.from_uri(uri))

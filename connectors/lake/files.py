"""Opens a file of a lake: local paths here, object stores through `lakebed.connectors.storage`."""

import hashlib
import io
import os
from collections.abc import Sequence
from typing import BinaryIO

import pyarrow as pa

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.isolated import alive
from lakebed.connectors.storage import Storage, is_object_store, join_uri

# below this an object costs less to fetch than a second request does
WHOLE_OBJECT_BYTES = 4 << 20
_TAIL_BYTES = 1 << 16
_BLOCK, _FETCH_BYTES = 1 << 20, 1 << 23


def local_path(root: str, path: str = "") -> str:
    """The path on this machine of something below a local root."""
    base = os.path.expanduser(root.removeprefix("file://"))
    return os.path.join(base, path) if path else base


def place_uri(root: str, path: str) -> str:
    """The address of something below a root; "." is the root, and what a catalog keeps elsewhere is absolute."""
    if path.startswith("/"):
        return path
    return join_uri(root, path) if path not in ("", ".") else root


def open_file(root: str, path: str, n_bytes: int | None = None) -> pa.NativeFile | BinaryIO:
    """Opens `path` below `root` for random reads.

    Args:
        root: of the lake.
        path: below it.
        n_bytes: about its size, where that is known; of an object store a small file comes whole, in one request.

    Raises:
        OSError: if there is no such file or it may not be read.
        SourceError: the same on an object store.
    """
    if is_object_store(root) and not path.startswith("/"):
        storage = Storage.at(root, SourceError)
        is_small = n_bytes is not None and n_bytes <= WHOLE_OBJECT_BYTES
        return pa.BufferReader(storage.read_bytes(path)) if is_small else storage.open(path)
    return pa.OSFile(local_path(root, path), "rb")


def fetch_file(root: str, path: str, folder: str, beside: Sequence[str]) -> str:
    """Copies an object to a folder of this machine, with those beside it that are there; gives its path there.

    Args:
        root: of the lake, on an object store.
        path: of the object, below it.
        folder: on this machine.
        beside: what the names of the others have behind that of the first.

    Raises:
        SourceError: if one cannot be read.
    """
    storage = Storage.at(root, SourceError)
    for end in ("", *(end for end in beside if storage.stat(f"{path}{end}") is not None)):
        with open_file(root, f"{path}{end}") as source, open(f"{folder}/copy{end}", "wb") as copy:
            while block := source.read(_FETCH_BYTES):
                alive()
                copy.write(block)
    return f"{folder}/copy"


def file_end(root: str, path: str, n_bytes: int) -> bytes:
    """The end of a Parquet file of an object store, its footer and the eight bytes behind it included.

    Args:
        root: of the lake.
        path: below it.
        n_bytes: the file's size.

    Raises:
        SourceError: if the object cannot be read.
    """
    with open_file(root, path, n_bytes) as source:
        if n_bytes > WHOLE_OBJECT_BYTES:
            source.seek(n_bytes - _TAIL_BYTES)
        tail = bytes(source.read())
        # the size of the footer is to be believed in front of its sign alone
        n_footer = int.from_bytes(tail[-8:-4], "little") + 8 if tail.endswith(b"PAR1") else 0
        if n_bytes <= WHOLE_OBJECT_BYTES:
            return tail[-max(_TAIL_BYTES, n_footer) :]
        if _TAIL_BYTES < n_footer <= n_bytes:
            source.seek(n_bytes - n_footer)
            tail = bytes(source.read(n_footer - _TAIL_BYTES)) + tail
        return tail


class FileEnd(io.RawIOBase):
    """A file of which only the last bytes are at hand: what lies before them cannot be read.

    Args:
        data: the last bytes.
        n_bytes: the file's size.
    """

    def __init__(self, data: bytes, n_bytes: int) -> None:
        super().__init__()
        self._data, self._size, self._place = data, n_bytes, 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The place."""
        return self._place

    def seek(self, offset: int, whence: int = 0) -> int:
        """Goes to a place, as of any file."""
        self._place = offset + (0, self._place, self._size)[whence]
        return self._place

    def read(self, size: int = -1) -> bytes:
        """Bytes from the place on.

        Raises:
            OSError: if they lie before those at hand.
        """
        start = self._place - (self._size - len(self._data))
        if start < 0:
            raise OSError(f"byte {self._place} of {self._size} was not fetched")
        found = self._data[start:] if size < 0 else self._data[start : start + size]
        self._place += len(found)
        return found


def file_digest(stream: pa.NativeFile | BinaryIO) -> str:
    """Hex SHA-256 of a stream's bytes, from where it stands."""
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()

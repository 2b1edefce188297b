"""Opens a file of a lake: local paths here, object stores through `lakebed.connectors.storage`."""

import hashlib
import os
from typing import BinaryIO

import pyarrow as pa

from lakebed.connectors.errors import SourceError
from lakebed.connectors.storage import Storage, is_object_store, join_uri

# below this an object costs less to fetch than a second request does
WHOLE_OBJECT_BYTES = 4 << 20
_BLOCK = 1 << 20


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


def file_digest(stream: pa.NativeFile | BinaryIO) -> str:
    """Hex SHA-256 of a stream's bytes, from where it stands."""
    digest = hashlib.sha256()
    while block := stream.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()

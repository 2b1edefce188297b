"""Opens a file of a lake: local paths here, object stores through `connectors.storage`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pyarrow as pa

from connectors.errors import SourceError
from connectors.storage import Storage, is_object_store, join_uri

if TYPE_CHECKING:
    from typing import BinaryIO


def local_path(root: str, path: str = "") -> str:
    """The path on this machine of something below a local root."""
    base = os.path.expanduser(root.removeprefix("file://"))
    return os.path.join(base, path) if path else base


def place_uri(root: str, path: str) -> str:
    """The address of something below a root; "." is the root, and what a catalog keeps elsewhere is absolute."""
    if path.startswith("/"):
        return path
    return join_uri(root, path) if path not in ("", ".") else root


def open_file(root: str, path: str) -> pa.NativeFile | BinaryIO:
    """Opens `path` below `root` for random reads.

    Raises:
        OSError: if there is no such file or it may not be read.
        SourceError: the same on an object store.
    """
    if is_object_store(root) and not path.startswith("/"):
        return Storage.at(root, SourceError).open(path)
    return pa.OSFile(local_path(root, path), "rb")

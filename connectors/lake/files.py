"""Opens a file of a lake: local paths here, object stores through `connectors.storage`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from pathlib import Path


def is_local(root: str) -> bool:
    """Whether a lake's root is a path of this machine rather than an object store's address."""
    return "://" not in root or root.startswith("file://")


def local_path(root: str | Path, path: str = "") -> str:
    """The path on this machine of something below a local root."""
    base = str(root).removeprefix("file://")
    return os.path.join(base, path) if path else base


def open_file(root: str, path: str) -> pa.NativeFile:
    """Opens `path` below `root` for random reads.

    Raises:
        OSError: if there is no such file or it may not be read.
    """
    if is_local(root):
        return pa.OSFile(local_path(root, path), "rb")
    from connectors.storage import storage_for  # noqa: PLC0415 - local lakes need no object store

    return storage_for(root).open_input(path)

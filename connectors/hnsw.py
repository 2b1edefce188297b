"""HNSW files: written beside what describes them, and held to size and SHA-256 before hnswlib sees them.

hnswlib trusts its files: a damaged one makes it write past its heap (hnswlib issue 673). So bytes are compared with
what was recorded when the file was made, and only equal ones are loaded, from a private copy that nobody else changes.
"""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import hnswlib  # type: ignore[import-untyped]

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.places import temporary_prefix
from lakebed.connectors.storage import Storage

LIBRARY = f"hnswlib {version('hnswlib')}"


@dataclass(frozen=True)
class FileStamp:
    """A file below a folder, its size in bytes, and its SHA-256 in hex."""

    path: str
    size: int
    sha256: str


def write_stamped(storage: Storage, path: str, data: bytes) -> FileStamp:
    """Writes the bytes as one file, at once.

    Raises:
        ArtifactError: if they cannot be written.
    """
    storage.write_bytes_atomic(path, data)
    return FileStamp(path, len(data), hashlib.sha256(data).hexdigest())


def read_stamped(storage: Storage, stamp: FileStamp) -> bytes:
    """The bytes of the file, if they are those that were written.

    Raises:
        ArtifactError: if the file is missing, or has another size or SHA-256.
    """
    found = storage.stat(stamp.path)
    if found is None or found.size != stamp.size:
        raise _damaged(storage, stamp, "no such file" if found is None else f"{found.size:,} bytes")
    data = storage.read_bytes(stamp.path)
    digest = hashlib.sha256(data).hexdigest()
    if digest != stamp.sha256:
        raise _damaged(storage, stamp, f"SHA-256 {digest[:16]}…")
    return data


def index_bytes(index: Any) -> bytes:
    """What hnswlib writes of an index."""
    with tempfile.TemporaryDirectory(prefix=temporary_prefix("hnsw")) as folder:
        path = os.path.join(folder, "index")
        index.save_index(path)
        with open(path, "rb") as stream:
            return stream.read()


def load_index(data: bytes, space: str, dim: int, n: int) -> Any:
    """The index of bytes that `read_stamped` has let pass.

    Raises:
        ArtifactError: if hnswlib refuses them, or they hold another number of vectors.
    """
    index = hnswlib.Index(space=space, dim=dim)
    with tempfile.TemporaryDirectory(prefix=temporary_prefix("hnsw")) as folder:
        path = os.path.join(folder, "index")
        with open(path, "wb") as stream:
            stream.write(data)
        try:
            index.load_index(path, max_elements=n)
        except RuntimeError as error:
            raise ArtifactError(
                "hnswlib cannot load an index file", value=error, expected=f"a file of {LIBRARY}", hint=_AGAIN
            ) from error
    if index.get_current_count() != n:
        raise ArtifactError(
            "an index file holds another number of vectors",
            value=index.get_current_count(),
            expected=str(n),
            hint=_AGAIN,
        )
    return index


_AGAIN = "lakebed run builds the index again"


def _damaged(storage: Storage, stamp: FileStamp, found: str) -> ArtifactError:
    return ArtifactError(
        f"index file {stamp.path} is damaged or half-written",
        value=f"{found} in {storage.uri()}",
        expected=f"{stamp.size:,} bytes of SHA-256 {stamp.sha256[:16]}…",
        hint=_AGAIN,
    )

"""HNSW files: written beside what describes them, and held to size and SHA-256 before hnswlib sees them.

hnswlib trusts its files: a damaged one makes it write past its heap (hnswlib issue 673). So bytes are compared with
what was recorded when the file was made, and only equal ones are loaded, from a private copy that nobody else changes.
"""

import contextlib
import hashlib
import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import hnswlib  # type: ignore[import-untyped]
from numpy.typing import NDArray

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.local_files import storage_error
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
    _require_size(storage, stamp)
    data = storage.read_bytes(stamp.path)
    _require_digest(storage, stamp, data)
    return data


def map_stamped(storage: Storage, stamp: FileStamp) -> mmap.mmap:
    """The same bytes mapped, of which memory holds what is looked at; of an object store's by a file of this process.

    Raises:
        ArtifactError: if the file is missing, or has another size or SHA-256; if there is no space for the copy.
    """
    if not storage.is_local:
        return mapped_copy([read_stamped(storage, stamp)])
    _require_size(storage, stamp)
    with storage.open(stamp.path) as stream:
        mapping = mmap.mmap(stream.fileno(), stamp.size, access=mmap.ACCESS_READ)
    _require_digest(storage, stamp, mapping)
    return mapping


def mapped_copy(blocks: Iterable[bytes | NDArray[Any]]) -> mmap.mmap:
    """The bytes of the blocks, one after the other, mapped from a file without a name, which goes with the mapping.

    Raises:
        ArtifactError: if there is no space for them, or they are none.
    """
    with _temporary("map vectors"), tempfile.TemporaryFile(prefix=temporary_prefix("vectors")) as stream:
        for block in blocks:
            stream.write(block if isinstance(block, bytes) else block.tobytes())
        stream.flush()
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def index_bytes(index: Any) -> bytes:
    """What hnswlib writes of an index.

    Raises:
        ArtifactError: if there is no space for it; hnswlib itself does not look whether its writes came through.
    """
    with _temporary("write an index"), tempfile.TemporaryDirectory(prefix=temporary_prefix("hnsw")) as folder:
        path = os.path.join(folder, "index")
        index.save_index(path)
        with open(path, "rb") as stream:
            data = stream.read()
    if len(data) != index.index_file_size():
        raise ArtifactError(
            "hnswlib did not write all of an index",
            value=f"{len(data):,} bytes in {tempfile.gettempdir()}",
            expected=f"{index.index_file_size():,} bytes",
            hint="free some space, or set TMPDIR to another folder",
        )
    return data


def load_index(data: bytes, space: str, dim: int, n: int) -> Any:
    """The index of bytes that `read_stamped` has let pass.

    Raises:
        ArtifactError: if hnswlib refuses them, or they hold another number of vectors; if there is no space for a copy.
    """
    index = hnswlib.Index(space=space, dim=dim)
    with _temporary("load an index"), tempfile.TemporaryDirectory(prefix=temporary_prefix("hnsw")) as folder:
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


@contextlib.contextmanager
def _temporary(action: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(error, action, tempfile.gettempdir()) from error


def _require_size(storage: Storage, stamp: FileStamp) -> None:
    found = storage.stat(stamp.path)
    if found is None or found.size != stamp.size:
        raise _damaged(storage, stamp, "no such file" if found is None else f"{found.size:,} bytes")


def _require_digest(storage: Storage, stamp: FileStamp, data: bytes | mmap.mmap) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if digest != stamp.sha256:
        raise _damaged(storage, stamp, f"SHA-256 {digest[:16]}…")


def _damaged(storage: Storage, stamp: FileStamp, found: str) -> ArtifactError:
    return ArtifactError(
        f"index file {stamp.path} is damaged or half-written",
        value=f"{found} in {storage.uri()}",
        expected=f"{stamp.size:,} bytes of SHA-256 {stamp.sha256[:16]}…",
        hint=_AGAIN,
    )

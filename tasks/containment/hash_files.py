"""Row-hash files: written by the workers that scan, one per bucket and task, and read by those that compare.

A file is a row of blocks, each of one table under one projection: a header, then 16 bytes a row, in any order and with
repeats; where they repeat so often that Zstandard makes less of them, the number of its bytes, and these, filled up to
eight. A block has one checksum over header and rows, made where it is written and held to where it is read.

Those of the previous artifact are taken over into a new one, which then needs the previous one no more: a file all of
whose rows still hold, under the same table_ids, gets a second name; of others the rows that hold are written anew, with
the table_ids of today's inventory. No data of the lake is read.
"""

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakebed.connectors.linking import link_file
from lakebed.connectors.storage import Storage, storage_error
from lakebed.tasks.containment.kernel.proof import HashRows
from lakebed.tasks.containment.kernel.schema_graph import Int32
from lakebed.tasks.encoding.aes import round_keys
from lakebed.tasks.encoding.counting import probed, scatter
from lakebed.tasks.encoding.distinct import distinct
from lakebed.tasks.encoding.sums import add_sums, plain_sum
from lakebed.tasks.runtime.previous import damaged

ENDING = ".rows"
# more files than this of one bucket are written into one: each comparing task opens all of its bucket's
MAX_LINKED = 32
_ROW_BYTES = 16
_MAGIC, _PACKED_MAGIC = 0x6C627231, 0x6C627232
# packed rows are at most this part of the plain ones: those that hardly repeat are read without a copy
_PACKED_SHARE = 0.75
_PROBED, _FEW = 64, 16
_SIZE = np.dtype("<u8")
_HEADER = np.dtype([("magic", "<u4"), ("table", "<i4"), ("projection", "<i8"), ("n_rows", "<i8"), ("check", "<u8", 2)])
# public on purpose: the checksum protects against accidents
_CHECK_KEYS = round_keys(b"lakebed-checksum")
UInt64 = NDArray[np.uint64]
Kept = Mapping[tuple[int, int], int]


@dataclass(frozen=True)
class HashFile:
    """A row-hash file.

    Attributes:
        path: below the folder of the row hashes.
        bucket: range of the hashes in it.
    """

    path: str
    bucket: int
    n_rows: int
    n_bytes: int


class Block(NamedTuple):
    """Row hashes of a table under a projection. Shapes: rows (n, 2)."""

    projection: int
    table: int
    rows: UInt64


class HashFiles:
    """The files of one task.

    Names are new for every task, so that a task that Spark tries again, or runs twice, meets no other's file.
    """

    def __init__(self, out_uri: str, bucket_bits: int) -> None:
        self._out_uri, self._bits = out_uri, bucket_bits
        self._name = secrets.token_hex(8)
        self._files: dict[int, _OpenFile] = {}
        # one array for all: fresh memory costs as much as the rows' way there
        self._scattered = np.empty((0, 2), np.uint64)

    def add(self, projection: int, table_id: int, hashes: UInt64) -> None:
        """Adds the row hashes of a table under a projection, in any order, each as often as its row occurs."""
        if len(hashes) > len(self._scattered):
            self._scattered = np.empty_like(hashes)
        rows, first = scatter(hashes, self._bits, self._scattered[: len(hashes)])
        with _writing(self._out_uri):
            for bucket in np.flatnonzero(np.diff(first)).tolist():
                block = Block(projection, table_id, rows[first[bucket] : first[bucket + 1]])
                (self._files.get(bucket) or self._opened(bucket)).add(block)

    def close(self) -> list[HashFile]:
        """Finishes the files and says what they are."""
        with _writing(self._out_uri):
            return [file.closed(bucket) for bucket, file in sorted(self._files.items())]

    def _opened(self, bucket: int) -> "_OpenFile":
        path = f"bucket={bucket}/{self._name}{ENDING}"
        self._files[bucket] = _OpenFile(path, Storage.at(self._out_uri).open_output(path))
        return self._files[bucket]


@contextmanager
def _writing(uri: str) -> Iterator[None]:
    """A full disk is no fault of the table that is being read."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, "write the row hashes", uri) from error


@dataclass
class _OpenFile:
    """A file being written."""

    path: str
    sink: BinaryIO
    n_rows: int = 0
    n_bytes: int = 0

    def add(self, block: Block) -> None:
        header, packed = np.zeros(1, _HEADER), _packed(block.rows)
        header["magic"] = _MAGIC if packed is None else _PACKED_MAGIC
        header["table"], header["projection"] = block.table, block.projection
        header["n_rows"], header["check"] = len(block.rows), _check(block)
        body = (block.rows.data.cast("B"),) if packed is None else packed
        for part in (header.tobytes(), *body):
            self.sink.write(part)
            self.n_bytes += len(part)
        self.n_rows += len(block.rows)

    def closed(self, bucket: int) -> HashFile:
        self.sink.close()
        return HashFile(self.path, bucket, self.n_rows, self.n_bytes)


def _packed(rows: UInt64) -> tuple[bytes, bytes, bytes] | None:
    """Size, the rows under Zstandard, and what fills them up; None where that saves little."""
    if not _may_repeat(rows):
        return None
    packed: bytes = _codec().compress(rows.data.cast("B"), asbytes=True)
    if len(packed) > _PACKED_SHARE * rows.nbytes:
        return None
    return np.array(len(packed), _SIZE).tobytes(), packed, bytes(-len(packed) % _SIZE.itemsize)


def _may_repeat(rows: UInt64) -> bool:
    """Whether rows repeat so often that packing may be worth its time, by those of one hash in 64."""
    probe = probed(rows, _PROBED)
    return len(probe) < _FEW or len(distinct(probe)) <= _PACKED_SHARE * len(probe)


def _codec() -> pa.Codec:
    return pa.Codec("zstd", compression_level=1)


def _check(block: Block) -> UInt64:
    """A sum over header and rows, which tells a file that has changed."""
    head = np.array([[block.projection, block.table], [len(block.rows), _MAGIC]], np.int64).view(np.uint64)
    return add_sums(plain_sum(block.rows, _CHECK_KEYS), plain_sum(head, _CHECK_KEYS))


def read_blocks(storage: Storage, path: str, tables: Collection[int] | None = None) -> Iterator[Block]:
    """The blocks of a file, held to their checksums: it may be years and many runs old.

    Args:
        storage: of the files.
        path: of the file.
        tables: whose blocks are wanted; None: all.

    Raises:
        ArtifactError: if it is damaged.
    """
    data, at = storage.read_bytes(path), 0
    while at < len(data):
        header = _header(storage, path, data[at : at + _HEADER.itemsize])
        at += _HEADER.itemsize
        n_rows, is_packed = int(header["n_rows"]), header["magic"] == _PACKED_MAGIC
        n_bytes = _ROW_BYTES * n_rows
        if is_packed and at + _SIZE.itemsize <= len(data):
            n_bytes = int(np.frombuffer(data, _SIZE, 1, at)[0])
            at += _SIZE.itemsize
        # blocks begin at whole words, as kernels want them
        n_more = -n_bytes % _SIZE.itemsize
        if not (0 <= n_rows and 0 <= n_bytes <= len(data) - at - n_more) or any(
            data[at + n_bytes : at + n_bytes + n_more]
        ):
            raise _damaged(storage, path, "a block is cut off")
        body, at = memoryview(data)[at : at + n_bytes], at + n_bytes + n_more
        if tables is not None and int(header["table"]) not in tables:
            continue
        rows = _unpacked(storage, path, body, n_rows) if is_packed else np.frombuffer(body, "<u8")
        block = Block(int(header["projection"]), int(header["table"]), rows.reshape(-1, 2))
        if not np.array_equal(_check(block), header["check"]):
            raise _damaged(storage, path, "a block differs from its checksum")
        yield block


def _unpacked(storage: Storage, path: str, body: memoryview, n_rows: int) -> UInt64:
    try:
        return np.frombuffer(_codec().decompress(body, decompressed_size=_ROW_BYTES * n_rows), "<u8")
    except (OSError, ValueError, MemoryError, OverflowError, pa.ArrowException) as error:
        raise _damaged(storage, path, f"a block cannot be unpacked: {error}") from error


def _header(storage: Storage, path: str, data: bytes) -> np.void:
    if len(data) == _HEADER.itemsize:
        header: np.void = np.frombuffer(data, _HEADER)[0]
        if header["magic"] in (_MAGIC, _PACKED_MAGIC):
            return header
    raise _damaged(storage, path, "it holds something else than blocks of row hashes")


def _damaged(storage: Storage, path: str, what: str) -> Exception:
    return damaged(storage.uri(path), ValueError(what))


def read_hash_rows(out_uri: str, paths: Sequence[str], table_ids: Int32) -> HashRows:
    """The rows of the given tables (ascending ids) in row-hash files.

    Raises:
        ArtifactError: if one is damaged.
    """
    storage, wanted = Storage.at(out_uri), set(table_ids.tolist())
    return hash_rows([block for path in paths for block in read_blocks(storage, path, wanted)])


def hash_rows(blocks: Sequence[Block]) -> HashRows:
    """The rows of all blocks in one array."""
    return HashRows(
        projection=np.array([block.projection for block in blocks], np.int64),
        table=np.array([block.table for block in blocks], np.int32),
        first=np.cumsum([0, *(len(block.rows) for block in blocks)], dtype=np.int64),
        hashes=np.concatenate([np.empty((0, 2), np.uint64), *(block.rows for block in blocks)]),
    )


@dataclass(frozen=True)
class HashFolders:
    """Where row hashes are taken from and to, below the root of the storage."""

    storage: Storage
    source: str
    target: str


def carry_hashes(
    folders: HashFolders, files: Sequence[HashFile], bits: tuple[int, int], kept: Kept
) -> Iterator[HashFile]:
    """Takes over the rows that still hold.

    Args:
        folders: of both artifacts.
        files: of the previous artifact.
        bits: the previous artifact's bits of the hash range, and the new one's.
        kept: (projection, previous table_id) → table_id.

    Yields: the files of the new artifact. Cost: O(rows of all files), each read once.
    """
    writer = HashFiles(folders.storage.uri(folders.target), bits[1])
    per_bucket = np.bincount([file.bucket for file in files], minlength=1)
    for file in files:
        blocks = list(read_blocks(folders.storage, f"{folders.source}/{file.path}"))
        if sum(len(block.rows) for block in blocks) != file.n_rows:
            raise _damaged(
                folders.storage, f"{folders.source}/{file.path}", f"it holds not the {file.n_rows} rows of its list"
            )
        is_linkable = bits[0] == bits[1] and per_bucket[file.bucket] <= MAX_LINKED
        if is_linkable and all(kept.get((block.projection, block.table), -1) == block.table for block in blocks):
            link_file(folders.storage, f"{folders.source}/{file.path}", f"{folders.target}/{file.path}")
            yield file
        else:
            for block in blocks:
                if (table := kept.get((block.projection, block.table), -1)) >= 0:
                    writer.add(block.projection, table, block.rows)
    yield from writer.close()

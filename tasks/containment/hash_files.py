"""Row-hash files: written by the workers that scan, one per bucket and task, and read by those that compare.

Those of the previous artifact are taken over into a new one, which then needs the previous one no more: a file all of
whose rows still hold, under the same table_ids, gets a second name; of others the rows that hold are written anew, with
the table_ids of today's inventory. No data of the lake is read.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lakebed.connectors.linking import link_file
from lakebed.connectors.storage import Storage, storage_error
from lakebed.tasks.containment.contract import ROW_HASHES
from lakebed.tasks.containment.kernel.fingerprint import Fingerprint
from lakebed.tasks.containment.kernel.proof import HashRows
from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64
from lakebed.tasks.encoding.multiset import add_multiset_hashes
from lakebed.tasks.runtime.digest import batch_multiset
from lakebed.tasks.runtime.previous import damaged

ROWS_PER_GROUP = 1 << 19
# more files than this of one bucket are written into one: each comparing task opens all of its bucket's
MAX_LINKED = 32
UInt64 = NDArray[np.uint64]
Kept = Mapping[tuple[int, int], int]


@dataclass(frozen=True)
class HashFile:
    """A row-hash file.

    Attributes:
        path: below the folder of the table.
        bucket: range of the hashes in it.
        multiset: of its rows, for the digest of the table.
    """

    path: str
    bucket: int
    n_rows: int
    n_bytes: int
    multiset: bytes


class HashFiles:
    """The files of one task; rows are written in groups as they gather.

    Names are new for every task, so that a task that Spark tries again, or runs twice, meets no other's file.
    """

    def __init__(self, out_uri: str, bucket_bits: int) -> None:
        self._out_uri, self._bits = out_uri, bucket_bits
        self._name = secrets.token_hex(8)
        self._files: dict[int, _OpenFile] = {}

    def add(self, projection: int, table_id: int, fingerprint: Fingerprint) -> None:
        """Adds the row hashes of a table under a projection."""
        high = fingerprint.hashes[:, 0]
        edges = [n_below_bucket(high, bucket, self._bits) for bucket in range((1 << self._bits) + 1)]
        with _writing(self._out_uri):
            for bucket, (start, end) in enumerate(pairwise(edges)):
                if start < end:
                    file = self._files.get(bucket) or self._opened(bucket)
                    file.add(hash_batch(projection, table_id, fingerprint, slice(start, end)))

    def add_rows(self, bucket: int, rows: pa.RecordBatch) -> None:
        """Adds rows of ROW_HASHES that belong to one bucket."""
        with _writing(self._out_uri):
            (self._files.get(bucket) or self._opened(bucket)).add(rows)

    def close(self) -> list[HashFile]:
        """Finishes the files and says what they are."""
        with _writing(self._out_uri):
            return [self._closed(bucket, file) for bucket, file in sorted(self._files.items())]

    def _opened(self, bucket: int) -> "_OpenFile":
        self._files[bucket] = _OpenFile(self._out_uri, f"bucket={bucket}/{self._name}.parquet")
        return self._files[bucket]

    def _closed(self, bucket: int, file: "_OpenFile") -> HashFile:
        file.close()
        written = Storage.at(self._out_uri).stat(file.path)
        n_bytes = written.size if written else 0
        return HashFile(file.path, bucket, file.n_rows, n_bytes, add_multiset_hashes(file.multisets))


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

    out_uri: str
    path: str
    n_rows: int = 0
    multisets: list[bytes] = field(default_factory=list)
    _parts: list[pa.RecordBatch] = field(default_factory=list)
    _n_waiting: int = 0

    def __post_init__(self) -> None:
        self._sink = Storage.at(self.out_uri).open_output(self.path)
        # hashes do not compress; the few tables and projections of a file do
        self._writer = pq.ParquetWriter(
            self._sink,
            ROW_HASHES.arrow_schema(),
            compression="none",
            use_dictionary=["projection", "table_id", "n"],
            write_page_checksum=True,
        )

    def add(self, part: pa.RecordBatch) -> None:
        self._parts.append(part)
        self._n_waiting += part.num_rows
        if self._n_waiting >= ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()
        self._sink.close()

    def _flush(self) -> None:
        if self._parts:
            rows = pa.Table.from_batches(self._parts).combine_chunks()
            self._writer.write_table(rows, row_group_size=ROWS_PER_GROUP)
            self.multisets += [batch_multiset(batch, ROW_HASHES.digested_names) for batch in rows.to_batches()]
            self.n_rows += rows.num_rows
            self._parts, self._n_waiting = [], 0


def n_below_bucket(high: UInt64, bucket: int, bits: int) -> int:
    """How many of the ascending high words belong to the buckets before `bucket`."""
    if bucket == 1 << bits:
        return len(high)
    return int(np.searchsorted(high, np.uint64(bucket) << np.uint64(64 - bits))) if bucket else 0


def hash_batch(projection: int, table_id: int, fingerprint: Fingerprint, rows: slice) -> pa.RecordBatch:
    """Rows of ROW_HASHES."""
    hashes = fingerprint.hashes[rows]
    arrays = [
        pa.repeat(pa.scalar(projection, pa.int64()), len(hashes)),
        pa.repeat(pa.scalar(table_id, pa.int32()), len(hashes)),
        pa.array(np.ascontiguousarray(hashes[:, 0]).view(np.int64)),
        pa.array(np.ascontiguousarray(hashes[:, 1]).view(np.int64)),
        pa.array(fingerprint.counts[rows].astype(np.int64)),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=ROW_HASHES.arrow_schema())


@contextmanager
def opened_hashes(storage: Storage, path: str) -> Iterator[pq.ParquetFile]:
    """A row-hash file, its pages checked as they are read: it may be years and many runs old.

    Raises:
        ArtifactError: if it is damaged.
    """
    with storage.open(path) as stream:
        try:
            yield pq.ParquetFile(stream, page_checksum_verification=True)
        except (pa.ArrowException, OSError, KeyError) as error:
            raise damaged(storage.uri(path), error) from error


def read_hash_rows(out_uri: str, paths: Sequence[str], table_ids: Int32) -> HashRows:
    """The rows of the given tables (ascending ids) in row-hash files; row groups without any of them are skipped."""
    storage = Storage.at(out_uri)
    tables = []
    for path in paths:
        with opened_hashes(storage, path) as file:
            read = file.read_row_groups(_groups_with(file.metadata, table_ids), use_threads=False)
            tables.append(read.filter(pc.is_in(read["table_id"], value_set=pa.array(table_ids, pa.int32()))))
    rows = pa.concat_tables(tables).combine_chunks()
    hashes = np.stack([rows[name].to_numpy().view(np.uint64) for name in ("hash_high", "hash_low")], axis=1)
    return HashRows(rows["projection"].to_numpy(), rows["table_id"].to_numpy(), hashes, rows["n"].to_numpy())


def _groups_with(metadata: pq.FileMetaData, table_ids: Int32) -> list[int]:
    groups = []
    for group in range(metadata.num_row_groups):
        bounds = metadata.row_group(group).column(1).statistics
        place = np.searchsorted(table_ids, bounds.min)
        if place < len(table_ids) and table_ids[place] <= bounds.max:
            groups.append(group)
    return groups


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

    Yields: the files of the new artifact. Cost: O(rows of the files that are written anew); two columns of the others.
    """
    writer = HashFiles(folders.storage.uri(folders.target), bits[1])
    per_bucket = np.bincount([file.bucket for file in files], minlength=1)
    for file in files:
        is_linkable = bits[0] == bits[1] and per_bucket[file.bucket] <= MAX_LINKED
        if is_linkable and _is_unchanged(folders, file, kept):
            link_file(folders.storage, f"{folders.source}/{file.path}", f"{folders.target}/{file.path}")
            yield file
        else:
            for bucket, rows in _kept_rows(folders, file, bits[1], kept):
                writer.add_rows(bucket, rows)
    yield from writer.close()


def _is_unchanged(folders: HashFolders, file: HashFile, kept: Kept) -> bool:
    with opened_hashes(folders.storage, f"{folders.source}/{file.path}") as parquet:
        for group in range(parquet.num_row_groups):
            rows = parquet.read_row_group(group, columns=["projection", "table_id"], use_threads=False)
            if any(kept.get((projection, table), -1) != table for projection, table, _ in _runs(rows)):
                return False
    return True


def _kept_rows(folders: HashFolders, file: HashFile, bits: int, kept: Kept) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows that hold, by bucket."""
    with opened_hashes(folders.storage, f"{folders.source}/{file.path}") as parquet:
        for group in range(parquet.num_row_groups):
            rows = parquet.read_row_group(group, use_threads=False)
            table_ids = _new_ids(rows, kept)
            rows = rows.set_column(1, ROW_HASHES.arrow_schema().field("table_id"), pa.array(table_ids, pa.int32()))
            yield from _by_bucket(rows.filter(pa.array(table_ids >= 0)), bits)


def _by_bucket(rows: pa.Table, bits: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    buckets = rows["hash_high"].to_numpy().view(np.uint64) >> np.uint64(64 - bits)
    for bucket in np.unique(buckets).tolist():
        for batch in rows.filter(pa.array(buckets == bucket)).combine_chunks().to_batches():
            yield bucket, batch


def _new_ids(rows: pa.Table, kept: Kept) -> Int32:
    """The table_id of each row now; -1 of those that are left behind."""
    runs = list(_runs(rows))
    ids = np.array([kept.get((projection, table), -1) for projection, table, _ in runs], np.int32)
    return np.repeat(ids, [length for *_, length in runs])


def _runs(rows: pa.Table) -> Iterator[tuple[int, int, int]]:
    """Projection, table and length of each run of rows: a table's rows were written together."""
    projection, table = rows["projection"].to_numpy(), rows["table_id"].to_numpy()
    is_first = np.ones(len(table), np.bool_)
    is_first[1:] = (projection[1:] != projection[:-1]) | (table[1:] != table[:-1])
    starts: Int64 = np.flatnonzero(is_first)
    lengths = np.diff(np.append(starts, len(table)))
    yield from zip(projection[starts].tolist(), table[starts].tolist(), lengths.tolist(), strict=True)

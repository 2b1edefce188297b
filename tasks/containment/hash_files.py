"""Row-hash files: written by the workers that scan, one a bucket and task, and read by those that compare."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.storage import Storage, storage_error
from lakebed.tasks.containment.contract import ROW_HASHES
from lakebed.tasks.containment.kernel.fingerprint import Fingerprint
from lakebed.tasks.containment.kernel.proof import HashRows
from lakebed.tasks.containment.kernel.schema_graph import Int32
from lakebed.tasks.encoding.multiset import add_multiset_hashes
from lakebed.tasks.runtime.digest import batch_multiset

ROWS_PER_GROUP = 1 << 19
UInt64 = NDArray[np.uint64]


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


def damaged(uri: str, error: Exception) -> ArtifactError:
    """The error of a file that an earlier run left and that cannot be read."""
    return ArtifactError(
        f"a file of an artifact is damaged: {str(error).splitlines()[0][:200]}",
        value=uri,
        expected="the file as the run has left it",
        hint="run once with `--full`: lakebed run --full",
    )


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

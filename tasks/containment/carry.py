"""Row-hash files of an earlier artifact, taken over into a new one, which then needs the earlier one no more.

A file all of whose rows still hold, under the same table_ids, gets a second name; of others the rows that hold are
written anew, with the table_ids of today's inventory. No data of the lake is read.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lakebed.connectors.linking import link_file
from lakebed.connectors.storage import Storage
from lakebed.tasks.containment.contract import ROW_HASHES
from lakebed.tasks.containment.hash_files import HashFile, HashFiles, opened_hashes
from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64

# more files than this of one bucket are written into one: each comparing task opens all of its bucket's
MAX_LINKED = 32

Kept = Mapping[tuple[int, int], int]


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
        files: of the earlier artifact.
        bits: the earlier artifact's bits of the hash range, and the new one's.
        kept: (projection, former table_id) → table_id.

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

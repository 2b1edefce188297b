"""The worker's side of the content scan: reads splits once, writes row hashes, returns samples.

Runs inside Spark's Python workers (`mapInArrow`) and, for tests, in plain Python.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.errors import SourceError
from connectors.lake.read import ReadCounter, Split, read_split
from connectors.storage import Storage
from tasks.containment.kernel.fingerprint import Cells, Fingerprint, HashSettings, TableHasher
from tasks.runtime.memory import peak_memory_bytes

SCAN_SCHEMA = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("table_id", pa.int32(), nullable=False),
        pa.field("projection", pa.int32(), nullable=False),
        pa.field("token", pa.string(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
        pa.field("n_bytes", pa.int64(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("data", pa.binary(), nullable=False),
    ]
)
HASH_SCHEMA = pa.schema(
    [
        pa.field("projection", pa.int64(), nullable=False),
        pa.field("table_id", pa.int32(), nullable=False),
        pa.field("hash_high", pa.int64(), nullable=False),
        pa.field("hash_low", pa.int64(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
    ]
)
ROWS_PER_GROUP = 1 << 19


@dataclass(frozen=True)
class TableScan:
    """What is wanted of one table.

    Attributes:
        projections: numbers of the column subsets to hash.
        row_level, value_level: levels of its samples of rows and of values.
        has_values: whether samples of values are wanted.
    """

    projections: tuple[int, ...]
    row_level: int
    value_level: int
    has_values: bool = True


@dataclass(frozen=True)
class ScanPlan:
    """Everything a worker needs to know; sent to each once.

    Attributes:
        lake_root, staged_root: where `parquet` and `staged` splits lie.
        out_uri: folder of the row-hash table.
        projections: number → (id, tokens).
        tables: by table_id.
        bucket_bits: the hash range is cut into 2^bits buckets.
        attempt: makes file names of this scan unlike those of one that was killed.
    """

    lake_root: str
    staged_root: str
    out_uri: str
    projections: Mapping[int, tuple[int, tuple[str, ...]]]
    tables: Mapping[int, TableScan]
    settings: HashSettings
    bucket_bits: int
    attempt: str
    ignore_case: bool = False


def scan_splits(plan: ScanPlan, splits: Sequence[Split]) -> Iterator[pa.RecordBatch]:
    """Scans the splits of one task. What is computed of a split does not depend on the task it is in.

    Yields batches of SCAN_SCHEMA: rows of kind `rows` (sample of a projection's row hashes, `n` all rows),
    `values` (sample of a column's values, `n` nulls), `file` (a row-hash file written; `text` its path,
    `table_id` its bucket), `error` (a table that could not be read) and `task` (bytes read, peak memory).
    """
    started = time.monotonic()
    counter = ReadCounter()
    results, hashes = ScanRows(), _HashFiles(plan, f"splits-{splits[0].split_id}")
    for split in splits:
        hasher = new_hasher(plan, split.table_id)
        root = plan.staged_root if split.format == "staged" else plan.lake_root
        try:
            for cells in read_split(root, split, hasher.tokens, counter, ignore_case=plan.ignore_case):
                hasher.add(cells)
        except SourceError as error:
            results.add("error", split.table_id, text=str(error.value or error.what))
            continue
        _collect(plan, split.table_id, hasher, results, hashes)
        if results.is_full:
            yield results.batch()
    hashes.close(results)
    seconds = f"{time.monotonic() - started:.3f}"
    results.add("task", -1, n=peak_memory_bytes(), n_bytes=counter.n_bytes, text=seconds)
    yield results.batch()


def scan_cells(plan: ScanPlan, table_id: int, part: int, cells: Iterator[Mapping[str, Cells]]) -> pa.RecordBatch:
    """The same for one table whose cells come from Spark's own reader.

    Spark decides where a table is cut, so repeats are kept: the rows written are the same for any cut.
    """
    results, hashes = ScanRows(), _HashFiles(plan, f"table-{table_id}-{part}")
    hasher = new_hasher(plan, table_id)
    n_bytes = 0
    for batch in cells:
        hasher.add(batch)
        n_bytes += sum(leaf.values.nbytes for leaf in batch.values())
    if hasher.n_rows:
        _collect(plan, table_id, hasher, results, hashes, is_repeated=True)
    hashes.close(results)
    results.add("task", -1, n=peak_memory_bytes(), n_bytes=n_bytes)
    return results.batch()


def new_hasher(plan: ScanPlan, table_id: int) -> TableHasher:
    """The hasher of a table's wanted projections."""
    scan = plan.tables[table_id]
    projections = {number: plan.projections[number][1] for number in scan.projections}
    return TableHasher(projections, plan.settings, scan.value_level if scan.has_values else None)


def _collect(
    plan: ScanPlan,
    table_id: int,
    hasher: TableHasher,
    results: "ScanRows",
    hashes: "_HashFiles",
    *,
    is_repeated: bool = False,
) -> None:
    level = plan.tables[table_id].row_level
    for number, fingerprint in hasher.fingerprints().items():
        sample = fingerprint.hashes[: _n_below(fingerprint.hashes[:, 0], level)]
        results.add("rows", table_id, number, n=hasher.n_rows, data=sample.tobytes())
        hashes.add(plan.projections[number][0], table_id, fingerprint.repeated() if is_repeated else fingerprint)
    for token, sketch in hasher.value_sketches().items():
        results.add("values", table_id, token=token, n=sketch.n_nulls, data=sketch.hashes.tobytes())


def _n_below(high: np.ndarray[tuple[int], np.dtype[np.uint64]], level: int) -> int:
    """How many of the ascending hashes belong to a sample of that level."""
    return len(high) if level == 0 else int(np.searchsorted(high, np.uint64(1) << np.uint64(64 - level)))


class ScanRows:
    """Rows of SCAN_SCHEMA being gathered."""

    def __init__(self) -> None:
        self._rows: list[tuple[object, ...]] = []
        self._n_bytes = 0

    def add(self, kind: str, table_id: int, projection: int = -1, **facts: str | int | bytes) -> None:
        """One row; `facts` fill the columns from `token` on, empty where they are not given."""
        row = {"token": "", "n": 0, "n_bytes": 0, "text": "", "data": b"", **facts}
        self._rows.append((kind, table_id, projection, *row.values()))
        self._n_bytes += len(row["data"]) if isinstance(row["data"], bytes) else 0

    @property
    def is_full(self) -> bool:
        """Whether the rows gathered are worth a batch."""
        return self._n_bytes > 8 << 20

    def batch(self) -> pa.RecordBatch:
        """The rows gathered since the last batch."""
        columns = list(zip(*self._rows, strict=True)) or [() for _ in SCAN_SCHEMA]
        self._rows, self._n_bytes = [], 0
        arrays = [pa.array(values, field.type) for values, field in zip(columns, SCAN_SCHEMA, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=SCAN_SCHEMA)


@dataclass
class _HashFiles:
    """The row-hash files of one task, one a bucket, written in groups as they fill."""

    plan: ScanPlan
    name: str
    _parts: dict[int, list[pa.RecordBatch]] = field(default_factory=dict)
    _n_buffered: dict[int, int] = field(default_factory=dict)
    _writers: dict[int, tuple[str, pq.ParquetWriter, int]] = field(default_factory=dict)

    def add(self, projection: int, table_id: int, fingerprint: Fingerprint) -> None:
        bits = self.plan.bucket_bits
        edges = [_n_below_bucket(fingerprint.hashes[:, 0], bucket, bits) for bucket in range((1 << bits) + 1)]
        for bucket, (start, end) in enumerate(pairwise(edges)):
            if start < end:
                part = _hash_batch(projection, table_id, fingerprint, slice(start, end))
                self._parts.setdefault(bucket, []).append(part)
                self._n_buffered[bucket] = self._n_buffered.get(bucket, 0) + end - start
                if self._n_buffered[bucket] >= ROWS_PER_GROUP:
                    self._flush(bucket)

    def close(self, results: ScanRows) -> None:
        for bucket in sorted(self._parts):
            self._flush(bucket)
        storage = Storage.at(self.plan.out_uri)
        for bucket, (path, writer, n_rows) in sorted(self._writers.items()):
            writer.close()
            written = storage.stat(path)
            results.add("file", bucket, n=n_rows, n_bytes=written.size if written else 0, text=path)

    def _flush(self, bucket: int) -> None:
        parts = self._parts.pop(bucket, [])
        n_rows = self._n_buffered.pop(bucket, 0)
        if not parts:
            return
        path, writer, n_written = self._writers.get(bucket) or self._opened(bucket)
        writer.write_table(pa.Table.from_batches(parts), row_group_size=ROWS_PER_GROUP)
        self._writers[bucket] = (path, writer, n_written + n_rows)

    def _opened(self, bucket: int) -> tuple[str, pq.ParquetWriter, int]:
        path = f"bucket={bucket}/{self.name}-{self.plan.attempt}.parquet"
        sink = Storage.at(self.plan.out_uri).open_output(path)
        # hashes do not compress; the few tables and projections of a file do
        writer = pq.ParquetWriter(
            sink, HASH_SCHEMA, compression="none", use_dictionary=["projection", "table_id", "n"], write_statistics=True
        )
        return path, writer, 0


def _n_below_bucket(high: np.ndarray[tuple[int], np.dtype[np.uint64]], bucket: int, bits: int) -> int:
    if bucket == 1 << bits:
        return len(high)
    return int(np.searchsorted(high, np.uint64(bucket) << np.uint64(64 - bits))) if bucket else 0


def _hash_batch(projection: int, table_id: int, fingerprint: Fingerprint, rows: slice) -> pa.RecordBatch:
    hashes = fingerprint.hashes[rows]
    arrays = [
        pa.repeat(pa.scalar(projection, pa.int64()), len(hashes)),
        pa.repeat(pa.scalar(table_id, pa.int32()), len(hashes)),
        pa.array(np.ascontiguousarray(hashes[:, 0]).view(np.int64)),
        pa.array(np.ascontiguousarray(hashes[:, 1]).view(np.int64)),
        pa.array(fingerprint.counts[rows].astype(np.int64)),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=HASH_SCHEMA)

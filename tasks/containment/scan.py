"""The content scan: its plan, and the worker's side, which reads splits once, writes row hashes, returns samples.

The plan says which tables are read, under which projections, in which splits, sampled how densely. The worker's side
runs in the workers of an engine, of Spark or of this machine, and needs none.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from lakebed.connectors.errors import SourceBusyError, SourceError
from lakebed.connectors.lake.batches import ReadCounter, Split
from lakebed.connectors.lake.read import read_split
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.hash_files import HashFiles
from lakebed.tasks.containment.kernel.fingerprint import VALUE_SAMPLE, Cells, HashSettings, TableHasher, UInt64
from lakebed.tasks.containment.kernel.schema_graph import Int32
from lakebed.tasks.containment.statistics import LakeStatistics
from lakebed.tasks.containment.trust import Claim, RangeWatch
from lakebed.tasks.encoding.multiset import distinct_counts
from lakebed.tasks.encoding.sketch import sketch_level
from lakebed.tasks.encoding.sums import multiset_sum, veiled
from lakebed.tasks.runtime.memory import peak_memory_bytes
from lakebed.tasks.runtime.workspace import Workspace

MIN_SKETCH_ROWS = 16
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
        claims: what metadata says of columns, by table_id and token.
    """

    lake_root: str
    staged_root: str
    out_uri: str
    projections: Mapping[int, tuple[int, tuple[str, ...]]]
    tables: Mapping[int, TableScan]
    settings: HashSettings
    bucket_bits: int
    ignore_case: bool = False
    claims: Mapping[int, Mapping[str, Claim]] = field(default_factory=dict)


@dataclass(frozen=True)
class ScanPlaces:
    """Where the scan reads staged text and writes row hashes."""

    staged_root: str
    out_uri: str


def plan_scan(
    lake: LakeStatistics, roles: Int32, config: ContainmentConfig, workspace: Workspace, places: ScanPlaces
) -> ScanPlan:
    """Plans the scan of the tables in `roles`: rows (schema of a child, table)."""
    row_target = min(config.sketch_rows, max(MIN_SKETCH_ROWS, config.sketch_budget_rows // max(1, len(roles))))
    schemas = np.unique(roles[:, 0]).tolist()
    by_table: dict[int, list[int]] = {}
    for schema, table in roles.tolist():
        by_table.setdefault(table, []).append(schema)
    n_rows = lake.n_rows
    return ScanPlan(
        lake_root=workspace.lake.root,
        staged_root=places.staged_root,
        out_uri=places.out_uri,
        projections={schema: projection_of(lake.projection_tokens(schema)) for schema in schemas},
        tables={
            table: TableScan(
                projections=tuple(projections),
                row_level=sketch_level(int(n_rows[table]), row_target),
                value_level=sketch_level(int(n_rows[table]), VALUE_SAMPLE),
            )
            for table, projections in by_table.items()
        },
        settings=HashSettings(config.key_at(workspace.artifacts), config.strict_types),
        bucket_bits=bucket_bits(int(n_rows[roles[:, 1]].sum()), config.rows_per_bucket),
        ignore_case=workspace.lake.ignore_column_case,
    )


def bucket_bits(n_rows: int, rows_per_bucket: int) -> int:
    """Bits of the hash range, so that a bucket has about `rows_per_bucket` rows; two buckets at least."""
    return max(1, int(np.ceil(np.log2(max(1, n_rows) / rows_per_bucket))) if n_rows else 1)


def projection_of(tokens: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    """An id of the column subset that is the same in every lake, and the subset."""
    digest = hashlib.sha256()
    for token in tokens:
        encoded = token.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return int.from_bytes(digest.digest()[:8], "little", signed=True), tuple(tokens)


def scan_splits(plan: ScanPlan, splits: Sequence[Split]) -> Iterator[pa.RecordBatch]:
    """Scans the splits of one task. What is computed of a split does not depend on the task it is in.

    Yields batches of SCAN_SCHEMA: rows of kind `rows` (sample of a projection's row hashes, `n` all rows), `sum` (the
    veiled sum of these hashes, by which equal tables are told),
    `values` (sample of a column's values, `n` nulls), `file` (a row-hash file written; `text` its path,
    `table_id` its bucket), `digest` (SHA-256 of a file that was read as a whole), `outside` (a column with a value
    that its statistics rule out), `error` (a table that could not be read) and `task` (bytes read, peak memory).
    """
    started = time.monotonic()
    counter = ReadCounter()
    results, hashes = ScanRows(), HashFiles(plan.out_uri, plan.bucket_bits)
    # where types count a dictionary is another type than its texts
    is_coded = not plan.settings.is_strict
    for split in splits:
        hasher = new_hasher(plan, split.table_id, split.n_rows)
        # the statistics of staged text are lakebed's own
        watch = RangeWatch(plan.claims.get(split.table_id, {}) if split.format != "staged" else {})
        root = plan.staged_root if split.format == "staged" else plan.lake_root
        try:
            for cells in read_split(
                root, split, hasher.tokens, counter, ignore_case=plan.ignore_case, may_be_coded=is_coded
            ):
                hasher.add(cells)
                watch.add(cells)
        except SourceBusyError:
            raise
        except SourceError as error:
            results.add("error", split.table_id, text=str(error.value or error.what))
            continue
        for token in watch.outside():
            results.add("outside", split.table_id, token=token)
        _collect(plan, split.table_id, hasher, results, hashes)
        if results.is_full:
            yield results.batch()
    for path, digest in counter.digests.items():
        results.add("digest", -1, text=path, data=bytes.fromhex(digest))
    add_files(results, hashes)
    seconds = f"{time.monotonic() - started:.3f}"
    results.add("task", -1, n=peak_memory_bytes(), n_bytes=counter.n_bytes, text=seconds)
    yield results.batch()


def scan_cells(plan: ScanPlan, table_id: int, cells: Iterator[Mapping[str, Cells]]) -> pa.RecordBatch:
    """The same for one table whose cells come from Spark's own reader."""
    results, hashes = ScanRows(), HashFiles(plan.out_uri, plan.bucket_bits)
    hasher = new_hasher(plan, table_id)
    watch = RangeWatch(plan.claims.get(table_id, {}))
    n_bytes = 0
    for batch in cells:
        hasher.add(batch)
        watch.add(batch)
        n_bytes += sum(leaf.values.nbytes for leaf in batch.values())
    if hasher.n_rows:
        _collect(plan, table_id, hasher, results, hashes)
    for token in watch.outside():
        results.add("outside", table_id, token=token)
    add_files(results, hashes)
    results.add("task", -1, n=peak_memory_bytes(), n_bytes=n_bytes)
    return results.batch()


def new_hasher(plan: ScanPlan, table_id: int, n_expected: int = 0) -> TableHasher:
    """The hasher of a table's wanted projections, for about so many rows."""
    scan = plan.tables[table_id]
    projections = {number: plan.projections[number][1] for number in scan.projections}
    return TableHasher(projections, plan.settings, scan.value_level if scan.has_values else None, n_expected)


def _collect(
    plan: ScanPlan,
    table_id: int,
    hasher: TableHasher,
    results: "ScanRows",
    hashes: HashFiles,
) -> None:
    level = plan.tables[table_id].row_level
    for number, rows in hasher.row_hashes().items():
        results.add("rows", table_id, number, n=hasher.n_rows, data=sample_of(rows, level).tobytes())
        found = veiled(multiset_sum(rows, plan.settings.key).tobytes(), plan.settings.key)
        results.add("sum", table_id, number, n=len(rows), data=found)
        hashes.add(plan.projections[number][0], table_id, rows)
    for token, sketch in hasher.value_sketches().items():
        results.add("values", table_id, token=token, n=sketch.n_nulls, data=sketch.hashes.tobytes())


def add_files(results: "ScanRows", hashes: HashFiles) -> None:
    """Finishes the files of a task; one row of kind `file` each."""
    for file in hashes.close():
        results.add("file", file.bucket, n=file.n_rows, n_bytes=file.n_bytes, text=file.path)


def sample_of(rows: UInt64, level: int) -> UInt64:
    """The distinct row hashes below 2^(64 - level), ascending. Shapes: (n, 2); result (k, 2)."""
    below = rows if level == 0 else rows[rows[:, 0] < np.uint64(1) << np.uint64(64 - level)]
    return distinct_counts(below)[0]


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

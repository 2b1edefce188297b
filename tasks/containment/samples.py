"""What the content scan brought back, as arrays."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.tasks.containment.hash_files import HashFile
from lakebed.tasks.containment.kernel.chance import ValueSketches
from lakebed.tasks.containment.kernel.proof import PairCounts
from lakebed.tasks.containment.kernel.schema_graph import Int32
from lakebed.tasks.containment.kernel.sketches import RowSketches, SketchedPairs, UInt64
from lakebed.tasks.containment.scan import ScanPlan
from lakebed.tasks.containment.statistics import LakeStatistics
from lakebed.tasks.containment.trust import Untrusted
from lakebed.tasks.encoding.distinct import distinct
from lakebed.tasks.encoding.multiset import distinct_counts
from lakebed.tasks.encoding.sums import sum_digest, total, unveiled


@dataclass(frozen=True)
class ScanResult:
    """Samples, files and failures of a scan.

    Attributes:
        multisets: what equal tables have in common, by (schema of a child, table_id), of those scanned now.
        digests: SHA-256 in hex, by path, of the files that were read as a whole.
        errors: reason by table_id of tables that could not be read.
        bytes_read: of the lake.
        peak_worker_bytes: of the largest worker.
    """

    rows: RowSketches
    values: ValueSketches
    files: tuple[HashFile, ...]
    multisets: dict[tuple[int, int], bytes]
    digests: dict[str, str]
    errors: dict[int, str]
    bytes_read: int
    peak_worker_bytes: int


@dataclass(frozen=True)
class ContentScan:
    """The scan of the tables still in question; those that did not hold still, with the reason; wrong statistics."""

    plan: ScanPlan
    result: ScanResult
    unstable: dict[int, str]
    untrusted: Untrusted = field(default_factory=dict)


@dataclass(frozen=True)
class Verified:
    """Pairs that samples did not refute, with their exact counts, in the same order.

    Attributes:
        peak_worker_bytes: of the largest worker that compared.
    """

    pairs: SketchedPairs
    counts: PairCounts
    peak_worker_bytes: int = 0


def gather(scanned: pa.Table, plan: ScanPlan, roles: Int32, lake: LakeStatistics) -> ScanResult:
    """Merges the samples of all splits by table."""
    tasks = _of_kind(scanned, "task")
    errors = _of_kind(scanned, "error")
    return ScanResult(
        rows=_row_sketches(_of_kind(scanned, "rows"), plan, roles, lake),
        values=_value_sketches(_of_kind(scanned, "values"), plan, lake),
        files=tuple(
            HashFile(row["text"], row["table_id"], row["n"], row["n_bytes"])
            for row in _of_kind(scanned, "file").to_pylist()
        ),
        multisets=_multisets(_of_kind(scanned, "sum"), plan.settings.key),
        digests={row["text"]: row["data"].hex() for row in _of_kind(scanned, "digest").to_pylist()},
        errors={row["table_id"]: row["text"] for row in errors.to_pylist()},
        bytes_read=pc.sum(tasks["n_bytes"]).as_py() or 0,
        peak_worker_bytes=pc.max(tasks["n"]).as_py() or 0,
    )


def _of_kind(scanned: pa.Table, kind: str) -> pa.Table:
    return scanned.filter(pc.equal(scanned["kind"], kind))


def _multisets(scanned: pa.Table, key: bytes) -> dict[tuple[int, int], bytes]:
    """Digest of each (projection, table)'s rows, with repeats."""
    parts: dict[tuple[int, int], list[UInt64]] = {}
    columns = (scanned[name].to_pylist() for name in ("projection", "table_id", "data"))
    for projection, table, data in zip(*columns, strict=True):
        parts.setdefault((projection, table), []).append(np.frombuffer(unveiled(data, key), np.uint64))
    return {place: sum_digest(total(sums), key) for place, sums in parts.items()}


def _row_sketches(scanned: pa.Table, plan: ScanPlan, roles: Int32, lake: LakeStatistics) -> RowSketches:
    parts: dict[tuple[int, int], list[bytes]] = {}
    columns = (scanned[name].to_pylist() for name in ("projection", "table_id", "data"))
    for projection, table, data in zip(*columns, strict=True):
        parts.setdefault((projection, table), []).append(data)
    samples = [distinct_rows(parts.get((schema, table), ())) for schema, table in roles.tolist()]
    return RowSketches(
        projection=roles[:, 0].copy(),
        table=roles[:, 1].copy(),
        level=np.array([plan.tables[table].row_level for table in roles[:, 1].tolist()], np.int32),
        is_child=lake.groups.schema_of_table[roles[:, 1]] == roles[:, 0],
        indptr=np.cumsum([0, *map(len, samples)], dtype=np.int64),
        hashes=np.concatenate([np.empty((0, 2), np.uint64), *samples]),
    )


def distinct_rows(parts: Iterable[bytes]) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    """The distinct row hashes of several pieces of little-endian words, (k, 2) sorted."""
    return distinct_counts(np.frombuffer(b"".join(parts), np.uint64).reshape(-1, 2))[0]


def _value_sketches(scanned: pa.Table, plan: ScanPlan, lake: LakeStatistics) -> ValueSketches:
    number = {token: place for place, token in enumerate(lake.tokens)}
    tables = np.array(scanned["table_id"].to_pylist(), np.int64)
    tokens = np.array([number[token] for token in scanned["token"].to_pylist()], np.int64)
    entries = lake.entries(tables, tokens)
    parts: dict[int, list[bytes]] = {}
    for entry, data in zip(entries.tolist(), scanned["data"].to_pylist(), strict=True):
        parts.setdefault(entry, []).append(data)
    level = np.full(len(lake.bounds.token), -1, np.int32)
    for entry, table in zip(entries.tolist(), tables.tolist(), strict=True):
        level[entry] = plan.tables[table].value_level
    n_values = np.zeros(len(level), np.int64)
    samples = {entry: distinct(np.frombuffer(b"".join(parts[entry]), np.uint64)) for entry in sorted(parts)}
    n_values[list(samples)] = [len(sample) for sample in samples.values()]
    return ValueSketches(
        indptr=np.concatenate([np.zeros(1, np.int64), np.cumsum(n_values)]),
        hashes=np.concatenate([np.empty(0, np.uint64), *samples.values()]),
        level=level,
    )

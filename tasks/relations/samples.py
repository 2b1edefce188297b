"""What the sampling scan brought back, as arrays."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakebed.tasks.containment.statistics import LakeStatistics
from lakebed.tasks.encoding.distinct import distinct
from lakebed.tasks.relations.kernel.columns import ColumnSamples
from lakebed.tasks.relations.kernel.overlap import ItemSamples
from lakebed.tasks.relations.plan import ItemRoles
from lakebed.tasks.relations.worker import ValueSample

UInt64 = NDArray[np.uint64]


@dataclass(frozen=True)
class ScanCosts:
    """What a scan cost, and which tables it could not read.

    Attributes:
        errors: reason by table_id.
        bytes_read: of the lake.
        peak_worker_bytes: of the largest worker.
    """

    errors: dict[int, str]
    bytes_read: int
    peak_worker_bytes: int

    @staticmethod
    def of(scanned: pa.Table) -> "ScanCosts":
        """From rows of SCAN_SCHEMA."""
        tasks, errors = of_kind(scanned, "task"), of_kind(scanned, "error")
        return ScanCosts(
            {row["table_id"]: row["text"] for row in errors.to_pylist()},
            pc.sum(tasks["n_bytes"]).as_py() or 0,
            pc.max(tasks["n"]).as_py() or 0,
        )


def of_kind(scanned: pa.Table, kind: str) -> pa.Table:
    """The rows of one kind."""
    return scanned.filter(pc.equal(scanned["kind"], kind))


def item_samples(scanned: pa.Table, roles: ItemRoles, n_tables: int) -> ItemSamples:
    """The row samples of every role, those of several splits merged."""
    rows = of_kind(scanned, "rows")
    parts: dict[tuple[int, int], list[bytes]] = {}
    columns = (rows[name].to_pylist() for name in ("projection", "table_id", "data"))
    for projection, item, data in zip(*columns, strict=True):
        parts.setdefault((projection, item), []).append(data)
    keys = zip(roles.projection.tolist(), roles.item.tolist(), strict=True)
    samples = [distinct(_words(b"".join(parts.get(key, ())))) for key in keys]
    return ItemSamples(
        projection=roles.projection,
        item=roles.item,
        level=roles.level,
        is_child=roles.is_child,
        indptr=np.cumsum([0, *map(len, samples)], dtype=np.int64),
        high=np.concatenate([np.empty(0, np.uint64), *samples]),
        n_tables=n_tables,
    )


def column_samples(scanned: pa.Table, lake: LakeStatistics, columns: pa.Table) -> ColumnSamples:
    """The value samples of every column, those of several splits merged; `columns` is the inventory's table."""
    rows = of_kind(scanned, "values")
    number = {token: place for place, token in enumerate(lake.tokens)}
    tables = np.array(rows["table_id"].to_pylist(), np.int64)
    entries = lake.entries(tables, np.array([number[token] for token in rows["token"].to_pylist()], np.int64))
    merged: dict[int, ValueSample] = {}
    for entry, level, data in zip(entries.tolist(), rows["n_bytes"].to_pylist(), rows["data"].to_pylist(), strict=True):
        merged.setdefault(entry, ValueSample()).merge(_words(data), level)
    n_columns = len(lake.bounds.token)
    level, n_values = np.full(n_columns, -1, np.int32), np.zeros(n_columns, np.int64)
    for entry, sample in merged.items():
        level[entry], n_values[entry] = sample.level, len(sample.hashes)
    return ColumnSamples(
        indptr=np.concatenate([np.zeros(1, np.int64), np.cumsum(n_values)]),
        hashes=np.concatenate([np.empty(0, np.uint64), *(merged[entry].hashes for entry in sorted(merged))]),
        level=level,
        place=_places(lake, columns),
    )


def _places(lake: LakeStatistics, columns: pa.Table) -> NDArray[np.float64]:
    """Where each column stands in its table's schema, from 0 to below 1."""
    position = columns["position"].to_numpy()[lake.column_rows]
    width = np.diff(lake.bounds.indptr)
    table = np.repeat(np.arange(len(width)), width)
    places: NDArray[np.float64] = position / np.maximum(1, width)[table]
    return places


def _words(data: bytes) -> UInt64:
    return np.frombuffer(data, np.uint64)

"""Bytes and accesses turned into money and time; a period is a month."""

from dataclasses import dataclass

import numpy as np

from lakebed.tasks.retention.config import PricesConfig, ThroughputConfig
from lakebed.tasks.retention.kernel.model import Bool, Float64, Int64

GB = 1e9
MB = 1e6
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class TableCosts:
    """A month's cost of keeping each table, by part, in the currency. Shapes: all (n,)."""

    storage: Float64
    maintenance: Float64
    read: Float64

    @property
    def total(self) -> Float64:
        """(n,) a·b + m·f + q·r."""
        return self.storage + self.maintenance + self.read


@dataclass(frozen=True)
class RebuildCosts:
    """Of one rebuild over each edge: its price in the currency, and its seconds. Shapes: both (m,)."""

    price: Float64
    seconds: Float64


@dataclass(frozen=True)
class ColumnSizes:
    """The bytes of each table's columns, ordered by table and token; negative where they are unknown.

    Shapes: table, token, n_bytes (k,); is_whole (n,), tables of which a reader reads every byte whatever it wants.
    """

    table: Int64
    token: Int64
    n_bytes: Int64
    is_whole: Bool


def table_costs(
    n_bytes: Int64, n_accesses: Float64, rewrites: float, prices: PricesConfig, speed: ThroughputConfig
) -> TableCosts:
    """Storage, maintenance and reading of each table. Shapes: n_bytes, n_accesses (n,)."""
    size = n_bytes / GB
    read = size * prices.read_per_gb + _compute_price(n_bytes, prices, speed)
    return TableCosts(
        size * prices.storage_per_gb_month, rewrites * size * prices.maintenance_per_gb, n_accesses * read
    )


def rebuild_costs(n_read: Int64, n_written: Int64, prices: PricesConfig, speed: ThroughputConfig) -> RebuildCosts:
    """One rebuild: bytes read, computed and written. Shapes: n_read, n_written (m,)."""
    n_computed = n_read + n_written
    price = n_read / GB * prices.read_per_gb + n_written / GB * prices.write_per_gb
    price = price + _compute_price(n_computed, prices, speed)
    seconds = n_read / MB / speed.read_mb_per_s + n_written / MB / speed.write_mb_per_s
    seconds = speed.overhead_s + seconds + n_computed / MB / (speed.compute_mb_per_cpu_s * speed.n_cpus)
    return RebuildCosts(price, seconds)


def bytes_read(columns: ColumnSizes, n_bytes: Int64, child: Int64, parent: Int64) -> Int64:
    """What each parent's reader reads for its child: the child's columns, or the whole parent where that is unknown.

    Shapes: n_bytes (n,); child, parent and result (m,). Cost: O(Σ columns of the children · log).
    """
    if not len(child):
        return np.empty(0, np.int64)
    starts = np.searchsorted(columns.table, np.arange(len(n_bytes) + 1))
    counts = np.diff(starts)[child]
    edge = np.repeat(np.arange(len(child)), counts)
    offset = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    token = columns.token[starts[child][edge] + offset]
    width = int(columns.token.max(initial=0)) + 1
    keys = columns.table * width + columns.token
    wanted = parent[edge] * width + token
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    is_known = (keys[place] == wanted) & (columns.n_bytes[place] >= 0)
    read = np.bincount(edge, np.where(is_known, columns.n_bytes[place], 0), len(child)).astype(np.int64)
    is_unknown = np.bincount(edge, ~is_known, len(child)) > 0
    return np.where(is_unknown | columns.is_whole[parent], n_bytes[parent], np.minimum(read, n_bytes[parent]))


def _compute_price(n_bytes: Int64, prices: PricesConfig, speed: ThroughputConfig) -> Float64:
    cpu_hours = n_bytes / MB / speed.compute_mb_per_cpu_s / _SECONDS_PER_HOUR
    return np.asarray(cpu_hours * prices.compute_per_cpu_hour, np.float64)

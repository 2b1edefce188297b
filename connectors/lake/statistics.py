"""What a file's metadata says of its columns, whatever format it came from.

The true minimum m of a column (over cells that are neither null nor NaN) satisfies min_lower ≤ m ≤ min_upper, the true
maximum M satisfies max_lower ≤ M ≤ max_upper; None is unknown. Values are plain ones (`canonical.py`).
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from lakebed.connectors.lake.canonical import Canonical
from lakebed.connectors.lake.leaves import Leaf

Tightness = Literal["tight", "wide", "cut", "none"]
Interval = tuple["Canonical | None", "Canonical | None", "Canonical | None", "Canonical | None"]

UNKNOWN: Interval = (None, None, None, None)
# no UTF-8 text holds this byte, so a text that begins with p lies between p and p + this
AFTER_TEXT = b"\xff"
_MS = 1_000_000


@dataclass
class LeafStatistics:
    """Lists with an entry a leaf, in the order of the file's leaves."""

    min_lower: list[Canonical | None] = field(default_factory=list)
    min_upper: list[Canonical | None] = field(default_factory=list)
    max_lower: list[Canonical | None] = field(default_factory=list)
    max_upper: list[Canonical | None] = field(default_factory=list)
    tightness: list[Tightness] = field(default_factory=list)
    n_nulls: list[int | None] = field(default_factory=list)
    n_bytes: list[int | None] = field(default_factory=list)

    def add(self, bounds: Interval, tightness: Tightness, n_nulls: int | None, n_bytes: int | None) -> None:
        """Appends one leaf."""
        self.min_lower.append(bounds[0])
        self.min_upper.append(bounds[1])
        self.max_lower.append(bounds[2])
        self.max_upper.append(bounds[3])
        self.tightness.append(tightness)
        self.n_nulls.append(n_nulls)
        self.n_bytes.append(n_bytes)

    def put(self, index: int, bounds: Interval, tightness: Tightness, n_nulls: int | None) -> None:
        """Replaces what is known of one leaf."""
        self.min_lower[index], self.min_upper[index], self.max_lower[index], self.max_upper[index] = bounds
        self.tightness[index] = tightness
        self.n_nulls[index] = n_nulls


@dataclass
class FileFacts:
    """One data file as its metadata describes it.

    `path` and `size` are those of the listing; `row_group_bytes` are compressed; `statistics` has an entry for each of
    `leaves`; `partition_values` are the constant columns, token and text. Text files have a copy as Parquet under
    `staged_path`, and `casts` tell how its cells become values, by token; `notes` what was not plain in reading them.
    `n_bytes` is the table's share of a file that holds several; None: all of it.
    """

    path: str
    size: int
    n_rows: int
    row_group_rows: list[int]
    row_group_bytes: list[int]
    leaves: list[Leaf]
    statistics: LeafStatistics
    partition_values: tuple[tuple[str, str | None], ...] = ()
    staged_path: str | None = None
    casts: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    n_bytes: int | None = None


def tight(low: Canonical, high: Canonical) -> Interval:
    """Both bounds are attained."""
    return low, low, high, high


def cut_text(low: bytes, high: bytes) -> Interval:
    """Text bounds of a writer that may cut them: the minimum to a prefix, the maximum to anything not below it."""
    return low, low + AFTER_TEXT, None, high


def cut_bytes(low: bytes, high: bytes) -> Interval:
    """The same for binaries, where no byte lies after all others."""
    return low, None, None, high


def within(low: int, high: int, slack: int = _MS) -> Interval:
    """Bounds that were truncated in either direction by less than the slack (default: a millisecond in ns)."""
    return low - slack, low + slack, high - slack, high + slack


def rounded(low: Decimal, high: Decimal) -> Interval:
    """Decimal bounds that may have gone through a float64."""
    return _below(low), _above(low), _below(high), _above(high)


def widen(bounds: Interval) -> Interval:
    """Bounds of rows some of which are deleted: the extremes lie somewhere between the stored ones."""
    return bounds[0], bounds[3], bounds[0], bounds[3]


def _below(value: Decimal) -> float:
    return _step(float(value), -1)


def _above(value: Decimal) -> float:
    return _step(float(value), 1)


def _step(value: float, direction: int) -> float:
    return value + direction * abs(value) * 2.0**-50

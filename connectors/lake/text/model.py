"""What a scan of one text file (CSV or JSON lines) tells, and what the scans of a table's files resolve to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import pyarrow as pa

from lakebed.connectors.lake.config import ColumnType

TextFormat = Literal["csv", "json"]
BoundValue = bool | int | float | Decimal | str | date | datetime

# How the cells of a staged column came to be. `csv`: text of unknown type. The rest is JSON: `number_text` holds number
# literals as they were written, `json` canonical JSON text of values of several kinds, `list` whole arrays.
ColumnKind = Literal["csv", "null", "bool", "int", "float", "number_text", "string", "list", "json"]

# What `cast_staged` is told: a column type; the name of a rendering (see `renderings`); `json`: the canonical JSON text
# of the staged values; "": as staged. The reader knows one more: `variant`, whose cells are values already.
StagedCast = str

MAX_BOUND_LENGTH = 512


@dataclass(frozen=True, slots=True)
class Bounds:
    """Smallest and largest value over the cells that are not null, both attained unless cut.

    Strings are ordered by their UTF-8 bytes and kept to their first MAX_BOUND_LENGTH characters: the true bound then
    starts with the stored one (so it lies between it and it + 0xFF). Timestamps are UTC instants without a zone.
    """

    minimum: BoundValue
    maximum: BoundValue
    is_minimum_cut: bool = False
    is_maximum_cut: bool = False

    def merge(self, other: "Bounds") -> "Bounds":
        """The bounds of both together; where equal prefixes meet, a cut one makes the result cut."""
        # Python orders strings by code point, which is the order of their UTF-8 bytes
        minimum = min(self.minimum, other.minimum)
        maximum = max(self.maximum, other.maximum)
        return Bounds(
            minimum,
            maximum,
            any(b.is_minimum_cut and b.minimum == minimum for b in (self, other)),
            any(b.is_maximum_cut and b.maximum == maximum for b in (self, other)),
        )


@dataclass(frozen=True)
class ColumnScan:
    """One leaf of one file.

    Attributes:
        token: of the leaf in `staged_schema`.
        kind: how its staged cells came to be.
        n_nulls: cells that are null, by themselves or because an enclosing object is.
        candidates: types that every cell survives, the preferred one first, each with its bounds (None = unknown).
            Empty for a column without a value, for lists, and for `json`.
        form: of timestamps, the one rendering all cells share.
        override: the type that the config gives; then it is the only candidate.
    """

    token: str
    kind: ColumnKind
    n_nulls: int
    candidates: Mapping[StagedCast, Bounds | None] = field(default_factory=dict)
    form: str = ""
    override: ColumnType | None = None
    has_values: bool = True


@dataclass(frozen=True)
class TextScan:
    """One text file, staged.

    `n_bytes` is the size of the file as it lies in the lake (compressed if it is); `notes` say what is not plain in it.
    """

    path: str
    format: TextFormat
    n_rows: int
    n_bytes: int
    columns: tuple[ColumnScan, ...]
    staged_schema: pa.Schema
    staged_bytes: int = 0
    delimiter: str = ""
    has_header: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ResolvedColumn:
    """One leaf of a table of text files.

    Attributes:
        token: of the leaf.
        type: Arrow type of the cells that `cast_staged` gives.
        casts: for each scan, in the order given, what to pass to `cast_staged`; None where that file
            lacks the column (or has no value in it): all its cells are null.
        n_nulls: over all files, rows of files that lack the column included.
        bounds: over all files; None = unknown or no value.
        file_bounds: of each scan; None = unknown or no value there.
    """

    token: str
    type: pa.DataType
    casts: tuple[StagedCast | None, ...]
    n_nulls: int
    bounds: Bounds | None
    file_bounds: tuple[Bounds | None, ...]

"""One unit of the inventory's data work, done in a Spark worker or, in tests, in plain Python."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.errors import LakeError
from lakebed.connectors.lake.canonical import Canonical, has_order, min_max_of
from lakebed.connectors.lake.config import ColumnType, TextConfig
from lakebed.connectors.lake.leaves import LeafArray
from lakebed.connectors.lake.model import FileEntry, Unreadable
from lakebed.connectors.lake.parquet import read_footers
from lakebed.connectors.lake.read import ReadCounter, Split, read_split
from lakebed.connectors.lake.statistics import FileFacts
from lakebed.connectors.lake.text.model import TextFormat, TextScan
from lakebed.connectors.lake.text.scan import scan_text_file
from lakebed.tasks.inventory.text import fold_tokens


@dataclass(frozen=True)
class TextUnit:
    """A text file to stage: its path below the lake root, and the absolute path of its Parquet copy."""

    path: str
    format: TextFormat
    out_path: str
    overrides: Mapping[str, ColumnType]
    n_bytes: int


@dataclass(frozen=True)
class BoundsUnit:
    """Columns of a Parquet file whose bounds its metadata lacks."""

    path: str
    tokens: tuple[str, ...]
    n_bytes: int


@dataclass(frozen=True)
class FooterUnit:
    """Parquet files whose footers to read; no data is."""

    entries: tuple[FileEntry, ...]

    @property
    def n_bytes(self) -> int:
        """A footer's worth for each file: what the work is shared out by."""
        return len(self.entries) << 14


Unit = TextUnit | BoundsUnit | FooterUnit


@dataclass(frozen=True)
class WorkContext:
    """What all units share."""

    root: str
    text: TextConfig
    ignore_case: bool


@dataclass
class ColumnBounds:
    """Bounds of one column of one file, read from its data."""

    low: Canonical | None
    high: Canonical | None
    n_nulls: int


@dataclass
class Outcome:
    """What a unit gave; `error` instead where it failed. `n_bytes` is what was read of the lake's data."""

    n_bytes: int = 0
    scan: TextScan | None = None
    row_groups: tuple[list[int], list[int]] = ((), ())  # type: ignore[assignment]
    bounds: dict[str, ColumnBounds] = field(default_factory=dict)
    footers: list[FileFacts | Unreadable] = field(default_factory=list)
    error: LakeError | None = None


def do_unit(context: WorkContext, unit: Unit) -> Outcome:
    """Does one unit; a file that cannot be read is part of the outcome, never fatal."""
    try:
        if isinstance(unit, TextUnit):
            return _stage_text(context, unit)
        if isinstance(unit, BoundsUnit):
            return _read_bounds(context, unit)
        return Outcome(footers=read_footers(context.root, unit.entries, 1, ignore_case=context.ignore_case))
    except LakeError as error:
        return Outcome(error=error)


def _stage_text(context: WorkContext, unit: TextUnit) -> Outcome:
    os.makedirs(os.path.dirname(unit.out_path), exist_ok=True)
    scan = scan_text_file(context.root, unit.path, unit.format, unit.out_path, context.text, unit.overrides)
    metadata = pq.read_metadata(unit.out_path)
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    sizes = [sum(group.column(i).total_compressed_size for i in range(group.num_columns)) for group in groups]
    return Outcome(scan.n_bytes, _folded(scan) if context.ignore_case else scan, ([g.num_rows for g in groups], sizes))


def _folded(scan: TextScan) -> TextScan:
    """The scan with tokens as they are where the case of names does not matter."""
    folds = fold_tokens(scan.staged_schema)
    columns = tuple(replace(column, token=folds.get(column.token, column.token)) for column in scan.columns)
    return replace(scan, columns=columns, staged_schema=_fold_schema(scan.staged_schema))


def _fold_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(field.name.casefold(), _fold_type(field.type)) for field in schema])


def _fold_type(type_: pa.DataType) -> pa.DataType:
    if not pa.types.is_struct(type_):
        return type_
    children = [type_.field(index) for index in range(type_.num_fields)]
    return pa.struct([pa.field(child.name.casefold(), _fold_type(child.type)) for child in children])


def _read_bounds(context: WorkContext, unit: BoundsUnit) -> Outcome:
    counter = ReadCounter()
    bounds = {token: ColumnBounds(None, None, 0) for token in unit.tokens}
    split = Split(0, 0, unit.path, "parquet", None, (), (), 0, unit.n_bytes)
    for cells in read_split(context.root, split, unit.tokens, counter, ignore_case=context.ignore_case):
        for token, leaf in cells.items():
            _add_cells(bounds[token], leaf)
    return Outcome(counter.n_bytes, bounds=bounds)


def _add_cells(bounds: ColumnBounds, leaf: LeafArray) -> None:
    values = leaf.values
    bounds.n_nulls += values.null_count
    if len(values) == values.null_count or not has_order(values.type):
        return
    low, high = min_max_of(values)
    lows = [value for value in (bounds.low, low) if value is not None]
    highs = [value for value in (bounds.high, high) if value is not None]
    bounds.low = min(lows) if lows else None
    bounds.high = max(highs) if highs else None

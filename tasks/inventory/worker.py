"""One unit of the inventory's data work, done in a worker of the engine: a process of this machine, or Spark's."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.errors import LakeError, SourceError
from lakebed.connectors.lake.batches import ReadCounter, Split, reason_of
from lakebed.connectors.lake.canonical import Canonical, has_order, min_max_of
from lakebed.connectors.lake.config import ColumnType, TextConfig
from lakebed.connectors.lake.formats.staging import Copy, Staged, stage_book, stage_file
from lakebed.connectors.lake.isolated import MEMORY_BYTES, isolated
from lakebed.connectors.lake.leaves import LeafArray
from lakebed.connectors.lake.model import FileEntry, Unreadable
from lakebed.connectors.lake.parquet import read_footer, read_footers
from lakebed.connectors.lake.read import read_split
from lakebed.connectors.lake.statistics import FileFacts
from lakebed.connectors.lake.text.model import TextFormat, TextScan
from lakebed.connectors.lake.text.scan import scan_text_file
from lakebed.connectors.object_client import has_client
from lakebed.connectors.storage import Storage
from lakebed.connectors.uris import is_object_store
from lakebed.tasks.inventory.text import fold_tokens
from lakebed.tasks.runtime.memory import peak_memory_bytes


@dataclass(frozen=True)
class TextUnit:
    """A text file to stage: its path below the lake root, and the absolute path of its Parquet copy."""

    path: str
    format: TextFormat
    out_path: str
    overrides: Mapping[str, ColumnType]
    n_bytes: int


@dataclass(frozen=True)
class FileUnit:
    """A file that is read whole, to stage: its path below the lake root, and the absolute path of its Parquet copy."""

    path: str
    format: str
    out_path: str
    n_bytes: int


@dataclass(frozen=True)
class BookUnit:
    """A file of several tables, to stage: its path below the lake root, and which tables become which copies."""

    path: str
    format: str
    copies: tuple[Copy, ...]
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


Unit = TextUnit | FileUnit | BookUnit | BoundsUnit | FooterUnit


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
    """What a unit gave; `error` instead where it failed. `n_bytes` is what was read of the lake's data.

    Of a book `parts` has one for each copy.
    """

    n_bytes: int = 0
    scan: TextScan | None = None
    row_groups: tuple[list[int], list[int]] = ((), ())  # type: ignore[assignment]
    bounds: dict[str, ColumnBounds] = field(default_factory=dict)
    footers: list[FileFacts | Unreadable] = field(default_factory=list)
    error: LakeError | None = None
    peak_bytes: int = 0
    parts: "list[Outcome]" = field(default_factory=list)

    def of_copy(self, place: int) -> "Outcome":
        """What became of one copy."""
        return self if self.error or not self.parts else self.parts[place]


def do_units(context: WorkContext, units: Sequence[Unit]) -> Iterator[Outcome]:
    """Does units in a process of their own, in order: one that dies, hangs or takes all memory costs one table."""
    work = partial(_do_measured, context)
    is_forked = not (is_object_store(context.root) and has_client())
    yield from isolated(work, units, _deadly, is_forked=is_forked)


def _do_measured(context: WorkContext, unit: Unit) -> Outcome:
    outcome = do_unit(context, unit)
    outcome.peak_bytes = peak_memory_bytes()
    return outcome


def _deadly(unit: Unit, why: str) -> Outcome:
    if isinstance(unit, FooterUnit):
        return Outcome(footers=[Unreadable(entry.path, "parquet", why, _HINT) for entry in unit.entries])
    return Outcome(error=_unreadable(unit.path, why))


def _unreadable(path: str, why: str) -> SourceError:
    return SourceError(f"cannot read {path}", value=why, expected="a file that is whole", hint=_HINT)


_HINT = "restore the file, or leave it out with `exclude` in the lake section of the config"


def do_unit(context: WorkContext, unit: Unit) -> Outcome:
    """Does one unit; a file that cannot be read is part of the outcome, never fatal."""
    try:
        return _done(context, unit)
    except LakeError as error:
        return Outcome(error=error)
    except MemoryError:
        why = f"it takes more than {MEMORY_BYTES >> 30} GiB of memory to read"
    except RecursionError:
        why = "its values are nested too deeply"
    except Exception as error:
        # whatever a library makes of foreign bytes
        why = reason_of(error)
    return _deadly(unit, why)


def _done(context: WorkContext, unit: Unit) -> Outcome:
    if isinstance(unit, TextUnit):
        return _stage_text(context, unit)
    if isinstance(unit, FileUnit):
        return _stage_file(context, unit)
    if isinstance(unit, BookUnit):
        return _stage_book(context, unit)
    if isinstance(unit, BoundsUnit):
        return _read_bounds(context, unit)
    return Outcome(footers=read_footers(context.root, unit.entries, 1, ignore_case=context.ignore_case))


def _stage_text(context: WorkContext, unit: TextUnit) -> Outcome:
    scan = scan_text_file(context.root, unit.path, unit.format, unit.out_path, context.text, unit.overrides)
    metadata = pq.read_metadata(unit.out_path)
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    sizes = [sum(group.column(i).total_compressed_size for i in range(group.num_columns)) for group in groups]
    return Outcome(scan.n_bytes, _folded(scan) if context.ignore_case else scan, ([g.num_rows for g in groups], sizes))


def _stage_file(context: WorkContext, unit: FileUnit) -> Outcome:
    """Its facts are those of its copy, under its own name and size."""
    stage_file(context.root, unit.path, unit.format, unit.out_path)
    return Outcome(unit.n_bytes, footers=[_copy_facts(context, unit, unit.out_path)])


def _stage_book(context: WorkContext, unit: BookUnit) -> Outcome:
    done = stage_book(context.root, unit.path, unit.format, unit.copies)
    parts = [_part(context, unit, copy, staged) for copy, staged in zip(unit.copies, done, strict=True)]
    found = [cast("FileFacts", facts) for part in parts for facts in part.footers]
    total = sum(sum(facts.row_group_bytes) for facts in found)
    for facts in found:
        facts.n_bytes = unit.n_bytes * sum(facts.row_group_bytes) // max(1, total)
    return Outcome(unit.n_bytes, parts=parts)


def _part(context: WorkContext, unit: BookUnit, copy: Copy, staged: Staged) -> Outcome:
    if staged.error:
        return Outcome(error=staged.error)
    return Outcome(footers=[replace(_copy_facts(context, unit, copy.out_path), notes=staged.notes)])


def _copy_facts(context: WorkContext, unit: FileUnit | BookUnit, out_path: str) -> FileFacts:
    folder, _, name = out_path.rpartition("/")
    copy = Storage.at(folder).stat(name)
    facts = read_footer(folder, FileEntry(name, copy.size if copy else 0, 0), context.ignore_case)
    return replace(facts, path=unit.path, size=unit.n_bytes)


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

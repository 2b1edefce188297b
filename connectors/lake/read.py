"""Reads the cells of a split: a file of any table, or some of its row groups.

Runs inside Spark's Python workers and in plain Python; knows neither Spark nor what the cells are for.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.errors import LakeError, SourceError
from lakebed.connectors.lake.annotations import exact_cells, file_leaves
from lakebed.connectors.lake.files import open_file
from lakebed.connectors.lake.int96 import exact_batch
from lakebed.connectors.lake.isolated import alive
from lakebed.connectors.lake.leaves import (
    Leaf,
    LeafArray,
    Path,
    batch_leaves,
    missing_leaf,
    n_parquet_columns,
    path_of,
    schema_leaves,
)
from lakebed.connectors.lake.text.model import StagedCast
from lakebed.connectors.lake.text.types import cast_staged
from lakebed.connectors.lake.type_text import cast_text, type_from_text
from lakebed.connectors.object_client import is_busy, store_error

MAX_BATCH_ROWS = 1 << 16
MAX_BATCH_CELLS = 1 << 21
MAX_WHOLE_BYTES = 1 << 26
# a damaged footer must not make the reader reserve the memory it asks for
THRIFT_STRING_BYTES = 1 << 28
THRIFT_CONTAINER_SIZE = 1 << 24


@dataclass(frozen=True)
class Split:
    """The unit of work: a file of a table, or some of its row groups.

    `format` is `parquet` for data that lies in the lake and `staged` for text that inventory has written as Parquet;
    `row_groups` None means all. `partition_values` are constant columns: (token, text value, Arrow type text).
    `casts` give the columns of staged text their type: (token, what `cast_staged` is told). `delta` is the folder and
    the version of a Delta table whose files cannot be read as they lie, since rows are deleted by vectors, or columns
    have other names in them.
    """

    table_id: int
    split_id: int
    path: str
    format: Literal["parquet", "staged"]
    row_groups: tuple[int, ...] | None
    partition_values: tuple[tuple[str, str | None, str], ...]
    casts: tuple[tuple[str, str], ...]
    n_rows: int
    n_bytes: int
    delta: tuple[str, int] | None = None


@dataclass
class ReadCounter:
    """Bytes of column chunks and of text really read, and the SHA-256 of the files that were read as a whole."""

    n_bytes: int = 0
    digests: dict[str, str] = field(default_factory=dict)


def read_split(
    root: str,
    split: Split,
    tokens: Sequence[str],
    counter: ReadCounter,
    *,
    ignore_case: bool = False,
    as_stored: bool = False,
) -> Iterator[dict[str, LeafArray]]:
    """The cells of the asked columns, in batches of at most 64k rows (fewer when there are many columns).

    A column that the file lacks reads as null. Only the top-level columns that hold an asked leaf are read; where these
    are all of a file of up to 64 MiB, its bytes are read at once and digested.

    Args:
        root: of the lake, or of the inventory artifact for staged text.
        split: what to read.
        tokens: of the leaves.
        counter: its bytes grow as chunks are read.
        ignore_case: whether column names that differ only in case are the same.
        as_stored: whether cells are as Arrow reads them, for a file that is to be written again: VARIANT in its parts,
            ENUM as bytes, INT96 in nanoseconds.

    Yields:
        LeafArray by token; each batch has the same number of rows in every leaf.

    Raises:
        SourceError: if the file cannot be read or is not what its footer says.
    """
    if split.delta is not None:
        yield from _read_delta(root, split, tokens, counter, ignore_case=ignore_case, as_stored=as_stored)
        return
    n_bytes = split.n_bytes if split.row_groups is None else None
    with source_errors(split.path), open_file(root, split.path, n_bytes) as source:
        file = open_parquet(source)
        asked = [token for token in tokens if token not in _constants(split)]
        variants = [path_of(token) for token, rule in split.casts if rule == "variant"]
        plan = _plan_columns(file, asked, ignore_case, as_stored, variants)
        if split.format == "parquet" and split.row_groups is None and _is_whole(file, plan, source):
            data, counter = _read_whole(source, split.path, counter), ReadCounter()
            file = open_parquet(data)
        else:
            data = source
        wide = None if as_stored else wide_twin(file, data, plan.column_indices)
        yield from _read_planned(file, split, tokens, counter, plan, wide)


def _read_delta(
    root: str, split: Split, tokens: Sequence[str], counter: ReadCounter, *, ignore_case: bool, as_stored: bool
) -> Iterator[dict[str, LeafArray]]:
    """The live rows of a file, under the names that the table's log gives its columns."""
    from lakebed.connectors.lake.delta_rows import delta_rows

    path, version = split.delta or ("", 0)
    rows = delta_rows(root, path, version, ignore_case)
    stored = {token: rows.names.get(token, token) for token in tokens}
    live = rows.live.get(split.path.rpartition("/")[2])
    with source_errors(split.path), open_file(root, split.path) as source:
        file = open_parquet(source)
        start = sum(file.metadata.row_group(group).num_rows for group in range((split.row_groups or (0,))[0]))
        plan = _plan_columns(
            file, [name for name in stored.values() if name not in _constants(split)], False, as_stored
        )
        wide = None if as_stored else wide_twin(file, source, plan.column_indices)
        named = replace(split, casts=tuple((stored.get(token, token), rule) for token, rule in split.casts))
        for batch in _read_planned(file, named, list(stored.values()), counter, plan, wide):
            n_rows = len(next(iter(batch.values())).values)
            mask = None if live is None else live.slice(start, n_rows)
            start += n_rows
            yield {token: batch[name].filter(mask) for token, name in stored.items()}


def read_open(
    file: pq.ParquetFile, split: Split, tokens: Sequence[str], counter: ReadCounter, *, ignore_case: bool = False
) -> Iterator[dict[str, LeafArray]]:
    """The same of a file that is open already, its cells as they are stored."""
    asked = [token for token in tokens if token not in _constants(split)]
    plan = _plan_columns(file, asked, ignore_case, as_stored=True)
    yield from _read_planned(file, split, tokens, counter, plan)


def _read_planned(
    file: pq.ParquetFile,
    split: Split,
    tokens: Sequence[str],
    counter: ReadCounter,
    plan: "_Plan",
    wide: "WideTwin | None" = None,
) -> Iterator[dict[str, LeafArray]]:
    """The cells of planned columns; `wide` reads those with INT96 in microseconds."""
    constants = {token: constant for token, constant in _constants(split).items() if token in set(tokens)}
    casts = cast("dict[str, StagedCast]", dict(split.casts))
    n_batch_rows = _batch_rows(plan.column_indices)
    batches = _batches(file, split.row_groups, plan.column_indices, counter, n_batch_rows)
    if wide is not None:
        twins = _batches(wide.file, split.row_groups, wide.columns, ReadCounter(), n_batch_rows)
        batches = (
            exact_batch(batch, dict(zip(wide.places, twin.columns, strict=True)))
            for batch, twin in zip(batches, twins, strict=True)
        )
    for batch in batches:
        alive()
        cells = {**_exact_leaves(batch, plan.leaves), **_constant_leaves(constants, batch.num_rows)}
        yield {token: _typed(cells[token], casts.get(token)) for token in tokens}


def _exact_leaves(batch: pa.RecordBatch, leaves: Sequence[Leaf]) -> dict[str, LeafArray]:
    cells = batch_leaves(batch, leaves)
    for leaf in leaves:
        if leaf.stored is not None:
            cells[leaf.token] = exact_cells(cells[leaf.token], leaf)
    return cells


def _constants(split: Split) -> dict[str, tuple[str | None, str]]:
    return {token: (text, type_) for token, text, type_ in split.partition_values}


def reads_whole(root: str, path: str, tokens: Sequence[str], *, ignore_case: bool = False) -> bool:
    """Whether a split that is all of a file of the lake would be read at once, and digested; reads its footer only.

    Args:
        root: of the lake.
        path: of the file.
        tokens: of the leaves asked for, without partition columns.
        ignore_case: as in `read_split`.

    Raises:
        SourceError: if the file cannot be read.
    """
    with source_errors(path), open_file(root, path) as source:
        file = open_parquet(source)
        return _is_whole(file, _plan_columns(file, tokens, ignore_case, as_stored=False), source)


def _is_whole(file: pq.ParquetFile, plan: "_Plan", source: pa.NativeFile) -> bool:
    """Whether all columns of a file are wanted that fits into memory."""
    n_bytes: int = source.size()
    return len(plan.column_indices) == file.metadata.num_columns and n_bytes <= MAX_WHOLE_BYTES


def _read_whole(source: pa.NativeFile, path: str, counter: ReadCounter) -> pa.NativeFile:
    source.seek(0)
    data = source.read()
    counter.n_bytes += len(data)
    counter.digests[path] = hashlib.sha256(data).hexdigest()
    return pa.BufferReader(data)


@dataclass(frozen=True)
class WideTwin:
    """A file again with its timestamps of 96 bits in microseconds.

    `columns` are the Parquet columns of the planned fields that have such, `places` the places of these fields among
    all that are planned.
    """

    file: pq.ParquetFile
    columns: list[int]
    places: list[int]


def wide_twin(file: pq.ParquetFile, source: pa.NativeFile, columns: Collection[int]) -> WideTwin | None:
    """The twin of a file of which some columns are read, if one of these has timestamps of 96 bits.

    Args:
        file: open.
        source: its bytes.
        columns: positions of Parquet columns, all those of some fields.
    """
    # most files have no nanoseconds at all, which is cheaper to see
    if not any("[ns" in str(field.type) for field in file.schema_arrow):
        return None
    schema, chosen = file.metadata.schema, set(columns)
    planned = [found for found in column_ranges(file.schema_arrow) if found and found[0] in chosen]
    places = [
        place
        for place, found in enumerate(planned)
        if any(schema.column(column).physical_type == "INT96" for column in found)
    ]
    wide = [column for place in places for column in planned[place]]
    return WideTwin(open_parquet(source, "us"), wide, places) if places else None


def open_parquet(source: pa.NativeFile, int96_unit: str | None = None) -> pq.ParquetFile:
    """A Parquet file with limits on what a damaged footer can ask for; checksums of pages are verified.

    Args:
        source: its bytes.
        int96_unit: in which timestamps of 96 bits are read; nanoseconds unless given.
    """
    return pq.ParquetFile(
        source,
        coerce_int96_timestamp_unit=int96_unit,
        pre_buffer=False,
        page_checksum_verification=True,
        thrift_string_size_limit=THRIFT_STRING_BYTES,
        thrift_container_size_limit=THRIFT_CONTAINER_SIZE,
    )


@contextmanager
def source_errors(path: str) -> Iterator[None]:
    """Turns whatever a damaged file makes the readers raise into a SourceError that names the file."""
    try:
        yield
    except (LakeError, GeneratorExit):
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        # Arrow's clients of object stores give no number
        if isinstance(error, OSError) and error.errno is None and is_busy(str(error)):
            raise store_error(str(error), "read the object", path, SourceError) from error
        raise SourceError(
            f"cannot read {path}",
            value=reason_of(error),
            expected="a file that is whole and does not change while it is read",
            hint="restore the file, or leave it out with `exclude` in the lake section of the config",
        ) from error


def reason_of(error: BaseException) -> str:
    """One line that says why a file could not be read."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


@dataclass(frozen=True)
class _Plan:
    column_indices: list[int]
    leaves: list[Leaf]


def _plan_columns(
    file: pq.ParquetFile, tokens: Sequence[str], ignore_case: bool, as_stored: bool, variants: Sequence[Path] = ()
) -> _Plan:
    """Which Parquet columns to read, and the leaves as positions in the batch that comes of it."""
    schema = file.schema_arrow
    wanted = set(tokens)
    known = schema_leaves(schema, ignore_case) if as_stored else file_leaves(file, ignore_case, variants)
    leaves = [leaf for leaf in known if leaf.token in wanted]
    missing = [missing_leaf(token, schema, ignore_case) for token in wanted - {leaf.token for leaf in leaves}]
    tops = sorted({leaf.indices[0] for leaf in (*leaves, *missing) if leaf.indices})
    position = {top: index for index, top in enumerate(tops)}
    moved = [
        replace(leaf, indices=(position[leaf.indices[0]], *leaf.indices[1:])) if leaf.indices else leaf
        for leaf in (*leaves, *missing)
    ]
    ranges = column_ranges(schema)
    return _Plan([index for top in tops for index in ranges[top]], moved)


def column_ranges(schema: pa.Schema) -> list[range]:
    """For each top-level field the positions of its Parquet columns."""
    ranges, start = [], 0
    for column in schema:
        n_columns = n_parquet_columns(column.type)
        ranges.append(range(start, start + n_columns))
        start += n_columns
    return ranges


def _batch_rows(columns: Sequence[int]) -> int:
    return max(256, min(MAX_BATCH_ROWS, MAX_BATCH_CELLS // max(1, len(columns))))


def _batches(
    file: pq.ParquetFile,
    row_groups: tuple[int, ...] | None,
    columns: list[int],
    counter: ReadCounter,
    n_batch_rows: int,
) -> Iterator[pa.RecordBatch]:
    metadata = file.metadata
    groups = range(metadata.num_row_groups) if row_groups is None else row_groups
    for run in _runs(groups, [metadata.row_group(group).num_rows for group in groups], n_batch_rows):
        if not columns:
            yield from _empty_batches(sum(metadata.row_group(group).num_rows for group in run))
            continue
        counter.n_bytes += sum(
            metadata.row_group(group).column(column).total_compressed_size for group in run for column in columns
        )
        yield from file.reader.iter_batches(n_batch_rows, row_groups=run, column_indices=columns, use_threads=False)


def _runs(groups: Sequence[int], n_rows: Sequence[int], n_batch_rows: int) -> Iterator[list[int]]:
    """Neighbouring row groups that fill a batch together: small groups would make small batches."""
    run: list[int] = []
    n_run = 0
    for group, n_group in zip(groups, n_rows, strict=True):
        if run and n_run + n_group > n_batch_rows:
            yield run
            run, n_run = [], 0
        run.append(group)
        n_run += n_group
    if run:
        yield run


def _empty_batches(n_rows: int) -> Iterator[pa.RecordBatch]:
    """Batches that have rows but no columns."""
    for start in range(0, n_rows, MAX_BATCH_ROWS):
        n = min(MAX_BATCH_ROWS, n_rows - start)
        yield pa.RecordBatch.from_struct_array(pa.StructArray.from_buffers(pa.struct([]), n, [None]))


def _constant_leaves(constants: Mapping[str, tuple[str | None, str]], n_rows: int) -> dict[str, LeafArray]:
    return {
        token: LeafArray(pa.repeat(partition_scalar(text, type_), n_rows), None)
        for token, (text, type_) in constants.items()
    }


def partition_scalar(text: str | None, type_text: str) -> pa.Scalar:
    """A partition's value from its text; None is the null partition."""
    type_ = type_from_text(type_text)
    return pa.scalar(None, type_) if text is None else cast_text(pa.array([text]), type_)[0]


def _typed(cells: LeafArray, rule: StagedCast | None) -> LeafArray:
    if not rule or rule == "variant" or pa.types.is_null(cells.values.type):
        return cells
    return LeafArray(cast_staged(cells.values, rule), cells.null_depth)

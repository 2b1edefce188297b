"""Reads the cells of a split: a file of any table, or some of its row groups.

Runs inside Spark's Python workers and in plain Python; knows neither Spark nor what the cells are for.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakebed.connectors.lake.annotations import exact_cells, file_leaves
from lakebed.connectors.lake.batches import (
    ReadCounter,
    Split,
    WideTwin,
    batch_rows,
    column_ranges,
    is_coded,
    open_parquet,
    read_batches,
    source_errors,
    wide_twin,
)
from lakebed.connectors.lake.files import open_file
from lakebed.connectors.lake.int96 import exact_batch
from lakebed.connectors.lake.isolated import alive
from lakebed.connectors.lake.leaves import (
    Leaf,
    LeafArray,
    Path,
    batch_leaves,
    missing_leaf,
    path_of,
    schema_leaves,
)
from lakebed.connectors.lake.text.model import StagedCast
from lakebed.connectors.lake.text.types import cast_staged
from lakebed.connectors.lake.type_text import cast_text, type_from_text

if TYPE_CHECKING:
    from lakebed.connectors.lake.delta_rows import DeltaRows

MAX_WHOLE_BYTES = 1 << 26
MIN_CODED_ROWS = 1 << 16


def read_split(
    root: str,
    split: Split,
    tokens: Sequence[str],
    counter: ReadCounter,
    *,
    ignore_case: bool = False,
    may_be_coded: bool = False,
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
        may_be_coded: whether texts of which a large file holds codes may come as dictionaries.

    Yields:
        LeafArray by token; each batch has the same number of rows in every leaf.

    Raises:
        SourceError: if the file cannot be read or is not what its footer says.
    """
    if split.delta is not None:
        from lakebed.connectors.lake.delta_rows import delta_rows

        rows = delta_rows(root, *split.delta, ignore_case)
        yield from read_delta(root, split, tokens, counter, rows, as_stored=False)
        return
    if split.iceberg is not None:
        from lakebed.connectors.lake.iceberg.rows import iceberg_cells

        yield from iceberg_cells(root, split, tokens, counter, ignore_case)
        return
    n_bytes = split.n_bytes if split.row_groups is None else None
    with source_errors(split.path), open_file(root, split.path, n_bytes) as source:
        file = open_parquet(source)
        asked = [token for token in tokens if token not in _constants(split)]
        variants = [path_of(token) for token, rule in split.casts if rule == "variant"]
        plan = _plan_columns(file, asked, ignore_case, as_stored=False, variants=variants)
        if may_be_coded and split.n_rows >= MIN_CODED_ROWS:
            plan = _coded_plan(file, split, plan)
        data = source
        if split.format == "parquet" and split.row_groups is None and _is_whole(file, plan, source):
            data, counter = _read_whole(source, split.path, counter), ReadCounter()
        if data is not source or plan.coded:
            file = open_parquet(data, metadata=file.metadata, coded=plan.coded_names)
        wide = wide_twin(file, data, plan.column_indices)
        yield from _read_planned(file, split, tokens, counter, plan, wide)


def read_delta(
    root: str, split: Split, tokens: Sequence[str], counter: ReadCounter, rows: "DeltaRows", *, as_stored: bool
) -> Iterator[dict[str, LeafArray]]:
    """The live rows of a file of a Delta table, under the names that its log gives its columns.

    Args, Yields, Raises: as `read_split`, but that `rows` says which names and rows; case is folded in no file's names.
    With `as_stored` cells are as Arrow reads them, for a file that is to be written again: VARIANT in its parts, ENUM
    as bytes, INT96 in nanoseconds.
    """
    live = rows.live.get(split.path.rpartition("/")[2])
    with source_errors(split.path), open_file(root, split.path) as source:
        file = open_parquet(source)
        names = rows.in_file(file.schema_arrow)
        stored = {token: names.get(token, token) for token in tokens}
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
    n_batch_rows = batch_rows(plan.column_indices)
    batches = read_batches(file, split.row_groups, plan.column_indices, counter, n_batch_rows)
    if wide is not None:
        twins = read_batches(wide.file, split.row_groups, wide.columns, ReadCounter(), n_batch_rows)
        batches = (
            exact_batch(batch, dict(zip(wide.places, twin.columns, strict=True)))
            for batch, twin in zip(batches, twins, strict=True)
        )
    for batch in batches:
        alive()
        cells = {**_exact_leaves(batch, plan), **_constant_leaves(constants, batch.num_rows)}
        yield {token: _typed(cells[token], casts.get(token)) for token in tokens}


def _exact_leaves(batch: pa.RecordBatch, plan: "_Plan") -> dict[str, LeafArray]:
    cells = batch_leaves(batch, plan.leaves)
    exact = {leaf.token: exact_cells(cells[leaf.token], leaf) for leaf in plan.leaves if leaf.stored is not None}
    return cells | exact | {leaf.token: LeafArray(_held(batch.column(leaf.indices[0])), None) for leaf in plan.coded}


def _held(codes: pa.Array) -> pa.Array:
    """Codes as they are; Arrow holds them to their dictionary only where it reads texts of them."""
    if pa.types.is_dictionary(codes.type):
        ends = pc.min_max(codes.indices).as_py()
        if ends["min"] is not None and not 0 <= ends["min"] <= ends["max"] < len(codes.dictionary):
            raise pa.ArrowInvalid("a code of a text is none of its dictionary")
    return codes


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
class _Plan:
    """The Parquet columns to read, their leaves by positions in the batch that comes of it, and those read as codes."""

    column_indices: list[int]
    leaves: list[Leaf]
    coded: tuple[Leaf, ...] = ()

    @property
    def coded_names(self) -> list[str]:
        """Names of the coded columns."""
        return [str(leaf.path[0]) for leaf in self.coded]


def _coded_plan(file: pq.ParquetFile, split: Split, plan: _Plan) -> _Plan:
    """The plan with columns of texts read as codes where the file has few of them.

    Codes end a batch with each row group, for which the twin of a file with timestamps of 96 bits does not.
    """
    if any(file.metadata.schema.column(number).physical_type == "INT96" for number in plan.column_indices):
        return plan
    schema = file.schema_arrow
    groups = range(file.metadata.num_row_groups) if split.row_groups is None else split.row_groups
    numbers = {file.metadata.schema.column(number).path: number for number in plan.column_indices}
    cast = {token for token, _ in split.casts}
    coded = tuple(
        leaf
        for leaf in plan.leaves
        if leaf.type == pa.string()
        and not (leaf.is_missing or leaf.is_dictionary or leaf.depth or leaf.token in cast)
        # Arrow takes columns by their paths, which dots and repeats make ambiguous
        and "." not in (name := str(leaf.path[0]))
        and schema.names.count(name) == 1
        # the field itself: of a JSON column it is an extension
        and schema.field(name).type == pa.string()
        and name in numbers
        and is_coded(file, groups, numbers[name])
    )
    return replace(plan, leaves=[leaf for leaf in plan.leaves if leaf not in coded], coded=coded)


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
        replace(leaf, indices=(position[leaf.indices[0]], *leaf.indices[1:]))
        if leaf.indices and position[leaf.indices[0]] != leaf.indices[0]
        else leaf
        for leaf in (*leaves, *missing)
    ]
    ranges = column_ranges(schema)
    return _Plan([index for top in tops for index in ranges[top]], moved)


def _constant_leaves(constants: Mapping[str, tuple[str | None, str]], n_rows: int) -> dict[str, LeafArray]:
    return {
        token: LeafArray(pa.repeat(partition_scalar(text, type_), n_rows), None)
        for token, (text, type_) in constants.items()
    }


def partition_scalar(text: str | None, type_text: str) -> pa.Scalar:
    """A partition's value from its text; None is the null partition."""
    type_ = type_from_text(type_text)
    return pa.scalar(None, type_) if text is None else cast_text(pa.array([text]), type_)[0]


def is_constant(column: pa.ChunkedArray, value: pa.Scalar) -> bool:
    """Whether each cell is what a partition's value becomes in the column's type; null is null."""
    if not value.is_valid:
        return bool(column.null_count == len(column))
    try:
        plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        same = pc.equal(plain, value.cast(plain.type))
    except pa.ArrowException:
        return False
    return bool(column.null_count == 0 and pc.all(same, min_count=0).as_py())


def _typed(cells: LeafArray, rule: StagedCast | None) -> LeafArray:
    if not rule or rule == "variant" or pa.types.is_null(cells.values.type):
        return cells
    return LeafArray(cast_staged(cells.values, rule), cells.null_depth)

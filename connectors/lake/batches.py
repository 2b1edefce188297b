"""A Parquet file, opened with limits on what a damaged footer can ask for, and its rows in batches."""

import errno
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from lakebed.connectors.errors import LakeError, SourceError
from lakebed.connectors.lake.leaves import n_parquet_columns
from lakebed.connectors.object_client import is_busy, store_error

Row = TypeVar("Row")
# what the kernels make of a batch stays in the processor's cache: a sixth faster than batches of twice as many
MAX_BATCH_ROWS = 1 << 15
MAX_BATCH_CELLS = 1 << 21
# of the cells of rows that come one by one
MAX_BATCH_BYTES = 1 << 25
_CODED_BYTES = 2

# a damaged footer must not make the reader reserve the memory it asks for
THRIFT_STRING_BYTES = 1 << 28
THRIFT_CONTAINER_SIZE = 1 << 24

_WHOLE = "a file that is whole and does not change while it is read"
_RESTORE = "restore the file, or leave it out with `exclude` in the lake section of the config"


@dataclass(frozen=True)
class Split:
    """The unit of work: a file of a table, or some of its row groups.

    `format` is `parquet` for data that lies in the lake and `staged` for text that inventory has written as Parquet;
    `row_groups` None means all. `partition_values` are constant columns: (token, text value, Arrow type text).
    `casts` give the columns of staged text their type: (token, what `cast_staged` is told). `delta` is the folder and
    the version of a Delta table whose files cannot be read as they lie, since rows are deleted by vectors, or columns
    have other names in them; `iceberg` tells the same of a file of an Iceberg table (`FileReading`).
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
    iceberg: str | None = None


@dataclass
class ReadCounter:
    """Bytes of column chunks and of text really read, and the SHA-256 of the files that were read as a whole."""

    n_bytes: int = 0
    digests: dict[str, str] = field(default_factory=dict)


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


def open_parquet(
    source: pa.NativeFile,
    int96_unit: str | None = None,
    metadata: pq.FileMetaData | None = None,
    coded: Sequence[str] = (),
) -> pq.ParquetFile:
    """A Parquet file with limits on what a damaged footer can ask for; checksums of pages are verified.

    Args:
        source: its bytes.
        int96_unit: in which timestamps of 96 bits are read; nanoseconds unless given.
        metadata: of its footer, where that was read already.
        coded: names of text columns that are read as dictionaries.
    """
    return pq.ParquetFile(
        source,
        metadata=metadata,
        read_dictionary=list(coded) or None,
        coerce_int96_timestamp_unit=int96_unit,
        pre_buffer=False,
        page_checksum_verification=True,
        thrift_string_size_limit=THRIFT_STRING_BYTES,
        thrift_container_size_limit=THRIFT_CONTAINER_SIZE,
    )


def is_coded(file: pq.ParquetFile, row_groups: Iterable[int], column: int) -> bool:
    """Whether a column of texts, by its Parquet number, is made of few texts and their codes in these row groups.

    A text that is not coded takes four bytes and its own. To read texts as codes where they are none costs six times
    as much as to read them as they are.
    """
    for group in row_groups:
        chunk = file.metadata.row_group(group).column(column)
        if not chunk.has_dictionary_page or chunk.total_uncompressed_size > _CODED_BYTES * chunk.num_values:
            return False
    return True


# what a system says where a temporary copy cannot be written; files of the lake are only read
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
_NO_RIGHT = ("a file that this user may read", "give this user the right to read it, or exclude it")
_NO_HANDLES = ("fewer open files than this process may have", "raise the limit (`ulimit -n`), then run it again")
_LACKS = {errno.EACCES: _NO_RIGHT, errno.EPERM: _NO_RIGHT, errno.EMFILE: _NO_HANDLES, errno.ENFILE: _NO_HANDLES}


@contextmanager
def source_errors(path: str, expected: str = _WHOLE, hint: str = _RESTORE) -> Iterator[None]:
    """Turns whatever a damaged file, or rows of a server, make the readers raise into a SourceError that names it.

    What the machine lacks is told as such: room for a temporary copy, the right to read, handles of open files.
    """
    try:
        yield
    except (LakeError, GeneratorExit):
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        # Arrow's clients of object stores give no number
        if isinstance(error, OSError) and error.errno is None and is_busy(str(error)):
            raise store_error(str(error), "read the object", path, SourceError) from error
        number = (error.errno or 0) if isinstance(error, OSError) else 0
        if number in _NO_ROOM or "No usable temporary directory" in str(error):
            raise room_error(path, reason_of(error)) from error
        expected, hint = _LACKS.get(number, (expected, hint))
        raise SourceError(f"cannot read {path}", value=reason_of(error), expected=expected, hint=hint) from error


def room_error(path: str, why: str) -> SourceError:
    """The error of a file whose temporary copy cannot be written."""
    return SourceError(
        f"cannot read {path}",
        value=f"its temporary copy cannot be written: {why}",
        expected="room for a copy of the file in the folder of temporary files",
        hint="make room in that folder, or set TMPDIR to another one, then run the same command again",
    )


def reason_of(error: BaseException) -> str:
    """One line that says why a file could not be read."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def column_ranges(schema: pa.Schema) -> list[range]:
    """For each top-level field the positions of its Parquet columns."""
    ranges, start = [], 0
    for column in schema:
        n_columns = n_parquet_columns(column.type)
        ranges.append(range(start, start + n_columns))
        start += n_columns
    return ranges


def batch_rows(columns: Sequence[int]) -> int:
    """Rows of a batch of so many columns."""
    return max(256, min(MAX_BATCH_ROWS, MAX_BATCH_CELLS // max(1, len(columns))))


def cut_rows(sized: Iterable[tuple[Row, int]], n_rows: int) -> Iterator[list[Row]]:
    """Rows in batches that end with so many rows, or with the row that fills them up to MAX_BATCH_BYTES.

    Args:
        sized: rows that come one by one, each with its bytes.
        n_rows: of a batch at most.
    """
    batch, n_bytes = list[Row](), 0
    for row, size in sized:
        batch.append(row)
        n_bytes += size
        if n_bytes >= MAX_BATCH_BYTES or len(batch) == n_rows:
            yield batch
            batch, n_bytes = [], 0
    if batch:
        yield batch


def with_sizes(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[Sequence[Any], int]]:
    """Rows, each with the characters and bytes of its cells; those of other cells are few."""
    for row in rows:
        yield row, sum([len(cell) for cell in row if isinstance(cell, str | bytes)])


def read_batches(
    file: pq.ParquetFile,
    row_groups: tuple[int, ...] | None,
    columns: list[int],
    counter: ReadCounter,
    n_batch_rows: int,
) -> Iterator[pa.RecordBatch]:
    """Columns of a file, by their Parquet numbers, of all or some row groups; counts the bytes of their chunks."""
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

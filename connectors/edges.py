"""Edge lists: text of two columns, plain or gzipped, Parquet files and Delta tables."""

import gzip
import io
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import ConfigError, GraphError, LakeError

Raw = TypeVar("Raw", bytes, pa.Table)
Weights = Literal["refuse", "drop", "keep"]

_COMMENT = re.compile(rb"^[ \t]*[#%][^\n]*$", re.MULTILINE)
_BLANKS = re.compile(rb"[ \t]+")
_MARGIN = re.compile(rb"^[ \t]+|[ \t\r]+$", re.MULTILINE)
_WEIGHT_HINT = "say --weights drop to summarise the edges without them, or --weights keep to have them stored beside"
_MAX_SHOWN = 6


@dataclass(frozen=True)
class EdgeTable:
    """Edges as they stand in a file.

    `source` and `target` are int64 where every key is an integer, else strings; `weight` is there if it was kept.
    """

    source: pa.Array
    target: pa.Array
    weight: pa.Array | None = None

    @property
    def is_integer(self) -> bool:
        """Whether the keys are integers."""
        return bool(pa.types.is_integer(self.source.type))


def read_edges(path: str, weights: Weights = "refuse") -> EdgeTable:
    """The edges of a file or a Delta table; rows are counted from 1, comments and blank lines included.

    Text has two columns between tabs, commas or blanks, a third one holds weights; `#` and `%` begin comments. A first
    line without integers above lines with them is a header. In Parquet and Delta the first two columns are the keys.

    Raises:
        ConfigError: if there is no such file.
        GraphError: if a row lacks a key, a third column was not asked for, or the file is damaged or ends too early.
    """
    place = Path(path)
    if not place.exists():
        raise ConfigError("there is no such edge file", value=path, hint="check the path")
    if (place / "_delta_log").is_dir():
        from lakebed.connectors.delta import read_table

        return _from_table(read_table(str(place)), weights)
    if place.is_dir() or place.name.endswith((".parquet", ".pq")):
        return _typed_read(path, lambda: _read_parquet(path), lambda table: _from_table(table, weights))
    return _typed_read(path, lambda: _read_bytes(place), lambda data: _from_text(data, weights))


def _typed_read(path: str, read: Callable[[], Raw], make: Callable[[Raw], EdgeTable]) -> EdgeTable:
    """Turns what a damaged file raises into a GraphError."""
    try:
        found = read()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        hint = "copy the file again: it is damaged or was cut off"
        raise GraphError("the edge file cannot be unpacked", value=f"{path}: {error}", hint=hint) from error
    except (OSError, pa.ArrowException) as error:
        raise GraphError("the edge file cannot be read", value=f"{path}: {error}", hint="check the file") from error
    return make(found)


def _read_parquet(path: str) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _read_bytes(place: Path) -> bytes:
    data = place.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def _from_table(table: pa.Table, weights: Weights) -> EdgeTable:
    if table.num_columns < 2:
        raise _no_pairs(f"columns {', '.join(table.column_names)}")
    if table.num_columns > 2 and weights == "refuse":
        raise _weighted(f"column {table.column_names[2]}")
    source, target = (_key_column(table, place) for place in (0, 1))
    if source.type != target.type:
        source, target = source.cast(pa.string()), target.cast(pa.string())
    weight = _weight(table.column(2).combine_chunks()) if table.num_columns > 2 and weights == "keep" else None
    return EdgeTable(source, target, weight)


def _key_column(table: pa.Table, place: int) -> pa.Array:
    column = table.column(place)
    if column.null_count:
        rows = pc.indices_nonzero(column.is_null()).slice(0, _MAX_SHOWN).to_pylist()
        raise _null_key([f"row {row + 1}, column {table.column_names[place]}" for row in rows], column.null_count)
    kind = pa.int64() if pa.types.is_integer(column.type) and column.type != pa.uint64() else pa.string()
    try:
        return _whole(column.cast(kind))
    except pa.ArrowException as error:
        raise GraphError(
            "a key column has a type without keys",
            value=f"{table.column_names[place]}: {column.type}",
            expected="integers or strings",
            hint="choose the two key columns first",
        ) from error


def _whole(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return found if isinstance(found, pa.Array) else pa.concat_arrays(found.chunks)


def _from_text(data: bytes, weights: Weights) -> EdgeTable:
    """Parses quickly; where a line is wrong, walks the lines for its number."""
    clean = _MARGIN.sub(b"", _COMMENT.sub(b"", data) if b"#" in data or b"%" in data else data)
    first = next((line for line in io.BytesIO(clean) if line.strip()), b"")
    if not first:
        empty = pa.array([], pa.int64())
        return EdgeTable(empty, empty)
    delimiter = next((mark for mark in (b"\t", b",") if mark in first), b" ")
    if delimiter == b" ":
        clean = _BLANKS.sub(b" ", clean)
    try:
        table = _parse(clean, delimiter.decode())
    except pa.ArrowInvalid as error:
        raise _bad_line(data, delimiter, str(error)) from error
    return _from_columns(table, data, delimiter, weights)


def _parse(clean: bytes, delimiter: str) -> pa.Table:
    """All columns as strings."""
    from pyarrow import csv

    options = csv.ParseOptions(delimiter=delimiter, quote_char='"')
    names = csv.ReadOptions(autogenerate_column_names=True)
    first = next(line for line in io.BytesIO(clean) if line.strip())
    n_columns = csv.read_csv(io.BytesIO(first), names, options).num_columns
    types = {f"f{place}": pa.string() for place in range(n_columns)}
    return csv.read_csv(io.BytesIO(clean), names, options, csv.ConvertOptions(column_types=types))


def _from_columns(table: pa.Table, data: bytes, delimiter: bytes, weights: Weights) -> EdgeTable:
    columns = [_whole(column) for column in table.columns]
    if len(columns) < 2:
        raise _bad_line(data, delimiter, "one column")
    if len(columns) > 3:
        raise _no_pairs(f"{len(columns)} columns")
    if len(columns) == 3 and weights == "refuse":
        raise _weighted("a third column")
    keys = [pc.utf8_trim_whitespace(column) for column in columns[:2]]
    if any(pc.any(pc.equal(column, "")).as_py() for column in keys):
        raise _bad_line(data, delimiter, "empty key")
    start = int(_is_header(keys))
    source, target = (_numbered(column.slice(start)) for column in keys)
    if source.type != target.type:
        source, target = (column.slice(start) for column in keys)
    return EdgeTable(
        source, target, _weight(columns[2].slice(start)) if len(columns) == 3 and weights == "keep" else None
    )


def _is_header(keys: list[pa.Array]) -> bool:
    """Whether the first row has no integer and all others have nothing else."""
    if len(keys[0]) < 2 or any(_is_integer(column.slice(0, 1)) for column in keys):
        return False
    return all(_is_integer(column.slice(1)) for column in keys)


def _is_integer(column: pa.Array) -> bool:
    return bool(pa.types.is_integer(_numbered(column).type))


def _numbered(column: pa.Array) -> pa.Array:
    """The column as integers, where each is one as it is written: 007 and 7 are two keys."""
    try:
        numbers = column.cast(pa.int64())
    except pa.ArrowException:
        return column
    return numbers if pc.all(pc.equal(numbers.cast(pa.string()), column)).as_py() is not False else column


def _weight(column: pa.Array) -> pa.Array:
    try:
        return column.cast(pa.float64())
    except pa.ArrowException as error:
        raise GraphError("a weight is no number", value=str(error), hint="say --weights drop") from error


def _bad_line(data: bytes, delimiter: bytes, reason: str) -> GraphError:
    """The error that names the lines with another number of keys than most, found line by line."""
    wrong: list[str] = []
    width, n_wrong = 0, 0
    for number, line in enumerate(data.split(b"\n"), start=1):
        text = line.strip()
        if not text or text.startswith((b"#", b"%")):
            continue
        parts = text.split() if delimiter == b" " else line.rstrip(b"\r").split(delimiter)
        width = width or len(parts)
        if len(parts) != width or len(parts) < 2 or not all(part.strip() for part in parts[:2]):
            n_wrong += 1
            if len(wrong) < _MAX_SHOWN:
                wrong.append(f"row {number}: {text[:60].decode(errors='replace')}")
    is_cut = n_wrong == 1 and not data.endswith(b"\n")
    what = "the edge file ends in the middle of a row" if is_cut else "rows of the edge file are no edges"
    value = f"{n_wrong:,} rows" if n_wrong else reason
    hint = "copy the file again" if is_cut else "correct these rows, or take them out"
    return GraphError(what, value=value, expected="two keys in each row", hint=hint, examples=wrong)


def _null_key(examples: list[str], n: int) -> LakeError:
    expected = "a key in each row"
    return GraphError("null keys", value=f"{n:,}", expected=expected, hint="take these rows out", examples=examples)


def _weighted(what: str) -> LakeError:
    return GraphError(
        "the edges have weights, a summary has none", value=what, expected="two columns", hint=_WEIGHT_HINT
    )


def _no_pairs(value: str) -> LakeError:
    return GraphError(
        "the edge file has no two key columns", value=value, expected="two columns", hint="name two columns"
    )

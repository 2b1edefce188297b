"""Writes rows in the formats that a lake holds, so that reading them gives the same values back.

A cell of text is the canonical rendering of its value (see `text/types.py`): what a column's type was inferred from.
"""

import gzip
import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.lake.leaves import token_of
from lakebed.connectors.lake.text.json_text import json_texts
from lakebed.connectors.lake.text.renderings import render
from lakebed.connectors.lake.text.types import PLAIN_FORM, float_texts

_BATCH_ROWS = 1 << 16
_QUOTE = '"'


@dataclass(frozen=True)
class TextStyle:
    """How text is written.

    Attributes:
        delimiter: of CSV; empty for JSON lines.
        names: the header of CSV; empty: none is written.
        null_text: the unquoted CSV cell that stands for null.
        null_values: all unquoted CSV cells that a reader takes for null.
        forms: by token, the form of timestamps (see `timestamp_form`), or the rendering of other values.
        raw: tokens of JSON columns whose text is JSON already.
        omits_nulls: whether JSON objects leave out the keys of nulls.
        quoted: places of the CSV columns of which every cell but nulls stands in quotes, also where it need not.
        quotes_header: whether all names of the header do.
    """

    delimiter: str = ""
    names: tuple[str, ...] = ()
    null_text: str = ""
    null_values: tuple[str, ...] = ("",)
    line_end: str = "\n"
    encoding: str = "utf-8"
    has_byte_order_mark: bool = False
    forms: tuple[tuple[str, str], ...] = ()
    raw: tuple[str, ...] = ()
    omits_nulls: bool = False
    quoted: tuple[int, ...] = ()
    quotes_header: bool = False


def parquet_bytes(table: pa.Table) -> bytes:
    """A Parquet file of the table; its Arrow schema goes with it."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="snappy")
    return sink.getvalue()


def csv_text(table: pa.Table, style: TextStyle) -> str:
    """The table as CSV; cells are quoted as the style says, and where a reader would take them for something else."""
    header = [style.delimiter.join(_quoted_name(name, style) for name in style.names)] if style.names else []
    return _lines([*header, *(text for batch in _batches(table) for text in _csv_lines(batch, style))], style)


def json_text(table: pa.Table, style: TextStyle) -> str:
    """The table as JSON lines."""
    empty = {
        field.name
        for field, column in zip(table.schema, table.columns, strict=True)
        if column.null_count == len(column)
    }
    return _lines([text for batch in _batches(table) for text in _json_lines(batch, style, empty)], style)


def text_bytes(text: str, style: TextStyle, *, is_packed: bool = False) -> bytes:
    """A file of text, gzipped where asked.

    Raises:
        ConfigError: if a character has no place in the encoding.
    """
    try:
        data = (f"\ufeff{text}" if style.has_byte_order_mark else text).encode(style.encoding)
    except UnicodeEncodeError as error:
        raise ConfigError(
            "a character has no place in the encoding", value=f"{style.encoding}: {error.reason}"
        ) from error
    return gzip.compress(data, mtime=0) if is_packed else data


def _batches(table: pa.Table) -> Iterator[pa.RecordBatch]:
    yield from table.combine_chunks().to_batches(max_chunksize=_BATCH_ROWS)


def _lines(lines: Sequence[str], style: TextStyle) -> str:
    return "".join(f"{line}{style.line_end}" for line in lines)


def _csv_lines(batch: pa.RecordBatch, style: TextStyle) -> list[str]:
    forms = dict(style.forms)
    seen: dict[str, int] = {}
    columns = []
    for place, (name, values) in enumerate(zip(batch.schema.names, batch.columns, strict=True)):
        seen[name] = seen.get(name, 0) + 1
        token = token_of((name,) if seen[name] == 1 else (name, seen[name]))
        texts = cell_texts(values, forms.get(token, ""))
        columns.append(_csv_cells(texts, style, is_quoted=place in style.quoted))
    lines: list[str] = pc.binary_join_element_wise(*columns, style.delimiter).to_pylist()
    return lines


def _csv_cells(texts: pa.Array, style: TextStyle, *, is_quoted: bool) -> pa.Array:
    special = f"[{re.escape(style.delimiter)}{_QUOTE}\r\n]"
    has_special = pc.match_substring_regex(texts, special)
    is_null_word = pc.is_in(texts, value_set=pa.array(style.null_values, pa.string()))
    needs = pc.is_valid(texts) if is_quoted else pc.fill_null(pc.or_(has_special, is_null_word), False)
    if pc.any(needs).as_py():
        doubled = pc.replace_substring(texts, _QUOTE, _QUOTE * 2)
        texts = pc.if_else(needs, pc.binary_join_element_wise(_QUOTE, doubled, _QUOTE, ""), texts)
    return texts.fill_null(style.null_text)


def _quoted_name(name: str, style: TextStyle) -> str:
    is_special = any(char in name for char in (style.delimiter, _QUOTE, "\r", "\n")) or name in style.null_values
    is_special = style.quotes_header or (is_special and (name != "" or len(style.names) == 1))
    return _QUOTE + name.replace(_QUOTE, _QUOTE * 2) + _QUOTE if is_special else name


def cell_texts(values: pa.Array, form: str = "") -> pa.Array:
    """The canonical text of each cell; null stays null.

    Args:
        values: of a type that text columns have.
        form: of timestamps; else the name of a rendering.
    """
    type_ = values.type
    if form and not pa.types.is_timestamp(type_) and (texts := render(values, form)) is not None:
        return texts
    if pa.types.is_string(type_):
        return values
    if pa.types.is_floating(type_):
        return float_texts(values)
    if pa.types.is_timestamp(type_):
        return _timestamp_texts(values, form)
    return pc.cast(values, pa.string())


def _timestamp_texts(values: pa.Array, form: str) -> pa.Array:
    match = PLAIN_FORM.fullmatch(form)
    separator, seconds, digits, zone = match.groups() if match else (" ", ":", "6", "")
    texts = pc.strftime(values.cast(pa.timestamp("us")), format=f"%Y-%m-%d{separator}%H:%M:%S")
    n_kept = len("2000-01-01 00:00") + (len(":00") if seconds else 0) + (1 + int(digits) if digits else 0)
    texts = pc.utf8_slice_codeunits(texts, 0, n_kept)
    return pc.binary_join_element_wise(texts, zone, "") if zone else texts


def _json_lines(batch: pa.RecordBatch, style: TextStyle, empty: Collection[str]) -> list[str]:
    members = [
        _member(field.name, values, (field.name,), style, is_kept=field.name in empty)
        for field, values in zip(batch.schema, batch.columns, strict=True)
    ]
    lines: list[str] = _object(members, batch.num_rows).to_pylist()
    return lines


def _object(members: Sequence[pa.Array], n_rows: int) -> pa.Array:
    """The text of objects from that of their members; a null one is left out."""
    if not members:
        return pa.repeat("{}", n_rows)
    # Arrow's own way to skip nulls loses the rows in which there is nothing else
    behind_commas = [pc.binary_join_element_wise(",", member, "").fill_null("") for member in members]
    inner = pc.binary_join_element_wise(*behind_commas, "")
    return pc.binary_join_element_wise("{", pc.utf8_slice_codeunits(inner, 1), "}", "")


def _member(name: str, values: pa.Array, path: tuple[str, ...], style: TextStyle, *, is_kept: bool = False) -> pa.Array:
    texts = _json_values(values, path, style)
    if is_kept or not style.omits_nulls:
        texts = texts.fill_null("null")
    key = json_texts(pa.array([name]))[0].as_py()
    return pc.binary_join_element_wise(f"{key}:", texts, "")


def _json_values(values: pa.Array, path: tuple[str, ...], style: TextStyle) -> pa.Array:
    type_ = values.type
    if pa.types.is_struct(type_) and type_.num_fields:
        members = [
            _member(field.name, pc.struct_field(values, [index]), (*path, field.name), style)
            for index, field in enumerate(type_)
        ]
        return pc.if_else(values.is_valid(), _object(members, len(values)), pa.scalar(None, pa.string()))
    token = token_of(path)
    if form := "" if pa.types.is_temporal(type_) else dict(style.forms).get(token, ""):
        texts = cell_texts(values, form)
        return texts if token in style.raw else json_texts(texts)
    if pa.types.is_floating(type_):
        return float_texts(values)
    if pa.types.is_string(type_) and token in style.raw:
        return values
    if pa.types.is_temporal(type_):
        return json_texts(cell_texts(values, dict(style.forms).get(token, "")))
    return json_texts(values)


def split_rows(table: pa.Table, n_rows: Sequence[int]) -> list[pa.Table]:
    """Consecutive slices of the table with these numbers of rows."""
    starts = [sum(n_rows[:index]) for index in range(len(n_rows))]
    return [table.slice(start, n) for start, n in zip(starts, n_rows, strict=True)]


def rows_where(table: pa.Table, values: Mapping[str, pa.Scalar]) -> pa.Table:
    """The rows in which the columns have these values; a null scalar asks for null."""
    mask = pa.repeat(True, table.num_rows)
    for name, value in values.items():
        column = table[name].combine_chunks()
        column = column.chunk(0) if isinstance(column, pa.ChunkedArray) and column.num_chunks else column
        same = column.is_null() if not value.is_valid else pc.equal(column, value.cast(column.type))
        mask = pc.and_(mask, pc.fill_null(same, False))
    return table.filter(mask)

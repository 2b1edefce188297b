"""Turns what the server sent into the cells of a table. Runs in Spark's Python workers."""

import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.type_text import cast_text, type_from_text
from lakebed.connectors.postgresql.columns import Column


def table_schema(columns: Sequence[Column]) -> pa.Schema:
    """The schema of a table under its own names."""
    return pa.schema([pa.field(column.name, _type(column)) for column in columns])


def typed_batch(batch: pa.RecordBatch, columns: Sequence[Column]) -> pa.RecordBatch:
    """The cells of a batch, one column for each given, in the types that they are compared in.

    Raises:
        SourceError: naming the column, if a cell is no value of its type, such as an infinite date.
    """
    arrays = [_typed(batch.column(place), column) for place, column in enumerate(columns)]
    return pa.RecordBatch.from_arrays(arrays, schema=table_schema(columns))


def _type(column: Column) -> pa.DataType:
    scalar = type_from_text(column.type)
    return pa.list_(scalar) if column.is_list else scalar


def _typed(values: pa.Array, column: Column) -> pa.Array:
    try:
        if column.is_list:
            return _lists(values, column)
        return _parsed(values, type_from_text(column.type)) if column.sent == "string" else values.cast(_type(column))
    except (pa.ArrowException, ValueError) as error:
        raise SourceError(
            "a column cannot be compared",
            value=f"{column.name}: {str(error).splitlines()[0][:200]}",
            expected=f"values of {column.type}; no infinite dates, none before year 1 or after 9999",
            hint="leave the table out with `exclude`, or give a view that casts the column, with `views = true`",
        ) from error


def _parsed(texts: pa.Array, type_: pa.DataType) -> pa.Array:
    if pa.types.is_binary(type_):
        return pa.array([None if text is None else bytes.fromhex(text[2:]) for text in texts.to_pylist()], type_)
    if pa.types.is_timestamp(type_) and type_.tz is not None:
        # elements of arrays carry the offset of the session's zone, which is UTC
        plain = pc.replace_substring_regex(texts, r"\+00$", "")
        return plain.cast(pa.timestamp(type_.unit)).cast(type_)
    return cast_text(texts, type_)


def _lists(texts: pa.Array, column: Column) -> pa.Array:
    rows: list[list[str | None] | None] = [None if text is None else json.loads(text) for text in texts.to_pylist()]
    flat = [element for row in rows or () for element in row or ()]
    if any(isinstance(element, list) for element in flat):
        raise ValueError("an array has more than one dimension")
    lengths = pa.array([0 if row is None else len(row) for row in rows], pa.int32())
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths)])
    elements = _parsed(pa.array(flat, pa.string()), type_from_text(column.type))
    is_null = pa.array([row is None for row in rows], pa.bool_())
    return pa.ListArray.from_arrays(offsets, elements, mask=is_null)

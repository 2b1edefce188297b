"""Arrow types as text, and cells from text."""

import re
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.config import ColumnType

_COLUMN_TYPES: dict[ColumnType, pa.DataType] = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}
_DECIMAL = re.compile(r"decimal(32|64|128|256)\((\d+), (-?\d+)\)")
_TIMESTAMP = re.compile(r"timestamp\[(s|ms|us|ns), tz=(.+)\]")
_FIXED = re.compile(r"fixed_size_binary\[(\d+)\]")


def column_type(name: str) -> pa.DataType:
    """The Arrow type of a config's column type."""
    return _COLUMN_TYPES[cast("ColumnType", name)]


def type_from_text(text: str) -> pa.DataType:
    """The flat Arrow type whose text this is: the inverse of `str(type)`.

    Raises:
        SourceError: if it is no flat type.
    """
    if match := _DECIMAL.fullmatch(text):
        width, precision, scale = (int(group) for group in match.groups())
        make = {32: pa.decimal32, 64: pa.decimal64, 128: pa.decimal128, 256: pa.decimal256}[width]
        return make(precision, scale)
    if match := _TIMESTAMP.fullmatch(text):
        return pa.timestamp(match[1], tz=match[2])
    if match := _FIXED.fullmatch(text):
        return pa.binary(int(match[1]))
    try:
        return pa.type_for_alias(text)
    except ValueError as error:
        raise SourceError("unknown column type", value=text, expected="the text of a flat Arrow type") from error


def cast_text(values: pa.Array, type_: pa.DataType) -> pa.Array:
    """Strings as values of another type; null stays null.

    Raises:
        pyarrow.ArrowInvalid: if a cell is no value of that type.
    """
    if pa.types.is_timestamp(type_) and type_.tz is not None:
        # a text without an offset means UTC: Arrow refuses it for a type with a zone, so it is read in two ways
        naive = pc.cast(values, pa.timestamp(type_.unit)) if not _has_offsets(values) else None
        return naive.cast(type_) if naive is not None else pc.cast(values, type_)
    if pa.types.is_time(type_):
        # Arrow reads a time only as part of a timestamp
        return pc.binary_join_element_wise("1970-01-01", values, " ").cast(pa.timestamp(type_.unit)).cast(type_)
    if pa.types.is_binary(type_) or pa.types.is_fixed_size_binary(type_):
        return values.cast(pa.binary()).cast(type_)
    return values if values.type == type_ else pc.cast(values, type_)


def _has_offsets(values: pa.Array) -> bool:
    return bool(pc.any(pc.match_substring_regex(values, r"\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)$")).as_py())

"""VARIANT cells as canonical bytes: equal values have equal bytes, however they are encoded or shredded.

The encoding is that of Apache Parquet (VariantEncoding.md, VariantShredding.md). Numbers are equal across their types
when they are exactly equal, as everywhere in lakebed; instants are instants, with a zone or without. Written as JSON
with a letter before each value that is no string, number, boolean or null: `d` date, `t` instant in nanoseconds, `c`
time of day, `u` UUID, `b` bytes. A VARIANT that is null and a cell that is missing are two things.
"""

import base64
import datetime as dt
import json
import math
import struct
import uuid
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, localcontext
from itertools import pairwise
from typing import Any

import pyarrow as pa

# of a leaf that holds canonical bytes; whole values, so that no column of bytes is equal to it
VARIANT_TYPE = pa.list_(pa.field("variant", pa.binary()))
MAX_DEPTH = 200

_EPOCH = dt.date(1970, 1, 1).toordinal()
_NUMBERS = {3: "<b", 4: "<h", 5: "<i", 6: "<q", 7: "<d", 14: "<f"}
_SIZES = {8: 4, 9: 8, 10: 16}
_FACTORS = {"t": {"s": 10**9, "ms": 10**6, "us": 1000}, "c": {"s": 10**6, "ms": 1000}, "d": dict[str, int]()}
_INSTANTS = {12: 1000, 13: 1000, 18: 1, 19: 1}


class Missing:
    """No value at all: what a shredded field has where the object lacks it."""


MISSING = Missing()


class Tagged(tuple[str, Any]):
    """A value of a kind that JSON lacks, with its letter."""

    __slots__ = ()


def canonical_variants(values: pa.Array) -> pa.Array:
    """VARIANT groups as canonical bytes, null where the group is.

    Shapes: values (n,) of structs with `metadata`, `value` and, where shredded, `typed_value`; result (n,) of
    VARIANT_TYPE. A slow path: cell by cell.

    Raises:
        ValueError: if a cell breaks the encoding.
    """
    try:
        cells = [None if cell is None else [_text(cell)] for cell in _rows(values)]
    except struct.error as error:
        raise ValueError(f"a VARIANT value is cut off: {error}") from error
    return pa.array(cells, VARIANT_TYPE)


def _rows(values: pa.Array) -> list[Any]:
    """Python's values; timestamps as nanoseconds since 1970, since Python's own hold neither these nor all years."""
    type_ = values.type
    if isinstance(type_, pa.BaseExtensionType):
        return [None if cell is None else Tagged(("u", str(cell))) for cell in values.to_pylist()]
    if letter := _letter(type_):
        factor = _FACTORS[letter].get(getattr(type_, "unit", ""), 1)
        return [None if n is None else Tagged((letter, n * factor)) for n in _integers(values)]
    if pa.types.is_struct(type_):
        return _objects(values)
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        items, present = _rows(values.values), values.is_valid().to_pylist()
        ends = pairwise(values.offsets.to_pylist())
        return [items[start:stop] if has else None for has, (start, stop) in zip(present, ends, strict=True)]
    plain: list[Any] = values.to_pylist()
    return plain


def _letter(type_: pa.DataType) -> str:
    """Of types whose values are counts of something."""
    if pa.types.is_timestamp(type_):
        return "t"
    return "c" if pa.types.is_time(type_) else "d" if pa.types.is_date(type_) else ""


def _objects(values: pa.Array) -> list[Any]:
    names = [field.name for field in values.type]
    columns = [_rows(values.field(index)) for index in range(len(names))]
    present = values.is_valid().to_pylist()
    rows = zip(*columns, strict=True) if columns else iter([()] * len(values))
    return [dict(zip(names, row, strict=True)) if has else None for has, row in zip(present, rows, strict=True)]


def _integers(values: pa.Array) -> list[int | None]:
    found: list[int | None] = values.view(pa.int32() if values.type.bit_width == 32 else pa.int64()).to_pylist()
    return found


def _text(cell: Mapping[str, Any]) -> bytes:
    keys = _keys(cell["metadata"])
    value = _unshredded(cell, keys, 0)
    return json.dumps(_plain(None if value is MISSING else value), ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )


def _plain(value: Any) -> Any:
    """JSON's values for a value: numbers as exact text, tagged ones as lists that begin with null."""
    if isinstance(value, Tagged):
        return [None, *value]
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return ["l", *map(_plain, value)]
    if isinstance(value, bytes):
        return [None, "b", base64.b64encode(value).decode()]
    if isinstance(value, str | bool) or value is None:
        return value
    return [None, "n", _number(value)]


def _number(value: int | float | Decimal) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    with localcontext() as context:
        context.prec = 1200
        exact = Decimal(value).normalize(context)
        return format(exact + 0, "f")


def _unshredded(cell: Mapping[str, Any], keys: Sequence[str], depth: int) -> Any:
    """The value of a group of `value` and `typed_value`."""
    binary, typed = cell.get("value"), cell.get("typed_value")
    if typed is None:
        return MISSING if binary is None else _value(binary, keys, depth)
    if isinstance(typed, dict):
        found = {name: _unshredded(part, keys, depth + 1) for name, part in typed.items() if part is not None}
        rest = {} if binary is None else _value(binary, keys, depth)
        return {**rest, **{name: part for name, part in found.items() if part is not MISSING}}
    if isinstance(typed, list):
        items = [_unshredded(part or {}, keys, depth + 1) for part in typed]
        return [None if item is MISSING else item for item in items]
    return typed


def _keys(metadata: bytes) -> list[str]:
    """The dictionary of names."""
    size = (metadata[0] >> 6) + 1
    n_keys = _unsigned(metadata, 1, size)
    offsets = [_unsigned(metadata, 1 + size * (1 + index), size) for index in range(n_keys + 1)]
    start = 1 + size * (n_keys + 2)
    return [metadata[start + a : start + b].decode() for a, b in pairwise(offsets)]


def _unsigned(data: bytes, at: int, size: int) -> int:
    if at + size > len(data):
        raise ValueError("a VARIANT value is cut off")
    return int.from_bytes(data[at : at + size], "little")


def _value(data: bytes, keys: Sequence[str], depth: int) -> Any:
    if not data or depth > MAX_DEPTH:
        raise ValueError("a VARIANT value is empty" if not data else "a VARIANT value is nested too deeply")
    kind, header = data[0] & 3, data[0] >> 2
    if kind == 0:
        return _primitive(header, data[1:])
    if kind == 1:
        return data[1 : 1 + header].decode()
    if kind == 2:
        return dict(_members(data, header, keys, depth))
    size = (header & 3) + 1
    width = 4 if header >> 2 & 1 else 1
    n_items = _unsigned(data, 1, width)
    first = 1 + width
    start = first + size * (n_items + 1)
    offsets = [_unsigned(data, first + size * index, size) for index in range(n_items)]
    return [_value(data[start + offset :], keys, depth + 1) for offset in offsets]


def _members(data: bytes, header: int, keys: Sequence[str], depth: int) -> Iterator[tuple[str, Any]]:
    size, id_size, width = (header & 3) + 1, (header >> 2 & 3) + 1, 4 if header >> 4 & 1 else 1
    n_members = _unsigned(data, 1, width)
    ids = 1 + width
    offsets = ids + id_size * n_members
    start = offsets + size * (n_members + 1)
    for index in range(n_members):
        name = keys[_unsigned(data, ids + id_size * index, id_size)]
        place = start + _unsigned(data, offsets + size * index, size)
        yield name, _value(data[place:], keys, depth + 1)


def _primitive(kind: int, data: bytes) -> Any:
    if kind in (0, 1, 2):
        return (None, True, False)[kind]
    if kind in _NUMBERS:
        return struct.unpack_from(_NUMBERS[kind], data)[0]
    if kind in _SIZES:
        unscaled = int.from_bytes(data[1 : 1 + _SIZES[kind]], "little", signed=True)
        return Decimal(f"{unscaled}E-{data[0]}")
    if kind in (15, 16):
        content = bytes(data[4 : 4 + _unsigned(data, 0, 4)])
        return content if kind == 15 else content.decode()
    return _tagged(kind, data)


def _tagged(kind: int, data: bytes) -> Tagged:
    if kind == 11:
        return Tagged(("d", struct.unpack_from("<i", data)[0]))
    if kind in _INSTANTS:
        return Tagged(("t", struct.unpack_from("<q", data)[0] * _INSTANTS[kind]))
    if kind == 17:
        return Tagged(("c", struct.unpack_from("<q", data)[0]))
    if kind == 20:
        return Tagged(("u", str(uuid.UUID(bytes=bytes(data[:16])))))
    raise ValueError(f"a VARIANT value of an unknown type, {kind}")

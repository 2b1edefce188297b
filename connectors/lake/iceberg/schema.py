"""Iceberg's schemas as Arrow's, their field ids where Parquet has them, and columns of files turned into theirs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.leaves import storage_type
from lakebed.connectors.lake.type_text import cast_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

FIELD_ID, _DEFAULT = b"PARQUET:field_id", b"iceberg.default"
_FLAT = {
    "boolean": pa.bool_(), "int": pa.int32(), "long": pa.int64(), "float": pa.float32(), "double": pa.float64(),
    "date": pa.date32(), "time": pa.time64("us"), "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"), "timestamp_ns": pa.timestamp("ns"),
    "timestamptz_ns": pa.timestamp("ns", "UTC"), "string": pa.string(), "uuid": pa.binary(16), "binary": pa.binary(),
    "unknown": pa.null(),
}  # fmt: skip
# the same values in another layout
_SMALL = {pa.large_string(): pa.string(), pa.string_view(): pa.string(), pa.large_binary(): pa.binary()}
_DECIMAL, _FIXED = re.compile(r"decimal\(\s*(\d+)\s*,\s*(-?\d+)\s*\)"), re.compile(r"fixed\[(\d+)\]")


def arrow_schema(schema: Mapping[str, Any]) -> pa.Schema:
    """A table's schema; fields carry their ids, and the defaults that old files are read with.

    Raises:
        SourceError: if a column has a type that is not known.
        KeyError, TypeError: if it is damaged.
    """
    return pa.schema([_field(one) for one in schema["fields"]])


def _field(one: Mapping[str, Any]) -> pa.Field:
    metadata = {FIELD_ID: str(int(one["id"])).encode()}
    if one.get("initial-default") is not None:
        metadata[_DEFAULT] = json.dumps(one["initial-default"]).encode()
    return pa.field(str(one["name"]), _type(one["type"], str(one["name"])), metadata=metadata)


def _type(type_: Any, name: str) -> pa.DataType:
    if isinstance(type_, str):
        return _flat(type_, name)
    kind = type_["type"]
    if kind == "struct":
        return pa.struct([_field(one) for one in type_["fields"]])
    if kind == "list":
        return pa.list_(_inner("element", type_, name))
    if kind == "map":
        key, value = (_inner(what, type_, name) for what in ("key", "value"))
        return pa.map_(key.with_nullable(False), value)
    raise _unknown(kind, name)


def _inner(what: str, type_: Mapping[str, Any], name: str) -> pa.Field:
    return pa.field(what, _type(type_[what], name), metadata={FIELD_ID: str(int(type_[f"{what}-id"])).encode()})


def _flat(text: str, name: str) -> pa.DataType:
    if match := _DECIMAL.fullmatch(text):
        return pa.decimal128(int(match[1]), int(match[2]))
    if match := _FIXED.fullmatch(text):
        return pa.binary(int(match[1]))
    if text not in _FLAT:
        raise _unknown(text, name)
    return _FLAT[text]


def _unknown(kind: object, name: str) -> SourceError:
    hint = "leave the table out with `exclude`"
    return SourceError("a column has a type that is not read", value=f"{name}: {kind}", hint=hint)


def field_id(field: pa.Field) -> int | None:
    """The id that a field carries."""
    text = (field.metadata or {}).get(FIELD_ID)
    return None if text is None else int(text)


def children(type_: pa.DataType) -> list[pa.Field]:
    """The fields inside a type: of a struct, or the element, or key and value."""
    if pa.types.is_map(type_):
        return [type_.key_field, type_.item_field]
    return [type_.field(index) for index in range(type_.num_fields)]


def with_ids(schema: pa.Schema, mapping: Sequence[Mapping[str, Any]] | None) -> pa.Schema:
    """The schema of a file; one without any id gets those that the table's name mapping gives.

    Raises:
        SourceError: if it has none, and the table has no mapping.
    """
    if not len(schema) or any(_has_id(field) for field in schema):
        return schema
    if mapping is None:
        raise SourceError("its files have no field ids, and the table no name mapping", hint="leave it out: `exclude`")
    return pa.schema([_mapped(field, field.name, mapping) for field in schema])


def _has_id(field: pa.Field) -> bool:
    return field_id(field) is not None or any(_has_id(one) for one in children(storage_type(field.type)))


def _mapped(field: pa.Field, name: str, mapping: Sequence[Mapping[str, Any]]) -> pa.Field:
    one = next((entry for entry in mapping if name in entry["names"]), {})
    inner, type_ = one.get("fields") or [], storage_type(field.type)
    if pa.types.is_struct(type_):
        type_ = pa.struct([_mapped(child, child.name, inner) for child in children(type_)])
    elif pa.types.is_map(type_):
        key, value = (
            _mapped(child, what, inner) for child, what in zip(children(type_), ("key", "value"), strict=True)
        )
        type_ = pa.map_(key, value)
    elif pa.types.is_list(type_) or pa.types.is_large_list(type_):
        type_ = pa.list_(_mapped(type_.value_field, "element", inner))
    else:
        type_ = field.type
    metadata = {FIELD_ID: str(int(one["field-id"])).encode()} if "field-id" in one else None
    return pa.field(field.name, type_, field.nullable, metadata)


def flat_ids(schema: pa.Schema) -> dict[int, tuple[int, ...]]:
    """By id the child positions of every field that structs lead to, structs among them."""
    return dict(_flat_ids(list(schema), ()))


def _flat_ids(fields: Sequence[pa.Field], above: tuple[int, ...]) -> Iterator[tuple[int, tuple[int, ...]]]:
    for index, field in enumerate(fields):
        number, type_ = field_id(field), storage_type(field.type)
        if number is not None:
            yield number, (*above, index)
        if pa.types.is_struct(type_):
            yield from _flat_ids(children(type_), (*above, index))


def field_at(schema: pa.Schema, indices: Sequence[int]) -> pa.Field:
    """The field to which child positions lead."""
    field = schema.field(indices[0])
    for index in indices[1:]:
        field = storage_type(field.type).field(index)
    return field


def is_same(given: pa.Field, wanted: pa.Field) -> bool:
    """Whether a file's column has just the type, names and ids that the table's has."""
    one, other = storage_type(given.type), storage_type(wanted.type)
    if one.num_fields == 0 or other.num_fields == 0:
        return bool(_SMALL.get(one, one) == other)
    inner = children(one), children(other)
    return one.id == other.id and len(inner[0]) == len(inner[1]) and all(
        field_id(a) == field_id(b) and is_same(a, b) and (a.name == b.name or not pa.types.is_struct(one))
        for a, b in zip(*inner, strict=True)
    )  # fmt: skip


def converter(given: pa.Field, wanted: pa.Field) -> Callable[[pa.Array], pa.Array] | None:
    """What makes a file's column the table's, by ids; None where it is already.

    Raises:
        SourceError: if the one cannot become the other.
    """
    if is_same(given, wanted):
        return None
    one, other = storage_type(given.type), storage_type(wanted.type)
    if pa.types.is_struct(other) and pa.types.is_struct(one):
        return _struct_converter(one, other)
    if pa.types.is_map(other) and pa.types.is_map(one):
        return _map_converter(one, other)
    if pa.types.is_list(other) and (pa.types.is_list(one) or pa.types.is_large_list(one)):
        return _list_converter(one, other)
    if one.num_fields or other.num_fields or not _may_become(one, other):
        raise SourceError("a column has another type in a file", value=f"{wanted.name} is {one}, not {other}")
    return lambda values: pc.cast(plain(values), other)


def _may_become(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether a flat type may be promoted to another, or is the same in another spelling."""
    is_type: Any = pa.types
    groups: tuple[Callable[[pa.DataType], bool], ...] = (
        is_type.is_integer,
        is_type.is_floating,
        is_type.is_decimal,
        is_type.is_timestamp,
        is_type.is_time,
        is_type.is_date,
        lambda type_: is_type.is_string(type_) or is_type.is_large_string(type_) or is_type.is_binary(type_)
        or is_type.is_large_binary(type_) or is_type.is_fixed_size_binary(type_),
    )  # fmt: skip
    return (
        is_type.is_null(one)
        or is_type.is_null(other)
        or any(group(one) and group(other) for group in groups)
        or (is_type.is_date(one) and is_type.is_timestamp(other))
    )


def _struct_converter(one: pa.DataType, other: pa.DataType) -> Callable[[pa.Array], pa.Array]:
    places = {field_id(field): index for index, field in enumerate(children(one)) if field_id(field) is not None}
    wanted = children(other)
    parts = []
    for field in wanted:
        place = places.get(field_id(field))
        parts.append((place, None if place is None else converter(one.field(place), field), field))

    def convert(values: pa.Array) -> pa.Array:
        made = []
        for place, change, field in parts:
            if place is None:
                made.append(pa.repeat(default_of(field), len(values)))
            else:
                inner = plain(pc.struct_field(values, [place]))
                made.append(inner if change is None else change(inner))
        fields = [pa.field(field.name, array.type) for field, array in zip(wanted, made, strict=True)]
        return pa.StructArray.from_arrays(made, fields=fields, mask=values.is_null())

    return convert


def _list_converter(one: pa.DataType, other: pa.DataType) -> Callable[[pa.Array], pa.Array]:
    change = converter(one.value_field, other.value_field)

    def convert(values: pa.Array) -> pa.Array:
        values = _from_start(values)
        inner = plain(values.values)
        inner = inner if change is None else change(inner)
        type_ = pa.list_(pa.field("element", inner.type))
        return pa.ListArray.from_arrays(pc.cast(values.offsets, pa.int32()), inner, type_, mask=values.is_null())

    return convert


def _map_converter(one: pa.DataType, other: pa.DataType) -> Callable[[pa.Array], pa.Array]:
    changes = [converter(given, wanted) for given, wanted in zip(children(one), children(other), strict=True)]

    def convert(values: pa.Array) -> pa.Array:
        values = _from_start(values)
        parts = (plain(part) for part in (values.keys, values.items))
        keys, items = (part if change is None else change(part) for part, change in zip(parts, changes, strict=True))
        return pa.MapArray.from_arrays(values.offsets, keys, items, mask=values.is_null())

    return convert


def _from_start(values: pa.Array) -> pa.Array:
    """The same values; an array that begins within its buffers can get no mask."""
    return pa.concat_arrays([values]) if values.offset else values


def plain(values: pa.Array) -> pa.Array:
    """The values without an extension or a dictionary around them."""
    if isinstance(values.type, pa.BaseExtensionType):
        return values.storage
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def default_of(field: pa.Field) -> pa.Scalar:
    """What a column reads as in files that lack it: its initial default, or null.

    Raises:
        SourceError: if the default cannot be read.
    """
    text = (field.metadata or {}).get(_DEFAULT)
    if text is None:
        return pa.scalar(None, field.type)
    return value_of(json.loads(text), field)


def value_of(value: Any, field: pa.Field) -> pa.Scalar:
    """A value as Iceberg writes it into JSON.

    Raises:
        SourceError: if it is none of the field's type.
    """
    type_ = field.type
    try:
        if type_.num_fields:
            raise ValueError("defaults of lists, maps and structs are not read")
        if pa.types.is_binary(type_) or pa.types.is_fixed_size_binary(type_):
            return pa.scalar(bytes.fromhex(value.replace("-", "")), type_)
        if isinstance(value, str) and not pa.types.is_string(type_):
            if pa.types.is_time(type_):
                value, type_ = f"1970-01-01T{value}", pa.timestamp(type_.unit)
                return pc.cast(cast_text(pa.array([value]), type_), field.type)[0]
            return cast_text(pa.array([value]), type_)[0]
        return pa.scalar(value, type_)
    except (ValueError, TypeError, AttributeError, pa.ArrowException) as error:
        raise SourceError("the default of a column cannot be read", value=f"{field.name}: {error}") from error


def text_of(value: Any, field: pa.Field) -> str | None:
    """A partition's value in the form that `value_of` reads."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return value.hex()
    type_ = field.type
    if pa.types.is_timestamp(type_) and type_.tz is None and getattr(value, "tzinfo", None) is not None:
        value = value.replace(tzinfo=None)
    if pa.types.is_fixed_size_binary(type_):
        return str(value)
    text: str = pc.cast(pa.array([value], type_), pa.string())[0].as_py()
    return text

"""The type classes of the encoding: cells of different classes are never equal."""

import json

import pyarrow as pa
from pyarrow import types as t


def is_binary(kind: pa.DataType) -> bool:
    """Whether the values are bytes without an encoding."""
    checks = (t.is_binary, t.is_large_binary, t.is_binary_view, t.is_fixed_size_binary)
    return any(is_of(kind) for is_of in checks)


_CLASSES = (
    ("null", t.is_null),
    ("bool", t.is_boolean),
    ("number", lambda kind: t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind)),
    ("string", lambda kind: t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind)),
    ("binary", is_binary),
    ("date", t.is_date),
    ("timestamp", t.is_timestamp),
    ("time", t.is_time),
    ("duration", t.is_duration),
)


def value_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values: dictionaries, run ends and extensions taken off."""
    while True:
        if t.is_dictionary(kind) or t.is_run_end_encoded(kind):
            kind = kind.value_type
        elif isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        else:
            return kind


def type_class(kind: pa.DataType) -> str:
    """Which values a type can hold, as one of the ten type classes.

    Returns: `null`, `bool`, `number`, `string`, `binary`, `date`, `timestamp`, `time`, `duration`, or `nested` for all
    that is compared as a whole (lists, maps, structs, calendar intervals).
    """
    kind = value_type(kind)
    return next((name for name, is_of in _CLASSES if is_of(kind)), "nested")


def type_text(kind: pa.DataType) -> str:
    """Canonical text of a type, in which no field name can imitate another type.

    Dictionaries and run ends are storage, not type, and leave no trace.
    """
    kind = value_type(kind)
    if t.is_map(kind):
        return f"map<{type_text(kind.key_type)},{type_text(kind.item_type)}>"
    if t.is_struct(kind):
        return f"struct<{','.join(f'{json.dumps(field.name)}:{type_text(field.type)}' for field in kind)}>"
    if t.is_fixed_size_list(kind):
        return f"fixed_size_list<{type_text(kind.value_type)}>[{kind.list_size}]"
    if t.is_nested(kind) and not t.is_union(kind):
        return f"{_list_name(kind)}<{type_text(kind.value_type)}>"
    return str(kind)


def _list_name(kind: pa.DataType) -> str:
    return str(kind).split("<", 1)[0]

"""Values as plain Python objects whose order is the order of the column, whatever type they were stored in.

| Arrow type | plain value |
|---|---|
| bool | bool |
| integers, floats, decimals | int, float, Decimal |
| strings, binaries | bytes (UTF-8) |
| dates | int, days since 1970 |
| timestamps | int, nanoseconds since 1970 UTC (without a zone: as if UTC) |
| times, durations | int, nanoseconds |
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TypeGuard

import pyarrow as pa
import pyarrow.compute as pc

Canonical = bool | int | float | Decimal | bytes

NS_PER_UNIT = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


def is_stringlike(type_: pa.DataType) -> bool:
    """Whether the values are text."""
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def is_binarylike(type_: pa.DataType) -> bool:
    """Whether the values are bytes."""
    checks = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    return any(check(type_) for check in checks)


def is_temporal_int(type_: pa.DataType) -> bool:
    """Whether the values are integers that count a unit of time (`type_.unit`)."""
    checks = (pa.types.is_timestamp, pa.types.is_time, pa.types.is_duration)
    return any(check(type_) for check in checks)


def has_order(type_: pa.DataType) -> bool:
    """Whether columns of this type have a minimum and a maximum here."""
    types = pa.types
    simple = types.is_boolean(type_) or types.is_integer(type_) or types.is_floating(type_) or types.is_decimal(type_)
    return bool(
        simple or types.is_date(type_) or is_temporal_int(type_) or is_stringlike(type_) or is_binarylike(type_)
    )


def canonical_values(values: pa.Array) -> list[Canonical | None]:
    """The plain values of an array; null and NaN become None.

    Args:
        values: of a flat type for which `has_order` holds.
    """
    type_ = values.type
    if is_stringlike(type_) or is_binarylike(type_):
        return list(values.cast(pa.large_binary()).to_pylist())
    if is_temporal_int(type_):
        return _scaled(_as_integers(values), NS_PER_UNIT[type_.unit])
    if pa.types.is_date(type_):
        return list(values.cast(pa.date32()).cast(pa.int32()).to_pylist())
    return [None if is_nan(value) else value for value in values.to_pylist()]


def min_max_of(values: pa.Array) -> tuple[Canonical | None, Canonical | None]:
    """The least and the greatest plain value, over cells that are neither null nor NaN."""
    if pa.types.is_floating(values.type):
        values = values.filter(pc.invert(pc.fill_null(pc.is_nan(values), False)))
    if is_binarylike(values.type) or is_stringlike(values.type):
        values = values.cast(pa.large_binary())
    ends = pc.min_max(values)
    low, high = (canonical_values(pa.array([ends[end].as_py()], values.type)) for end in ("min", "max"))
    return low[0], high[0]


def is_nan(value: object) -> TypeGuard[float]:
    """Whether a plain value is not a number."""
    return isinstance(value, float) and math.isnan(value)


def _as_integers(values: pa.Array) -> list[int | None]:
    width = pa.int32() if values.type.bit_width == 32 else pa.int64()
    return list(values.view(width).to_pylist())


def _scaled(values: list[int | None], factor: int) -> list[Canonical | None]:
    """Python integers: nanoseconds of a date in the year 9999 do not fit into 64 bits."""
    return [None if value is None else value * factor for value in values]

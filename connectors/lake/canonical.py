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
    simple, factor = _simplified(values)
    # Python's integers: nanoseconds of a date in the year 9999 do not fit into 64 bits
    return [
        None if value is None or is_nan(value) else value * factor if factor > 1 else value
        for value in simple.to_pylist()
    ]


def min_max_of(values: pa.Array) -> tuple[Canonical | None, Canonical | None]:
    """The least and the greatest plain value, over cells that are neither null nor NaN."""
    if pa.types.is_floating(values.type) and not values.null_count and len(values):
        floats = values.to_numpy()
        low, high = float(floats.min()), float(floats.max())
        # ten times as fast as Arrow, and NaN where there is one
        if not is_nan(low):
            return low, high
    simple, factor = _simplified(values)
    # Arrow passes over NaN, unless there is nothing else
    ends = pc.min_max(simple).as_py()
    low, high = ends["min"], ends["max"]
    if low is None or is_nan(low):
        return None, None
    return (low, high) if factor == 1 else (low * factor, high * factor)


def is_nan(value: object) -> TypeGuard[float]:
    """Whether a plain value is not a number."""
    return isinstance(value, float) and math.isnan(value)


def _simplified(values: pa.Array) -> tuple[pa.Array, int]:
    """The same order in a type that Arrow's kernels know, and what to multiply the values by."""
    type_ = values.type
    if is_stringlike(type_) or is_binarylike(type_):
        return values.cast(pa.large_binary()), 1
    if is_temporal_int(type_):
        return values.view(pa.int32() if type_.bit_width == 32 else pa.int64()), NS_PER_UNIT[type_.unit]
    if pa.types.is_date(type_):
        return values.cast(pa.date32(), safe=False).view(pa.int32()), 1
    return (values.cast(pa.float32()), 1) if pa.types.is_float16(type_) else (values, 1)

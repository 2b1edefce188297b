"""Order-preserving bytes for bounds: two values of one type class compare as their keys do."""

import datetime as dt
import math
from decimal import Decimal

_EXPONENT_BIAS = 1 << 31
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_NEGATIVE_INFINITY, _NEGATIVE, _ZERO, _POSITIVE, _INFINITY = b"\x00", b"\x01", b"\x02", b"\x03", b"\x04"


def order_key(value: object, type_class: str) -> bytes:
    """Bytes that sort as the values of a type class do, exactly (2^53 + 1 lies between its float neighbours).

    Args:
        value: bool; int, float, Decimal or a numpy number; str; bytes; date or days since 1970; datetime, numpy
            datetime64 or nanoseconds since 1970 UTC; time or nanoseconds since midnight; timedelta, timedelta64 or
            nanoseconds.
        type_class: as `type_class` gives it, but null and nested, which have no order.

    Raises:
        ValueError: for NaN, and for a type class that has no order.
    """
    if type_class == "number":
        return _number_key(value)
    if type_class == "string":
        return str(value).encode()
    if type_class == "binary":
        return bytes(value)  # type: ignore[call-overload, no-any-return]
    if type_class == "bool":
        return b"\x01" if value else b"\x00"
    if type_class in {"date", "timestamp", "time", "duration"}:
        return (_moment(value, type_class) + (1 << 127)).to_bytes(16, "big")
    raise ValueError(f"values of type class {type_class!r} have no order")


def _number_key(value: object) -> bytes:
    """Sign, decimal exponent, digits: a float64 has finitely many decimal digits, so all of them fit."""
    number = value if isinstance(value, Decimal) else _decimal(value)
    if number.is_nan():
        raise ValueError("NaN has no place in the order of numbers")
    if number.is_infinite():
        return _NEGATIVE_INFINITY if number < 0 else _INFINITY
    if number == 0:
        return _ZERO
    sign, digits, exponent = number.as_tuple()
    kept = bytes(digits).lstrip(b"\x00")
    magnitude = (_EXPONENT_BIAS + int(exponent) + len(kept)).to_bytes(4, "big") + _shifted(kept.rstrip(b"\x00"))
    return _NEGATIVE + bytes(255 - byte for byte in magnitude) if sign else _POSITIVE + magnitude


def _shifted(digits: bytes) -> bytes:
    """Digits as 1 … 10 with a 0 behind them, so that a prefix sorts before what continues it."""
    return bytes(digit + 1 for digit in digits) + b"\x00"


def _decimal(value: object) -> Decimal:
    as_float = isinstance(value, float) or not hasattr(value, "__index__")
    if as_float:
        number = float(value)  # type: ignore[arg-type]
        return Decimal(number) if math.isfinite(number) else Decimal(str(number))
    return Decimal(int(value))  # type: ignore[call-overload]


def _moment(value: object, type_class: str) -> int:
    if isinstance(value, dt.datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return _timedelta_ns(aware - _EPOCH) + int(getattr(value, "nanosecond", 0))
    if isinstance(value, dt.timedelta):
        return _timedelta_ns(value) + int(getattr(value, "nanoseconds", 0))
    if isinstance(value, dt.date):
        return value.toordinal() - _EPOCH.toordinal()
    if isinstance(value, dt.time):
        return _timedelta_ns(dt.datetime.combine(_EPOCH.date(), value.replace(tzinfo=dt.UTC)) - _EPOCH)
    return _numpy_moment(value, type_class)


def _numpy_moment(value: object, type_class: str) -> int:
    import numpy as np

    if isinstance(value, np.datetime64 | np.timedelta64):
        unit, step = np.datetime_data(value.dtype)
        count = int(value.astype(np.int64)) * step
        if type_class == "date":
            if unit != "D":
                raise ValueError(f"a date in units of {unit}, expected days")
            return count
        return count * (_NS["s"] * 86_400 if unit == "D" else _NS[unit])
    if hasattr(value, "__index__"):
        return int(value)
    raise ValueError(f"{type(value).__name__} {value!r} is no {type_class}")


def _timedelta_ns(value: dt.timedelta) -> int:
    return ((value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds) * 1_000

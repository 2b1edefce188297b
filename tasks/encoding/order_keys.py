"""Bytes whose order is the order of the values, across integers, floats and decimals.

A number becomes the nearest float64 and the float64 nearest to what remains, each as 8 big-endian bytes that sort like
the float: exact for integers up to 2^106 and for floats, monotone for every other number. Monotone is enough where only
strict inequality of keys says something. Dates, timestamps, times and durations are their counts of days and of
nanoseconds, keyed as numbers. Strings and binaries are cut to 512 bytes.

Cost: O(1) a value; the vectorised form spends about 0.2 µs on a number.
"""

import struct
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import cast

import numpy as np

from lakebed.connectors.lake.canonical import Canonical, is_nan

CUT_BYTES = 512
NUMERIC_CLASSES = frozenset({"number", "date", "timestamp", "time", "duration"})
ORDERED_CLASSES = NUMERIC_CLASSES | {"bool", "string", "binary"}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EXACT = float(1 << 53)
_SIGN = np.uint64(1 << 63)


def order_key(value: object, type_class: str, *, is_upper: bool = False) -> bytes | None:
    """The order-preserving bytes of one value.

    Args:
        value: plain (see `lakebed.connectors.lake.canonical`), or a str, date, datetime or timedelta.
        type_class: one of ORDERED_CLASSES.
        is_upper: whether the key must be at or above the value where it is cut; else at or below.

    Returns:
        the key; None for null, NaN, classes without an order, and the upper key of a cut binary.
    """
    plain = _plain(value)
    if plain is None or is_nan(plain) or type_class not in ORDERED_CLASSES:
        return None
    if type_class in NUMERIC_CLASSES:
        return _number_key(plain)  # type: ignore[arg-type]
    if type_class == "bool":
        return b"\x01" if plain else b"\x00"
    return _bytes_key(plain, type_class == "string", is_upper)  # type: ignore[arg-type]


def order_keys(values: Sequence[Canonical | None], type_class: str, *, is_upper: bool = False) -> list[bytes | None]:
    """The keys of many plain values of one class: the same as `order_key` of each."""
    if type_class in NUMERIC_CLASSES and len(values):
        return _number_keys(values)
    if type_class in {"string", "binary"}:
        is_text = type_class == "string"
        return [
            value if value is None or len(value) <= CUT_BYTES else _bytes_key(value, is_text, is_upper)
            for value in cast("Sequence[bytes | None]", values)
        ]
    return [order_key(value, type_class, is_upper=is_upper) for value in values]


def _plain(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return _plain(moment - _EPOCH)
    if isinstance(value, timedelta):
        return ((value.days * 86_400 + value.seconds) * 1_000_000 + value.microseconds) * 1_000
    if isinstance(value, date):
        return value.toordinal() - _EPOCH.toordinal()
    return value


def _bytes_key(value: bytes, is_text: bool, is_upper: bool) -> bytes | None:
    if len(value) <= CUT_BYTES:
        return value
    if not is_upper:
        return value[:CUT_BYTES]
    # no UTF-8 text holds the byte 0xff; a binary may
    return value[:CUT_BYTES] + b"\xff" if is_text else None


def _number_key(value: int | float | Decimal) -> bytes:
    near, rest = _split_number(value)
    return _sortable(near) + _sortable(rest)


def _split_number(value: int | float | Decimal) -> tuple[float, float]:
    """The nearest float64 and the float64 nearest to the remainder."""
    if isinstance(value, float):
        return value + 0.0, 0.0
    near = float(value)
    if isinstance(value, int):
        return near, float(value - int(near))
    return near, float(Fraction(value) - Fraction(near))


def _sortable(value: float) -> bytes:
    (bits,) = struct.unpack(">Q", struct.pack(">d", value + 0.0))
    return int(bits ^ ((1 << 64) - 1) if bits >> 63 else bits | (1 << 63)).to_bytes(8, "big")


def _number_keys(values: Sequence[Canonical | None]) -> list[bytes | None]:
    floats = np.array([np.nan if value is None else float(value) for value in values], np.float64) + 0.0
    rests = np.zeros(len(values), np.float64)
    has_decimals = Decimal in set(map(type, values))
    for index in range(len(values)) if has_decimals else np.flatnonzero(np.abs(floats) >= _EXACT).tolist():
        value = values[index]
        if isinstance(value, (int, Decimal)):
            rests[index] = _split_number(value)[1]
    pairs = np.stack([_sortable_bits(floats), _sortable_bits(rests)], axis=1).astype(">u8").tobytes()
    is_known = ~np.isnan(floats)
    return [pairs[16 * i : 16 * i + 16] if known else None for i, known in enumerate(is_known.tolist())]


def _sortable_bits(values: np.ndarray) -> np.ndarray:
    bits = values.view(np.uint64)
    return np.where(bits >> np.uint64(63) == 1, ~bits, bits | _SIGN)

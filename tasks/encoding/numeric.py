"""Canonical cells of numbers: equal values have equal words, whatever type holds them.

A number is INTEGER where it is integral and below 2^127 in size, else FLOAT where it is exactly a float64 (or
infinite), else DECIMAL: unscaled · 10^-scale without trailing zeros.
"""

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.encoding.signatures import (
    READ_FLOATS,
    READ_INTEGERS,
    READ_TABLE,
    READ_WORDS,
    WORDS,
    Integers,
    Words,
    boolean,
    inner,
    int64,
    kernel,
    tuple_of,
)
from lakebed.tasks.encoding.words import (
    BIG_DECIMAL,
    DECIMAL,
    FLOAT,
    INTEGER,
    NAN,
    SCALE_SHIFT,
    bytes_words,
    signed_halves,
    tag_with_scale,
)

Halves = tuple[np.uint64, np.uint64]

_INTEGER, _FLOAT, _DECIMAL, _NAN = np.uint64(INTEGER), np.uint64(FLOAT), np.uint64(DECIMAL), np.uint64(NAN)
_SCALE_SHIFT = np.uint64(SCALE_SHIFT)
_0 = np.uint64(0)
_1 = np.uint64(1)
_2 = np.uint64(2)
_32 = np.uint64(32)
_63 = np.uint64(63)
_LOW32 = np.uint64(0xFFFFFFFF)
_FRACTION = np.uint64((1 << 52) - 1)
_HIDDEN = np.uint64(1 << 52)
_2_TO_53 = np.uint64(1 << 53)
_2_TO_63 = 2.0**63
_2_TO_127 = 2.0**127


@inner
def _signed(low: np.uint64, high: np.uint64, is_negative: bool) -> Halves:
    """Two's complement of a magnitude of 128 bits."""
    if not is_negative:
        return low, high
    return (~low) + _1, (~high) + (_1 if low == _0 else _0)


@inner
def _wide_integer(bits: np.uint64) -> Halves:
    """The int128 of a float64 with 2^63 ≤ |x| < 2^127, given by its bits."""
    mantissa = (bits & _FRACTION) | _HIDDEN
    shift = ((bits >> np.uint64(52)) & np.uint64(0x7FF)) - np.uint64(1075)
    if shift < np.uint64(64):
        low, high = mantissa << shift, mantissa >> (np.uint64(64) - shift)
    else:
        low, high = _0, mantissa << (shift - np.uint64(64))
    return _signed(low, high, bits >> _63 == _1)


@inner
def _divide(low: np.uint64, high: np.uint64, divisor: np.uint64) -> tuple[np.uint64, np.uint64, np.uint64]:
    """128 bits by a small divisor: quotient (low, high) and remainder, in steps of 32 bits that cannot overflow."""
    if high == _0:
        return low // divisor, _0, low % divisor
    rest = high % divisor
    upper = (rest << _32) | (low >> _32)
    lower = ((upper % divisor) << _32) | (low & _LOW32)
    return ((upper // divisor) << _32) | (lower // divisor), high // divisor, lower % divisor


@inner
def _dyadic(low: np.uint64, high: np.uint64, scale: int) -> tuple[bool, float]:
    """(is exactly a float64, that float64) of magnitude / 10^scale, for scale ≥ 0 and magnitude > 0."""
    for _ in range(scale):
        low, high, rest = _divide(low, high, np.uint64(5))
        if rest != _0:
            return False, 0.0
    exponent = -scale
    while low & _1 == _0:
        low, high = (low >> _1) | (high << _63), high >> _1
        exponent += 1
    if high != _0 or low >= _2_TO_53:
        return False, 0.0
    return True, math.ldexp(np.float64(low), exponent)


@kernel(tuple_of(WORDS, WORDS, WORDS)(READ_FLOATS, READ_WORDS, boolean))
def float_cells(values: NDArray[np.float64], bits: Words, keeps_sign_of_zero: bool) -> tuple[Words, Words, Words]:
    """Cells of float64 values, given with their bits. Shapes: (n,) each; result tags, low, high (n,)."""
    n, n_wide = values.size, 0
    tags, low, high = np.empty(n, np.uint64), np.empty(n, np.uint64), np.empty(n, np.uint64)
    # without branches the compiler takes several at a time
    for i in range(n):
        x = values[i]
        fits = (x >= -_2_TO_63) & (x < _2_TO_63)
        n_wide += (not fits) & (abs(x) < _2_TO_127)
        whole = np.int64(x if fits else 0.0)
        is_whole = fits & (np.float64(whole) == x)
        is_whole &= not (keeps_sign_of_zero & (whole == 0) & (bits[i] != _0))
        tags[i] = _INTEGER if is_whole else (_FLOAT if x == x else _NAN)  # noqa: PLR0124 - NaN
        low[i] = np.uint64(whole) if is_whole else (bits[i] if x == x else _0)  # noqa: PLR0124
        high[i] = np.uint64(whole >> 63) if is_whole else _0
    if n_wide:
        for i in range(n):
            if _2_TO_63 <= abs(values[i]) < _2_TO_127 and values[i] != -_2_TO_63:
                tags[i] = _INTEGER
                low[i], high[i] = _wide_integer(bits[i])
    return tags, low, high


@kernel(tuple_of(WORDS, WORDS, WORDS)(READ_TABLE, int64))
def decimal_cells(limbs: Words, scale: int) -> tuple[Words, Words, Words]:
    """Cells of decimal128 values with scale ≥ 0. Shapes: limbs (n, 2) low and high; result tags, low, high (n,)."""
    n = limbs.shape[0]
    tags, low, high = np.empty(n, np.uint64), np.empty(n, np.uint64), np.zeros(n, np.uint64)
    floats = low.view(np.float64)
    for i in range(n):
        is_negative = limbs[i, 1] >> _63 == _1
        m_low, m_high = _signed(limbs[i, 0], limbs[i, 1], is_negative)
        rest_scale = scale if m_low | m_high else 0
        while rest_scale > 0:
            q_low, q_high, rest = _divide(m_low, m_high, np.uint64(10))
            if rest != _0:
                break
            m_low, m_high = q_low, q_high
            rest_scale -= 1
        tags[i] = _INTEGER if rest_scale == 0 else _DECIMAL | np.uint64(rest_scale) << _SCALE_SHIFT
        low[i], high[i] = _signed(m_low, m_high, is_negative)
        if rest_scale > 0 or m_high >> _63 == _1:
            is_float, value = _dyadic(m_low, m_high, rest_scale)
            if is_float:
                tags[i], floats[i], high[i] = _FLOAT, -value if is_negative else value, _0
    return tags, low, high


@kernel(tuple_of(WORDS, WORDS)(READ_INTEGERS, int64))
def scaled_halves(values: Integers, factor: int) -> tuple[Words, Words]:
    """Values · factor as int128, for 1 ≤ factor < 2^32. Shapes: values (n,); result low, high (n,)."""
    n = values.size
    low, high = np.empty(n, np.uint64), np.empty(n, np.uint64)
    times = np.uint64(factor)
    for i in range(n):
        is_negative = values[i] < 0
        size = (~np.uint64(values[i])) + _1 if is_negative else np.uint64(values[i])
        lower, upper = (size & _LOW32) * times, (size >> _32) * times
        carried = upper + (lower >> _32)
        low[i], high[i] = _signed((carried << _32) | (lower & _LOW32), carried >> _32, is_negative)
    return low, high


def number_words(unscaled: int, scale: int) -> list[int]:
    """The words of unscaled · 10^-scale for the rare types that have no kernel (decimal256, negative scales)."""
    value = Fraction(unscaled) / Fraction(10) ** scale
    if value.denominator == 1 and abs(value) < 1 << 127:
        return [INTEGER, *signed_halves(value.numerator)]
    as_float = _exact_float(value)
    if as_float is not None:
        return [FLOAT, int(np.float64(as_float).view(np.uint64)), 0]
    while unscaled % 10 == 0:
        unscaled, scale = unscaled // 10, scale - 1
    if -(1 << 127) <= unscaled < 1 << 127:
        return [tag_with_scale(DECIMAL, scale), *signed_halves(unscaled)]
    n_bytes = unscaled.bit_length() // 8 + 1
    return bytes_words(tag_with_scale(BIG_DECIMAL, scale), unscaled.to_bytes(n_bytes, "little", signed=True))


def _exact_float(value: Fraction) -> float | None:
    try:
        as_float = float(value)
    except OverflowError:
        return None
    return as_float if Fraction(as_float) == value else None


KERNELS: tuple[Any, ...] = (float_cells, decimal_cells, scaled_halves)

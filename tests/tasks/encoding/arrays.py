"""Arrow arrays of every type the encoding takes, with the raw values that the reference wants."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st
from pyarrow import types as t

KEY = bytes(range(32))
SIP_KEY = bytes(range(16))

# Many types times few examples; no deadline, since the machine may be busy.
quick = settings(max_examples=30, deadline=None)

INTEGER_TYPES = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
FLOAT_TYPES = [pa.float16(), pa.float32(), pa.float64()]
DECIMAL_TYPES = [
    pa.decimal32(7, 2),
    pa.decimal32(5, -2),
    pa.decimal64(16, 4),
    pa.decimal128(38, 0),
    pa.decimal128(38, 10),
    pa.decimal128(38, 38),
    pa.decimal128(5, -3),
    pa.decimal256(76, 20),
    pa.decimal256(76, 0),
    pa.decimal256(60, -5),
]
TEXT_TYPES = [pa.string(), pa.large_string(), pa.string_view()]
BYTES_TYPES = [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(5), pa.binary(8)]
TEMPORAL_TYPES = [
    pa.date32(),
    pa.date64(),
    *(pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")),
    pa.timestamp("us", tz="Europe/Berlin"),
    pa.time32("s"),
    pa.time32("ms"),
    pa.time64("us"),
    pa.time64("ns"),
    *(pa.duration(unit) for unit in ("s", "ms", "us", "ns")),
]
FLAT_TYPES = [
    pa.null(),
    pa.bool_(),
    *INTEGER_TYPES,
    *FLOAT_TYPES,
    *DECIMAL_TYPES,
    *TEXT_TYPES,
    *BYTES_TYPES,
    *TEMPORAL_TYPES,
    pa.dictionary(pa.int8(), pa.string()),
    pa.dictionary(pa.uint16(), pa.float64()),
]
NESTED_TYPES = [
    pa.list_(pa.int32()),
    pa.large_list(pa.string()),
    pa.list_(pa.float64(), 3),
    pa.list_(pa.list_(pa.decimal128(20, 3))),
    pa.struct([("b", pa.int64()), ("a", pa.string())]),
    pa.list_(pa.struct([("z", pa.bool_()), ("", pa.list_(pa.int8()))])),
    pa.struct([]),
    pa.map_(pa.string(), pa.int64()),
    pa.map_(pa.int16(), pa.list_(pa.float32())),
    pa.list_(pa.map_(pa.string(), pa.string())),
    pa.list_(pa.decimal256(50, 3)),
]


def raw_values(kind: pa.DataType) -> st.SearchStrategy:
    """Raw values of a type, nulls among them."""
    return st.none() if t.is_null(kind) else st.none() | _present(kind)


def _present(kind: pa.DataType) -> st.SearchStrategy:  # noqa: PLR0911 - one a family
    if t.is_dictionary(kind):
        return _present(kind.value_type)
    if t.is_boolean(kind):
        return st.booleans()
    if t.is_floating(kind):
        return st.floats(width=kind.bit_width)
    if t.is_decimal(kind):
        return _decimals(kind)
    if t.is_integer(kind) or t.is_temporal(kind):
        return _integers(kind)
    if t.is_nested(kind):
        return _nested(kind)
    if kind in TEXT_TYPES:
        return st.text(max_size=20)
    width = kind.byte_width if t.is_fixed_size_binary(kind) else None
    return st.binary(min_size=width or 0, max_size=width or 20)


def _decimals(kind: pa.DataType) -> st.SearchStrategy:
    top = 10**kind.precision - 1
    digits = st.integers(-top, top) | st.integers(-2000, 2000)
    dyadic = st.integers(-(2**20), 2**20).map(lambda i: i * 5 ** max(kind.scale, 0)).filter(lambda u: abs(u) <= top)
    return (digits | dyadic).map(lambda unscaled: Decimal((int(unscaled < 0), _digits(unscaled), -kind.scale)))


def _digits(unscaled: int) -> tuple[int, ...]:
    return tuple(int(digit) for digit in str(abs(unscaled)))


def _integers(kind: pa.DataType) -> st.SearchStrategy:
    if t.is_time(kind):
        return st.integers(0, 86_399)
    if t.is_date64(kind):
        return st.integers(-(10**6), 10**6).map(lambda days: days * 86_400_000)
    bits = kind.bit_width
    low, high = (0, 2**bits - 1) if t.is_unsigned_integer(kind) else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    near = [v for v in (0, 1, -1, 2**53, 2**53 + 1, -(2**53) - 1, low, high) if low <= v <= high]
    return st.integers(low, high) | st.sampled_from(near)


def _nested(kind: pa.DataType) -> st.SearchStrategy:
    if t.is_struct(kind):
        return st.fixed_dictionaries({field.name: raw_values(field.type) for field in kind})
    if t.is_map(kind):
        pairs = st.tuples(_present(kind.key_type), raw_values(kind.item_type))
        return st.lists(pairs, max_size=5)
    if t.is_fixed_size_list(kind):
        return st.lists(raw_values(kind.value_type), min_size=kind.list_size, max_size=kind.list_size)
    return st.lists(raw_values(kind.value_type), max_size=4)


def array_of(values: list, kind: pa.DataType) -> pa.Array:
    """The array of the raw values."""
    if t.is_temporal(kind):
        stored = {32: pa.int32(), 64: pa.int64()}[kind.bit_width]
        return pa.array(values, stored).view(kind)
    if t.is_dictionary(kind):
        return array_of(values, kind.value_type).dictionary_encode().cast(kind)
    if t.is_float16(kind):
        return pa.array([None if v is None else np.float16(v) for v in values], kind)
    return pa.array(values, kind)

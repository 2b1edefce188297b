"""The encoding once more in plain Python, written from words.py's table and apart from the kernels.

A raw value is what stands in the Arrow array: None, bool, int (numbers, and the stored integer of temporal types),
float, Decimal, str, bytes, list, dict by field name for a struct, list of pairs for a map.
"""

import math
import struct
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
from pyarrow import types as t

MASK = (1 << 64) - 1
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def _round(v: list[int]) -> None:
    def rotated(x: int, b: int) -> int:
        return ((x << b) | (x >> (64 - b))) & MASK

    v[0] = (v[0] + v[1]) & MASK
    v[2] = (v[2] + v[3]) & MASK
    v[1], v[3] = rotated(v[1], 13) ^ v[0], rotated(v[3], 16) ^ v[2]
    v[0] = rotated(v[0], 32)
    v[2] = (v[2] + v[1]) & MASK
    v[0] = (v[0] + v[3]) & MASK
    v[1], v[3] = rotated(v[1], 17) ^ v[2], rotated(v[3], 21) ^ v[0]
    v[2] = rotated(v[2], 32)


def _blocks(data: bytes) -> list[int]:
    whole = len(data) // 8 * 8
    last = int.from_bytes(data[whole:], "little") | (len(data) % 256) << 56
    return [int.from_bytes(data[i : i + 8], "little") for i in range(0, whole, 8)] + [last]


def siphash(key: bytes, data: bytes, n_bits: int = 128) -> bytes:
    """SipHash-2-4 of any bytes, 64 or 128 bits."""
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    if n_bits == 128:
        v[1] ^= 0xEE
    for block in _blocks(data):
        v[3] ^= block
        _round(v)
        _round(v)
        v[0] ^= block
    v[2] ^= 0xEE if n_bits == 128 else 0xFF
    out = b""
    for _ in range(n_bits // 64):
        for _ in range(4):
            _round(v)
        out += struct.pack("<Q", v[0] ^ v[1] ^ v[2] ^ v[3])
        v[1] ^= 0xDD
    return out


def hash_of_words(key: bytes, words: list[int]) -> tuple[int, int]:
    """(high, low) of a stream of words."""
    low, high = struct.unpack("<QQ", siphash(key, struct.pack(f"<{len(words)}Q", *words)))
    return high, low


def column_hash(key: bytes, token: str, words: list[int], kind: str = "") -> tuple[int, int]:
    return hash_of_words(key, _sized(token.encode()) + _sized(kind.encode()) + words)


def row_hash(key: bytes, hashes: list[tuple[int, int]]) -> tuple[int, int]:
    """The sum of the columns' hashes, through four Feistel rounds that are written out on hash states."""
    total = sum((high << 64) | low for high, low in hashes) % (1 << 128)
    left, right = total >> 64, total & MASK
    for i in range(4):
        left, right = right, left ^ _round_function(key, i, right)
    return left, right


def lane_sums(keys, words: list[int]) -> list[int]:
    """What a cell adds to the four lanes, by its words and their keys (words, 2, 4)."""
    halves = [(word & 0xFFFFFFFF, word >> 32) for word in words]
    return [
        sum(half * int(keys[i][side][lane]) for i, pair in enumerate(halves) for side, half in enumerate(pair)) & MASK
        for lane in range(4)
    ]


def _round_function(key: bytes, i: int, word: int) -> int:
    k0, k1 = struct.unpack("<QQ", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D ^ 0xEE, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    for block in ((1 << 64) - 2, i, word):
        v[3] ^= block
        _round(v)
        _round(v)
        v[0] ^= block
    v[2] ^= 0xFF
    for _ in range(4):
        _round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def _sized(data: bytes) -> list[int]:
    padded = data.ljust((len(data) + 7) // 8 * 8, b"\0")
    return [len(data), *struct.unpack(f"<{len(padded) // 8}Q", padded)]


def _halves(value: int) -> list[int]:
    assert -(1 << 127) <= value < 1 << 127
    return list(struct.unpack("<QQ", value.to_bytes(16, "little", signed=True)))


def _is_float64(value: Fraction) -> bool:
    """Exactly representable, by the form of the fraction alone."""
    if value == 0:
        return True
    bottom, top = value.denominator, abs(value.numerator)
    if bottom & (bottom - 1):
        return False
    exponent = -(bottom.bit_length() - 1)
    while top % 2 == 0:
        top, exponent = top // 2, exponent + 1
    highest = exponent + top.bit_length() - 1
    return top.bit_length() <= 53 and exponent >= -1074 and highest <= 1023


def number_words(value: float | int | Decimal, strict: bool = False) -> list[int]:
    if isinstance(value, float):
        bits = struct.unpack("<Q", struct.pack("<d", value))[0]
        if math.isnan(value):
            return [5, 0, 0]
        if value in (float("inf"), float("-inf")) or (strict and bits == 1 << 63):
            return [3, bits, 0]
    exact = Fraction(value)
    if exact.denominator == 1 and abs(exact) < 1 << 127:
        return [2, *_halves(int(exact))]
    if _is_float64(exact):
        return [3, struct.unpack("<Q", struct.pack("<d", exact.numerator / exact.denominator))[0], 0]
    scale = 0
    while (exact * Fraction(10) ** scale).denominator != 1:
        scale += 1
    while (exact * Fraction(10) ** (scale - 1)).denominator == 1:
        scale -= 1
    unscaled = int(exact * Fraction(10) ** scale)
    in_tag = struct.unpack("<I", struct.pack("<i", scale))[0] << 32
    if -(1 << 127) <= unscaled < 1 << 127:
        return [4 | in_tag, *_halves(unscaled)]
    n_bytes = 1
    while not -(1 << (8 * n_bytes - 1)) <= unscaled < 1 << (8 * n_bytes - 1):
        n_bytes += 1
    return [16 | in_tag, *_sized(unscaled.to_bytes(n_bytes, "little", signed=True))]


def cell_words(value: object, kind: pa.DataType, depth: int = 0, strict: bool = False) -> list[int]:  # noqa: PLR0911 - one a family
    """The words of one cell."""
    if value is None:
        return [0, depth, 0]
    if isinstance(kind, pa.BaseExtensionType):
        return cell_words(value, kind.storage_type, depth, strict)
    if t.is_dictionary(kind) or t.is_run_end_encoded(kind):
        return cell_words(value, kind.value_type, depth, strict)
    if t.is_boolean(kind):
        return [1, int(value), 0]
    if t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind):
        return number_words(value, strict)
    if isinstance(value, str):
        return [6, *_sized(value.encode())]
    if isinstance(value, bytes):
        return [7, *_sized(value)]
    return _temporal_words(value, kind) if isinstance(value, int) else _nested_words(value, kind, strict)


def _temporal_words(value: int, kind: pa.DataType) -> list[int]:
    if t.is_date32(kind):
        return [8, value & MASK, 0]
    if t.is_date64(kind):
        return [8, (value // 86_400_000) & MASK, value % 86_400_000]
    tag = 9 if t.is_timestamp(kind) else 10 if t.is_time(kind) else 11
    return [tag, *_halves(value * (10**9 // PER_SECOND[kind.unit]))]


def _nested_words(value: object, kind: pa.DataType, strict: bool) -> list[int]:
    if t.is_struct(kind):
        out = [13, kind.num_fields]
        for name in sorted((field.name for field in kind), key=lambda name: name.encode()):
            out += [6, *_sized(name.encode()), *cell_words(value[name], kind.field(name).type, 0, strict)]
        return out
    if t.is_map(kind):
        entries = [
            [15, 2, *cell_words(key, kind.key_type, 0, strict), *cell_words(held, kind.item_type, 0, strict)]
            for key, held in value
        ]
        return [14, len(entries), *(word for entry in sorted(entries) for word in entry)]
    cells = [cell_words(item, kind.value_type, 0, strict) for item in value]
    return [12, len(cells), *(word for cell in cells for word in cell)]

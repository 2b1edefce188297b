"""AES-128 (FIPS 197) over row hashes: the last step of a row's hash, and what sums of row hashes are taken of.

A keyed permutation of 128 bits adds no collision, and a pseudorandom one hides what is linear in the sums below it:
without it the multisets {(1, a), (2, b)} and {(1, b), (2, a)} would have equal sums. A block is the words (low, high).
"""

from functools import lru_cache
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from lakebed.tasks.encoding.processor import HAS_AES, HAS_WIDE_AES
from lakebed.tasks.encoding.signatures import (
    READ_TABLE,
    READ_WORDS,
    TABLE,
    Words,
    inner,
    kernel,
    tuple_of,
    uint64,
    void,
)

Block = tuple[np.uint64, np.uint64]
Four = tuple[np.uint64, np.uint64, np.uint64, np.uint64, np.uint64, np.uint64, np.uint64, np.uint64]

KEY_BYTES = 16
_N_ROUNDS = 10
_I32 = ir.IntType(32)
_8, _16, _24, _32 = np.uint64(8), np.uint64(16), np.uint64(24), np.uint64(32)
_0, _1, _FF, _LOW32 = np.uint64(0), np.uint64(1), np.uint64(0xFF), np.uint64(0xFFFFFFFF)
_HIGH32 = np.uint64(0xFFFFFFFF << 32)


def _double(x: int) -> int:
    """X · 2 in the field of 256 elements that AES computes in."""
    return (x << 1 ^ (0x1B if x & 0x80 else 0)) & 0xFF


def _box() -> list[int]:
    """The substitution box: inverses by powers of the generator 3, then the affine map."""
    box, p, q = [0x63] * 256, 1, 1
    while True:
        p ^= _double(p)
        for shift in (1, 2, 4):
            q ^= q << shift & 0xFF
        q ^= 0x09 if q & 0x80 else 0
        rotated = [(q << shift | q >> (8 - shift)) & 0xFF for shift in range(5)]
        box[p] = 0x63 ^ rotated[0] ^ rotated[1] ^ rotated[2] ^ rotated[3] ^ rotated[4]
        if p == 1:
            return box


_BOX = np.array(_box(), np.uint64)
# one column of SubBytes and MixColumns: the bytes 2s, s, s, 3s from the least to the most significant
_MIXED = np.array([_double(s) | s << 8 | s << 16 | (_double(s) ^ s) << 24 for s in _box()], np.uint64)


@lru_cache(maxsize=64)
def round_keys(key: bytes) -> Words:
    """The eleven round keys of AES-128 as (22,) words, read-only."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"the key has {len(key)} bytes, expected {KEY_BYTES}")
    box, constant = _box(), 1
    words = [list(key[4 * i : 4 * i + 4]) for i in range(4)]
    for i in range(4, 4 * (_N_ROUNDS + 1)):
        last = words[-1]
        if i % 4 == 0:
            last = [box[x] for x in last[1:] + last[:1]]
            last[0] ^= constant
            constant = _double(constant)
        words.append([x ^ y for x, y in zip(words[i - 4], last, strict=True)])
    out: Words = np.frombuffer(bytes(x for word in words for x in word), "<u8").astype(np.uint64)
    out.setflags(write=False)
    return out


@inner
def _mixed_column(a: np.uint64, b: np.uint64, c: np.uint64, d: np.uint64) -> np.uint64:
    """One column of a round, given the four columns (32 bits each) that ShiftRows takes its bytes from."""
    x = _MIXED[a & _FF]
    y = _MIXED[(b >> _8) & _FF]
    z = _MIXED[(c >> _16) & _FF]
    w = _MIXED[(d >> _24) & _FF]
    y = (y << _8 | y >> _24) & _LOW32
    z = (z << _16 | z >> _16) & _LOW32
    w = (w << _24 | w >> _8) & _LOW32
    return x ^ y ^ z ^ w  # type: ignore[no-any-return]


@inner
def _last_column(a: np.uint64, b: np.uint64, c: np.uint64, d: np.uint64) -> np.uint64:
    """The same of the last round, which does not mix."""
    upper = _BOX[(c >> _16) & _FF] << _16 | _BOX[(d >> _24) & _FF] << _24
    return _BOX[a & _FF] | _BOX[(b >> _8) & _FF] << _8 | upper  # type: ignore[no-any-return]


@inner
def encrypt_plain(high: np.uint64, low: np.uint64, keys: Words) -> Block:
    """AES-128 of the block (low, high) by tables, for processors without the instructions; about 30 ns."""
    low, high = low ^ keys[0], high ^ keys[1]
    for i in range(1, _N_ROUNDS):
        a, b, c, d = low & _LOW32, low >> _32, high & _LOW32, high >> _32
        low = keys[2 * i] ^ (_mixed_column(a, b, c, d) | _mixed_column(b, c, d, a) << _32)
        high = keys[2 * i + 1] ^ (_mixed_column(c, d, a, b) | _mixed_column(d, a, b, c) << _32)
    a, b, c, d = low & _LOW32, low >> _32, high & _LOW32, high >> _32
    low = keys[20] ^ (_last_column(a, b, c, d) | _last_column(b, c, d, a) << _32)
    high = keys[21] ^ (_last_column(c, d, a, b) | _last_column(d, a, b, c) << _32)
    return high, low


@intrinsic
def encrypt_by_instructions(_typing: Any, high: Any, low: Any, keys: Any) -> Any:
    """AES-128 of the block (low, high) by the instructions of x86; about 1.7 ns where blocks follow each other."""
    del high, low
    signature = types.UniTuple(types.uint64, 2)(types.uint64, types.uint64, keys)  # type: ignore[no-untyped-call]
    return signature, _generate_aes


def _generate_aes(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    state = builder.insert_element(ir.Constant(_vector(1), ir.Undefined), args[1], _I32(0))
    state = builder.insert_element(state, args[0], _I32(1))
    state = _rounds(builder, state, context.make_array(signature.args[2])(context, builder, args[2]).data, 1)
    words = (builder.extract_element(state, _I32(1)), builder.extract_element(state, _I32(0)))
    return context.make_tuple(builder, signature.return_type, words)


def _vector(n_blocks: int) -> Any:
    return ir.VectorType(ir.IntType(64), 2 * n_blocks)


def _rounds(builder: Any, state: Any, data: Any, n_blocks: int) -> Any:
    """The eleven round keys, as they lie in memory, applied to some blocks side by side."""
    keys, kind = builder.bitcast(data, _vector(1).as_pointer()), _vector(n_blocks)
    repeated = ir.Constant(ir.VectorType(_I32, 2 * n_blocks), [0, 1] * n_blocks)

    def key(i: int) -> Any:
        value = builder.load(builder.gep(keys, [_I32(i)]))
        value.align = 8
        return builder.shuffle_vector(value, value, repeated)

    def round_of(name: str) -> Any:
        full = f"llvm.x86.aesni.{name}" + ("" if n_blocks == 1 else f".{128 * n_blocks}")
        return builder.module.globals.get(full) or ir.Function(
            builder.module, ir.FunctionType(kind, [kind, kind]), full
        )

    state = builder.xor(state, key(0))
    for i in range(1, _N_ROUNDS):
        state = builder.call(round_of("aesenc"), [state, key(i)])
    return builder.call(round_of("aesenclast"), [state, key(_N_ROUNDS)])


@inner
def four_plain(rows: Words, at: int, keys: Words) -> Four:
    """AES-128 of four rows (high, low) from `at`, one after the other."""
    a, b = _encrypt(rows[at, 0], rows[at, 1], keys)
    c, d = _encrypt(rows[at + 1, 0], rows[at + 1, 1], keys)
    e, f = _encrypt(rows[at + 2, 0], rows[at + 2, 1], keys)
    g, h = _encrypt(rows[at + 3, 0], rows[at + 3, 1], keys)
    return a, b, c, d, e, f, g, h


@intrinsic
def four_by_instructions(_typing: Any, rows: Any, at: Any, keys: Any) -> Any:
    """The same in one vector of 512 bits."""
    del at
    signature = types.UniTuple(types.uint64, 8)(rows, types.int64, keys)  # type: ignore[no-untyped-call]
    return signature, _generate_four


def _generate_four(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    rows, keys = (context.make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 2))
    place = builder.gep(rows, [builder.mul(args[1], ir.IntType(64)(2))])
    swapped = ir.Constant(ir.VectorType(_I32, 8), [i ^ 1 for i in range(8)])
    state = builder.load(builder.bitcast(place, _vector(4).as_pointer()))
    state.align = 8
    state = _rounds(builder, builder.shuffle_vector(state, state, swapped), keys, 4)
    state = builder.shuffle_vector(state, state, swapped)
    words = [builder.extract_element(state, _I32(i)) for i in range(8)]
    return context.make_tuple(builder, signature.return_type, words)


_encrypt: Any = encrypt_by_instructions if HAS_AES else encrypt_plain
_four: Any = four_by_instructions if HAS_WIDE_AES else four_plain


@inner
def _encrypt_all(rows: Words, keys: Words, out: Words) -> None:
    """AES of each row (high, low) into `out`, which may be `rows`."""
    n = rows.shape[0]
    for i in range(0, n - n % 4, 4):
        a, b, c, d, e, f, g, h = _four(rows, i, keys)
        out[i, 0], out[i, 1], out[i + 1, 0], out[i + 1, 1] = a, b, c, d
        out[i + 2, 0], out[i + 2, 1], out[i + 3, 0], out[i + 3, 1] = e, f, g, h
    for i in range(n - n % 4, n):
        out[i, 0], out[i, 1] = _encrypt(rows[i, 0], rows[i, 1], keys)


@kernel(void(READ_TABLE, READ_WORDS, TABLE))
def remix(sums: Words, keys: Words, out: Words) -> None:
    """Row hashes of finished sums: the upper halves of the lanes through AES. Shapes: sums (4, n); out (n, 2)."""
    for i in range(sums.shape[1]):
        out[i, 0] = (sums[0, i] & _HIGH32) | (sums[1, i] >> _32)
        out[i, 1] = (sums[2, i] & _HIGH32) | (sums[3, i] >> _32)
    _encrypt_all(out, keys, out)


@kernel(TABLE(READ_TABLE, READ_WORDS))
def encrypt_rows(rows: Words, keys: Words) -> Words:
    """AES of each row (high, low). Shapes: rows and result (n, 2)."""
    out = np.empty_like(rows)
    _encrypt_all(rows, keys, out)
    return out


@inner
def _added(total: Block, high: np.uint64, low: np.uint64) -> Block:
    """The sum modulo 2^128."""
    below = total[1] + low
    return total[0] + high + (_1 if below < low else _0), below


@kernel(tuple_of(uint64, uint64)(READ_TABLE, READ_WORDS))
def sum_encrypted(rows: Words, keys: Words) -> Block:
    """The sum modulo 2^128 of the rows' AES, as (high, low). Shapes: rows (n, 2)."""
    total, n = (_0, _0), rows.shape[0]
    for i in range(0, n - n % 4, 4):
        a, b, c, d, e, f, g, h = _four(rows, i, keys)
        total = _added(_added(_added(_added(total, a, b), c, d), e, f), g, h)
    for i in range(n - n % 4, n):
        high, low = _encrypt(rows[i, 0], rows[i, 1], keys)
        total = _added(total, high, low)
    return total


@kernel(TABLE(READ_TABLE, READ_WORDS))
def encrypt_rows_plain(rows: Words, keys: Words) -> Words:
    """`encrypt_rows` by tables, whatever the processor has: the twin that tests compare with."""
    out = np.empty_like(rows)
    for i in range(rows.shape[0]):
        out[i, 0], out[i, 1] = encrypt_plain(rows[i, 0], rows[i, 1], keys)
    return out


KERNELS: tuple[Any, ...] = (remix, encrypt_rows, sum_encrypted, encrypt_rows_plain)
"""Compiled where this module is imported."""

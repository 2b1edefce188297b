"""Multilinear hashing of canonical words in four lanes.

A lane of a row is the sum of k · x modulo 2^64 over the 32-bit halves x of the words of its cells, each half with a
64-bit key k of its own by column, position, half and lane; a row's hash takes the upper 32 bits of each finished lane.
Two different sequences of words agree there with probability 2^-32 a lane over the choice of the keys, so 2^-128 in all
four (Lemire and Kaser 2013, "Strongly universal string hashing is fast"). Sums of columns add up before they are cut: a
subset of columns is a sum over its columns.

Cells of different length need no care: cells are self-delimiting, so of two different ones neither is a prefix of the
other, and they differ at a place that both have.

Shapes, throughout: sums (4, n); keys (words, 2, 4): by word, half (low, high) and lane.
All kernels stand in this one file: numba's disk cache notices a change of a kernel's own file only.
"""

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core.types import Array
from numba.extending import intrinsic
from numpy.typing import NDArray

from lakebed.tasks.encoding.processor import HAS_MASKED_LOADS
from lakebed.tasks.encoding.signatures import (
    READ_BYTES,
    READ_FLOATS,
    READ_INTEGERS,
    READ_TABLE,
    READ_WORDS,
    TABLE,
    WORDS,
    Integers,
    Words,
    boolean,
    inner,
    int64,
    kernel,
    tuple_of,
    uint64,
    void,
)

Bytes = NDArray[np.uint8]
Quad = tuple[np.uint64, np.uint64, np.uint64, np.uint64]

LANES = 4
MAX_WORDS = 256
"""Words of a cell that have keys."""
BLOCK_WORDS = 8
MAX_BYTES = 8 * 248
"""Longer cells are left out by the kernels that take bytes; a digest stands for them."""

READ_KEYS = Array(uint64, 3, "C", readonly=True)
READ_BLOCKS = Array(uint64, 4, "C", readonly=True)
_LOW32, _32 = np.uint64(0xFFFFFFFF), np.uint64(32)
_0, _1, _2, _3 = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(3)
_8, _64, _63, _ALL = np.uint64(8), np.uint64(64), np.uint64(63), np.uint64((1 << 64) - 1)
_2_TO_63, _2_TO_127 = 2.0**63, 2.0**127
# hashes that are computed at a time, so that none of them waits for a branch
_SAMPLED = 1024
# kinds of floats, in the order of the table that `add_kinds` takes
_WHOLE, _NEGATIVE, _FRACTION, _NAN = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(3)


@kernel(void(TABLE, READ_INTEGERS, READ_KEYS, READ_WORDS, READ_WORDS))
def add_integers(sums: Words, values: Integers, keys: Words, positive: Words, negative: Words) -> None:
    """Adds cells of whole numbers; positive, negative (4,): what their tag and high word add."""
    for lane in range(LANES):
        k0, k1, p, q = keys[1, 0, lane], keys[1, 1, lane], positive[lane], negative[lane]
        row = sums[lane]
        for i in range(values.size):
            x = np.uint64(values[i])
            row[i] += (x & _LOW32) * k0 + (x >> _32) * k1 + (q if values[i] < 0 else p)


@kernel(boolean(READ_FLOATS, READ_WORDS, boolean, WORDS, WORDS))
def float_kinds(values: NDArray[np.float64], bits: Words, keeps_sign_of_zero: bool, low: Words, kinds: Words) -> bool:
    """Words and kinds of floats: whole, negative whole, fraction, NaN. False where some need a high word of their own.

    Shapes: all (n,); low and kinds are filled.
    """
    n_wide = 0
    for i in range(values.size):
        x = values[i]
        fits = (x >= -_2_TO_63) & (x < _2_TO_63)
        whole = np.int64(x if fits else 0.0)
        is_whole = fits & (np.float64(whole) == x)
        is_whole &= not (keeps_sign_of_zero & (whole == 0) & (bits[i] != _0))
        n_wide += (not fits) & (abs(x) < _2_TO_127)
        low[i] = np.uint64(whole) if is_whole else (bits[i] if x == x else _0)  # noqa: PLR0124 - NaN
        kinds[i] = (np.uint64(whole) >> _63) if is_whole else (_FRACTION if x == x else _NAN)  # noqa: PLR0124
    return n_wide == 0


@kernel(void(TABLE, READ_WORDS, READ_WORDS, READ_KEYS, READ_TABLE))
def add_kinds(sums: Words, low: Words, kinds: Words, keys: Words, table: Words) -> None:
    """Adds cells of a low word and a kind below 4; table (4, 4): what tag and high word of each kind add, by lane."""
    for lane in range(LANES):
        k0, k1 = keys[1, 0, lane], keys[1, 1, lane]
        c0, c1, c2, c3 = table[0, lane], table[1, lane], table[2, lane], table[3, lane]
        row = sums[lane]
        for i in range(low.size):
            kind = kinds[i]
            first = c1 if kind == _NEGATIVE else c0
            second = c3 if kind == _NAN else c2
            constant = first if kind < _FRACTION else second
            row[i] += (low[i] & _LOW32) * k0 + (low[i] >> _32) * k1 + constant


@inner
def _word(x: np.uint64, keys: Words, at: int, lane: int) -> np.uint64:
    """What a word adds to a lane."""
    return (x & _LOW32) * keys[at, 0, lane] + (x >> _32) * keys[at, 1, lane]  # type: ignore[no-any-return]


@kernel(void(TABLE, READ_WORDS, READ_WORDS, READ_WORDS, READ_KEYS))
def add_fixed(sums: Words, tags: Words, low: Words, high: Words, keys: Words) -> None:
    """Adds cells of any three words. Shapes: tags, low, high (n,)."""
    for lane in range(LANES):
        row = sums[lane]
        for i in range(low.size):
            row[i] += _word(tags[i], keys, 0, lane) + _word(low[i], keys, 1, lane) + _word(high[i], keys, 2, lane)


@kernel(int64(TABLE, READ_INTEGERS, READ_WORDS, READ_KEYS))
def add_words(sums: Words, offsets: Integers, words: Words, keys: Words) -> int:
    """Adds cells given as words; those of more than MAX_WORDS are left out, and counted. Shapes: offsets (n + 1,)."""
    n_long = 0
    for i in range(offsets.size - 1):
        first, end = offsets[i], offsets[i + 1]
        if end - first > MAX_WORDS:
            n_long += 1
            continue
        for j in range(first, end):
            for lane in range(LANES):
                sums[lane, i] += _word(words[j], keys, j - first, lane)
    return n_long


@inner
def _word_at(data: Bytes, at: np.uint64, n_bytes: np.uint64) -> np.uint64:
    """The little-endian word of n_bytes (1 … 8) bytes from `at`, padded with zeros."""
    word = _0
    if at + _8 <= np.uint64(data.size):
        for i in range(8):
            word |= np.uint64(data[at + np.uint64(i)]) << np.uint64(8 * i)
        return word & (_ALL >> (_64 - _8 * n_bytes))
    for i in range(n_bytes):
        word |= np.uint64(data[at + i]) << (_8 * i)
    return word


@inner
def block_plain(data: Bytes, at: int, n_bytes: int, blocks: Words, block: int) -> Quad:
    """What up to 64 of the n_bytes bytes from `at` add to the lanes. Shapes: blocks (31, 4, 2, 8), see `block_keys`."""
    a, b, c, d = _0, _0, _0, _0
    keys, place, left, word = blocks[block], np.uint64(at), np.uint64(min(n_bytes, 64)), _0
    while left > _0:
        x = _word_at(data, place, min(_8, left))
        low, high = x & _LOW32, x >> _32
        a += low * keys[_0, _0, word] + high * keys[_0, _1, word]
        b += low * keys[_1, _0, word] + high * keys[_1, _1, word]
        c += low * keys[_2, _0, word] + high * keys[_2, _1, word]
        d += low * keys[_3, _0, word] + high * keys[_3, _1, word]
        place, left, word = place + _8, left - min(_8, left), word + _1
    return a, b, c, d


@inner
def _short(data: Bytes, at: int, n_bytes: int, blocks: Words) -> Quad:
    """What the one word of a cell of 1 … 8 bytes adds to the lanes."""
    x = _word_at(data, np.uint64(at), np.uint64(n_bytes))
    low, high = x & _LOW32, x >> _32
    keys = blocks[_0]
    a = low * keys[_0, _0, _0] + high * keys[_0, _1, _0]
    b = low * keys[_1, _0, _0] + high * keys[_1, _1, _0]
    c = low * keys[_2, _0, _0] + high * keys[_2, _1, _0]
    return a, b, c, low * keys[_3, _0, _0] + high * keys[_3, _1, _0]


@intrinsic
def block_by_masked_load(_typing: Any, data: Any, at: Any, n_bytes: Any, blocks: Any, block: Any) -> Any:
    """`block_plain` without a branch: one masked load of 64 bytes, which touches none beyond those asked for."""
    del at, n_bytes, block
    arguments = (data, types.int64, types.int64, blocks, types.int64)
    return types.UniTuple(types.uint64, LANES)(*arguments), _generate_block  # type: ignore[no-untyped-call]


def _generate_block(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    i64, bytes64 = ir.IntType(64), ir.VectorType(ir.IntType(8), 64)
    eight = ir.VectorType(i64, BLOCK_WORDS)
    data, keys = (context.make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 3))
    x = builder.bitcast(_masked_load(builder, builder.gep(data, [args[1]]), args[2], bytes64), eight)
    low = builder.and_(x, ir.Constant(eight, [0xFFFFFFFF] * BLOCK_WORDS))
    high = builder.lshr(x, ir.Constant(eight, [32] * BLOCK_WORDS))
    keys, first = builder.bitcast(keys, eight.as_pointer()), builder.mul(args[4], i64(2 * LANES))
    add, lanes = _function(builder, "llvm.vector.reduce.add.v8i64", i64, [eight]), []
    for lane in range(LANES):
        products = []
        for half, part in enumerate((low, high)):
            key = builder.load(builder.gep(keys, [builder.add(first, i64(2 * lane + half))]))
            key.align = 8
            products.append(builder.mul(part, key))
        lanes.append(builder.call(add, [builder.add(*products)]))
    return context.make_tuple(builder, signature.return_type, lanes)


def _masked_load(builder: Any, place: Any, n_bytes: Any, bytes64: Any) -> Any:
    """64 bytes from a place, zeros from `n_bytes` on."""
    i64, mask64 = ir.IntType(64), ir.VectorType(ir.IntType(1), 64)
    ones = builder.sub(builder.shl(i64(1), builder.and_(n_bytes, i64(63))), i64(1))
    mask = builder.select(builder.icmp_signed(">=", n_bytes, i64(64)), i64(-1), ones)
    kinds = [bytes64.as_pointer(), ir.IntType(32), mask64, bytes64]
    load = _function(builder, "llvm.masked.load.v64i8.p0", bytes64, kinds)
    zeros = ir.Constant(bytes64, [0] * 64)
    source = builder.bitcast(place, bytes64.as_pointer())
    return builder.call(load, [source, ir.IntType(32)(1), builder.bitcast(mask, mask64), zeros])


def _function(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    return builder.module.globals.get(name) or ir.Function(builder.module, ir.FunctionType(result, arguments), name)


_block: Any = block_by_masked_load if HAS_MASKED_LOADS else block_plain


@inner
def _header(length: int, keys: Words, tag: Words, lane: int) -> np.uint64:
    """What tag and length of a cell over bytes add; the length is below 2^32."""
    return tag[lane] + np.uint64(length) * keys[1, 0, lane]  # type: ignore[no-any-return]


@kernel(int64(TABLE, READ_INTEGERS, READ_BYTES, READ_KEYS, READ_BLOCKS, READ_WORDS))
def add_bytes(sums: Words, offsets: Integers, data: Bytes, keys: Words, blocks: Words, tag: Words) -> int:
    """Adds cells (tag, length, bytes); those above MAX_BYTES are left out, and counted.

    Shapes: offsets (n + 1,) into data; blocks (31, 4, 2, 8); tag (4,) what the tag adds.
    """
    n_long = 0
    for i in range(offsets.size - 1):
        at, end = offsets[i], offsets[i + 1]
        if end - at > MAX_BYTES:
            n_long += 1
            continue
        a, b = _header(end - at, keys, tag, 0), _header(end - at, keys, tag, 1)
        c, d = _header(end - at, keys, tag, 2), _header(end - at, keys, tag, 3)
        block = 0
        if at < end <= at + 8:
            p, q, r, s = _short(data, at, end - at, blocks)
            a, b, c, d, at = a + p, b + q, c + r, d + s, end
        while at < end:
            p, q, r, s = _block(data, at, end - at, blocks, block)
            a, b, c, d = a + p, b + q, c + r, d + s
            at += 64
            block += 1
        sums[0, i] += a
        sums[1, i] += b
        sums[2, i] += c
        sums[3, i] += d
    return n_long


@kernel(void(TABLE, READ_INTEGERS, READ_BYTES, READ_BLOCKS))
def add_blocks_plain(sums: Words, offsets: Integers, data: Bytes, blocks: Words) -> None:
    """The bytes alone, without masked loads whatever the processor has: the twin that tests compare with."""
    for i in range(offsets.size - 1):
        at, end, block = offsets[i], offsets[i + 1], 0
        while at < end:
            p, q, r, s = block_plain(data, at, end - at, blocks, block)
            sums[0, i] += p
            sums[1, i] += q
            sums[2, i] += r
            sums[3, i] += s
            at += 64
            block += 1


@kernel(void(TABLE, READ_INTEGERS, READ_TABLE))
def add_entries(sums: Words, indices: Integers, entries: Words) -> None:
    """Adds cells of a dictionary whose entries' sums are known. Shapes: indices (n,); entries (4, m)."""
    for lane in range(LANES):
        row, held = sums[lane], entries[lane]
        for i in range(indices.size):
            row[i] += held[indices[i]]


@kernel(void(TABLE, READ_TABLE, READ_BYTES, READ_WORDS, READ_KEYS))
def add_with_nulls(sums: Words, cells: Words, is_null: Bytes, depth: Words, keys: Words) -> None:
    """Adds cells, and for null ones the words (0, depth, 0). Shapes: cells (4, n), is_null (n,), depth (n,) or (0,)."""
    for lane in range(LANES):
        row, column, k0 = sums[lane], cells[lane], keys[1, 0, lane]
        if depth.size:
            for i in range(is_null.size):
                row[i] += depth[i] * k0 if is_null[i] else column[i]
        else:
            for i in range(is_null.size):
                row[i] += _0 if is_null[i] else column[i]


@kernel(void(TABLE, READ_TABLE))
def add_sums(sums: Words, more: Words) -> None:
    """Adds sums to sums, in place. Shapes: (4, n) both."""
    for lane in range(LANES):
        row, other = sums[lane], more[lane]
        for i in range(other.size):
            row[i] += other[i]


@inner
def _mixed(first: np.uint64, second: np.uint64) -> np.uint64:
    """64 bits from two lanes, mixed (Stafford's mix 13), since a linear hash leaves a lattice."""
    x = ((first >> _32) << _32) | (second >> _32)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel(WORDS(READ_TABLE))
def mixed_values(sums: Words) -> Words:
    """64-bit hashes of values from the first two lanes of their sums. Shapes: sums (4, n); result (n,)."""
    out = np.empty(sums.shape[1], np.uint64)
    for i in range(out.size):
        out[i] = _mixed(sums[0, i], sums[1, i])
    return out


@inner
def _keep(hashes: Words, n: int, limit: np.uint64, out: Words, at: int) -> int:
    """Appends to `out`, from `at`, those of the first n hashes that do not exceed the limit; where they end."""
    for i in range(n):
        out[at] = hashes[i]
        at += hashes[i] <= limit
    return at


@kernel(WORDS(READ_INTEGERS, READ_KEYS, READ_WORDS, READ_WORDS, uint64))
def sampled_integers(values: Integers, keys: Words, positive: Words, negative: Words, limit: np.uint64) -> Words:
    """The `mixed_values` up to a limit of cells that `add_integers` would add, in their order, with repeats."""
    out, hashes, at = np.empty(values.size + 1, np.uint64), np.empty(_SAMPLED, np.uint64), 0
    k0, k1, k2, k3 = keys[1, 0, 0], keys[1, 1, 0], keys[1, 0, 1], keys[1, 1, 1]
    p, q, r, s = positive[0], negative[0], positive[1], negative[1]
    for begin in range(0, values.size, _SAMPLED):
        n = min(_SAMPLED, values.size - begin)
        for i in range(n):
            x, is_negative = np.uint64(values[begin + i]), values[begin + i] < 0
            first = (x & _LOW32) * k0 + (x >> _32) * k1 + (q if is_negative else p)
            hashes[i] = _mixed(first, (x & _LOW32) * k2 + (x >> _32) * k3 + (s if is_negative else r))
        at = _keep(hashes, n, limit, out, at)
    return out[:at].copy()


@kernel(WORDS(READ_WORDS, READ_WORDS, READ_KEYS, READ_TABLE, uint64))
def sampled_kinds(low: Words, kinds: Words, keys: Words, table: Words, limit: np.uint64) -> Words:
    """The same of cells that `add_kinds` would add."""
    out, hashes, at = np.empty(low.size + 1, np.uint64), np.empty(_SAMPLED, np.uint64), 0
    k0, k1, k2, k3 = keys[1, 0, 0], keys[1, 1, 0], keys[1, 0, 1], keys[1, 1, 1]
    for begin in range(0, low.size, _SAMPLED):
        n = min(_SAMPLED, low.size - begin)
        for i in range(n):
            x, kind = low[begin + i], kinds[begin + i]
            first = (x & _LOW32) * k0 + (x >> _32) * k1 + table[kind, 0]
            hashes[i] = _mixed(first, (x & _LOW32) * k2 + (x >> _32) * k3 + table[kind, 1])
        at = _keep(hashes, n, limit, out, at)
    return out[:at].copy()


@kernel(tuple_of(WORDS, int64)(READ_INTEGERS, READ_BYTES, READ_KEYS, READ_BLOCKS, READ_WORDS, uint64))
def sampled_bytes(
    offsets: Integers, data: Bytes, keys: Words, blocks: Words, tag: Words, limit: np.uint64
) -> tuple[Words, int]:
    """The same of cells that `add_bytes` would add, and how many were left out because they are above MAX_BYTES."""
    out, at, n_long = np.empty(offsets.size, np.uint64), 0, 0
    for i in range(offsets.size - 1):
        place, end = offsets[i], offsets[i + 1]
        if end - place > MAX_BYTES:
            n_long += 1
            continue
        a, b = _header(end - place, keys, tag, 0), _header(end - place, keys, tag, 1)
        block = 0
        if place < end <= place + 8:
            p, q, _, _ = _short(data, place, end - place, blocks)
            a, b, place = a + p, b + q, end
        while place < end:
            p, q, _, _ = _block(data, place, end - place, blocks, block)
            a, b = a + p, b + q
            place += 64
            block += 1
        out[at] = _mixed(a, b)
        at += out[at] <= limit
    return out[:at].copy(), n_long


KERNELS: tuple[Any, ...] = (
    add_integers,
    float_kinds,
    add_kinds,
    add_fixed,
    add_words,
    add_bytes,
    add_blocks_plain,
    add_entries,
    add_with_nulls,
    add_sums,
    mixed_values,
    sampled_integers,
    sampled_kinds,
    sampled_bytes,
)

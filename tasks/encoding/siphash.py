"""SipHash-2-4 with 128 bits of output, over streams of words (Aumasson and Bernstein 2012, siphash128).

The message of a stream of n words is its 8·n little-endian bytes, so every hash here equals the published function.
A hash is a row (high, low): the second and the first 8 bytes of the published output.

All kernels that hash stand in this one file: numba's disk cache notices a change of a kernel's own file only.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.encoding.signatures import (
    READ_BYTES,
    READ_INTEGERS,
    READ_TABLE,
    READ_WORDS,
    TABLE,
    WORDS,
    Integers,
    Words,
    inner,
    kernel,
    tuple_of,
    uint64,
    void,
)

Bytes = NDArray[np.uint8]
State = tuple[np.uint64, np.uint64, np.uint64, np.uint64]

_V0 = np.uint64(0x736F6D6570736575)
_V1 = np.uint64(0x646F72616E646F6D ^ 0xEE)
_V2 = np.uint64(0x6C7967656E657261)
_V3 = np.uint64(0x7465646279746573)
_EE = np.uint64(0xEE)
_DD = np.uint64(0xDD)
_FF = np.uint64(0xFF)
_0 = np.uint64(0)
_1 = np.uint64(1)
_2 = np.uint64(2)
_3 = np.uint64(3)
_5 = np.uint64(5)
_7 = np.uint64(7)
_8 = np.uint64(8)
_56 = np.uint64(56)
_59 = np.uint64(59)
# rows that are hashed side by side, and items of each that are taken at a time
_BLOCK, _STEP = 64, 8


@inner
def _rotate(x: np.uint64, bits: int) -> np.uint64:
    return (x << np.uint64(bits)) | (x >> np.uint64(64 - bits))


@inner
def _round(v: State) -> State:
    v0, v1, v2, v3 = v
    v0 += v1
    v1 = _rotate(v1, 13) ^ v0
    v0 = _rotate(v0, 32)
    v2 += v3
    v3 = _rotate(v3, 16) ^ v2
    v0 += v3
    v3 = _rotate(v3, 21) ^ v0
    v2 += v1
    v1 = _rotate(v1, 17) ^ v2
    v2 = _rotate(v2, 32)
    return v0, v1, v2, v3


@inner
def _absorb(v: State, word: np.uint64) -> State:
    v0, v1, v2, v3 = _round(_round((v[0], v[1], v[2], v[3] ^ word)))
    return v0 ^ word, v1, v2, v3


@inner
def _finish(v: State, n_words: np.uint64) -> tuple[np.uint64, np.uint64]:
    """(high, low) of the stream; the last block of a whole number of words holds nothing but the length."""
    v0, v1, v2, v3 = _absorb(v, n_words << _59)
    v0, v1, v2, v3 = _round(_round(_round(_round((v0, v1, v2 ^ _EE, v3)))))
    low = v0 ^ v1 ^ v2 ^ v3
    v0, v1, v2, v3 = _round(_round(_round(_round((v0, v1 ^ _DD, v2, v3)))))
    return v0 ^ v1 ^ v2 ^ v3, low


@inner
def _load(state: Words) -> State:
    return state[0], state[1], state[2], state[3]


@inner
def _word_at(data: Bytes, at: np.uint64, n_bytes: np.uint64) -> np.uint64:
    """The little-endian word of `n_bytes` (1 … 8) bytes from `at`, padded with zeros."""
    word = _0
    if n_bytes == _8:
        for i in range(8):
            word |= np.uint64(data[at + np.uint64(i)]) << np.uint64(8 * i)
        return word
    for i in range(n_bytes):
        word |= np.uint64(data[at + i]) << (i * _8)
    return word


@kernel(WORDS(uint64, uint64, READ_WORDS))
def absorb_words(key_low: int, key_high: int, words: Words) -> Words:
    """The state of a stream that has taken `words`: four state words and the number of words."""
    v = (_V0 ^ key_low, _V1 ^ key_high, _V2 ^ key_low, _V3 ^ key_high)
    for word in words:
        v = _absorb(v, word)
    state = np.empty(5, np.uint64)
    state[0], state[1], state[2], state[3] = v
    state[4] = np.uint64(words.size)
    return state


@kernel(TABLE(READ_WORDS, READ_WORDS, READ_WORDS, READ_WORDS))
def hash_fixed(state: Words, tags: Words, low: Words, high: Words) -> Words:
    """Hashes of cells of three words. Shapes: tags, low, high (n,); result (n, 2)."""
    out = np.empty((tags.size, 2), np.uint64)
    start, n_words = _load(state), state[4] + _3
    for i in range(tags.size):
        v = _absorb(_absorb(_absorb(start, tags[i]), low[i]), high[i])
        out[i, 0], out[i, 1] = _finish(v, n_words)
    return out


@kernel(TABLE(READ_WORDS, uint64, READ_INTEGERS, READ_BYTES, READ_BYTES, READ_WORDS))
def hash_bytes(state: Words, tag: np.uint64, offsets: Integers, data: Bytes, is_null: Bytes, depth: Words) -> Words:
    """Hashes of cells of variable length.

    Shapes: offsets (n + 1,) into data; is_null (n,) or (0,) where no cell is null; depth as is_null; result (n, 2).
    """
    n = offsets.size - 1
    out = np.empty((n, 2), np.uint64)
    start, null_start = _absorb(_load(state), tag), _absorb(_load(state), _0)
    for i in range(n):
        if is_null.size and is_null[i]:
            v = _absorb(_absorb(null_start, depth[i]), _0)
            out[i, 0], out[i, 1] = _finish(v, state[4] + _3)
            continue
        at, end = np.uint64(offsets[i]), np.uint64(offsets[i + 1])
        length = end - at
        v = _absorb(start, length)
        while at < end:
            v = _absorb(v, _word_at(data, at, min(_8, end - at)))
            at += _8
        out[i, 0], out[i, 1] = _finish(v, state[4] + _2 + ((length + _7) >> _3))
    return out


@kernel(TABLE(READ_WORDS, READ_INTEGERS, READ_WORDS))
def hash_words(state: Words, offsets: Integers, words: Words) -> Words:
    """Hashes of cells given as words. Shapes: offsets (n + 1,) into words; result (n, 2)."""
    n = offsets.size - 1
    out = np.empty((n, 2), np.uint64)
    start = _load(state)
    for i in range(n):
        v = start
        for j in range(offsets[i], offsets[i + 1]):
            v = _absorb(v, words[j])
        out[i, 0], out[i, 1] = _finish(v, state[4] + np.uint64(offsets[i + 1] - offsets[i]))
    return out


@inner
def _gather(words: Words, places: Integers, cells: tuple[Words, Words, Words]) -> None:
    """Words of the next items of each row, from its place on. Shapes: words (3, _STEP, _BLOCK), places (≤ _BLOCK,)."""
    tags, low, high = cells
    for i in range(places.size):
        for j in range(_STEP):
            at = places[i] + j
            words[0, j, i], words[1, j, i], words[2, j, i] = tags[at], low[at], high[at]


@inner
def _absorb_items(v: Words, words: Words) -> None:
    """Takes them into the rows' states (4, _BLOCK); a block's whole width, so that the compiler knows it."""
    for j in range(_STEP):
        for i in range(_BLOCK):
            state = _absorb((v[0, i], v[1, i], v[2, i], v[3, i]), words[0, j, i])
            v[0, i], v[1, i], v[2, i], v[3, i] = _absorb(_absorb(state, words[1, j, i]), words[2, j, i])


@inner
def _finish_list(
    state: State, header: np.uint64, cells: tuple[Words, Words, Words], span: tuple[int, int, int], n_before: np.uint64
) -> tuple[np.uint64, np.uint64]:
    """The hash of a row whose first items are taken; span: where its items start, how many are taken, how many are."""
    start, n_taken, size = span
    if header == _0:
        return _finish(_absorb(state, _0), n_before + _3)
    for at in range(start + n_taken, start + size):
        state = _absorb(_absorb(_absorb(state, cells[0][at]), cells[1][at]), cells[2][at])
    return _finish(state, n_before + _2 + _3 * np.uint64(size))


@kernel(TABLE(READ_WORDS, tuple_of(READ_WORDS, READ_WORDS), READ_INTEGERS, READ_INTEGERS, tuple_of(*[READ_WORDS] * 3)))
def hash_lists(
    state: Words, heads: tuple[Words, Words], starts: Integers, sizes: Integers, cells: tuple[Words, Words, Words]
) -> Words:
    """Hashes of lists of cells of three words.

    The items that all rows of a block have are taken side by side: no row waits for another, and the processor's
    vectors hold a row a lane. A null row, whose tag is 0, has a third word, 0, and no items.

    Shapes: heads, tags and second words, starts and sizes (n,), starts into cells (m,) each; result (n, 2).
    """
    n = starts.size
    out, v, words = (
        np.empty((n, 2), np.uint64),
        np.zeros((4, _BLOCK), np.uint64),
        np.empty((3, _STEP, _BLOCK), np.uint64),
    )
    begin = _load(state)
    for first in range(0, n, _BLOCK):
        end = min(first + _BLOCK, n)
        n_shared = sizes[first:end].min() // _STEP * _STEP
        for i in range(end - first):
            v[0, i], v[1, i], v[2, i], v[3, i] = _absorb(_absorb(begin, heads[0][first + i]), heads[1][first + i])
        for item in range(0, n_shared, _STEP):
            _gather(words, starts[first:end] + item, cells)
            _absorb_items(v, words)
        for i in range(end - first):
            row, span = first + i, (starts[first + i], n_shared, sizes[first + i])
            out[row] = _finish_list((v[0, i], v[1, i], v[2, i], v[3, i]), heads[0][row], cells, span, state[4])
    return out


@kernel(void(TABLE, READ_TABLE))
def add_hashes(sums: Words, hashes: Words) -> None:
    """Adds the hashes to the sums modulo 2^128, in place."""
    for i in range(sums.shape[0]):
        low = sums[i, 1] + hashes[i, 1]
        carry = _1 if low < hashes[i, 1] else _0
        sums[i, 0] += hashes[i, 0] + carry
        sums[i, 1] = low


@kernel(TABLE(READ_TABLE, READ_TABLE))
def remix(sums: Words, states: Words) -> Words:
    """A keyed bijection of 128 bits: a Feistel network, one round a state. Shapes: sums (n, 2), states (rounds, 5)."""
    out = np.empty_like(sums)
    for i in range(sums.shape[0]):
        left, right = sums[i, 0], sums[i, 1]
        for j in range(states.shape[0]):
            v = _absorb((states[j, 0], states[j, 1], states[j, 2], states[j, 3]), right)
            v0, v1, v2, v3 = _round(_round(_round(_round((v[0], v[1], v[2] ^ _FF, v[3])))))
            left, right = right, left ^ v0 ^ v1 ^ v2 ^ v3
        out[i, 0], out[i, 1] = left, right
    return out


@kernel(tuple_of(uint64, uint64, uint64, uint64)(READ_WORDS, READ_TABLE, READ_WORDS))
def sum_lanes(state: Words, hashes: Words, counts: Words) -> State:
    """Sums modulo 2^64 of the four lanes of each hash, times its count (no counts: once each)."""
    a, b, c, d = _0, _0, _0, _0
    start, n_words = _load(state), state[4] + _2
    for i in range(hashes.shape[0]):
        count = counts[i] if counts.size else _1
        high, low = hashes[i, 0], hashes[i, 1]
        third, fourth = _finish(_absorb(_absorb(start, high), low), n_words)
        a += count * high
        b += count * low
        c += count * third
        d += count * fourth
    return a, b, c, d


KERNELS: tuple[Any, ...] = (
    absorb_words,
    hash_fixed,
    hash_bytes,
    hash_words,
    hash_lists,
    add_hashes,
    remix,
    sum_lanes,
)

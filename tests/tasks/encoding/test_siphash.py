import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.encoding.siphash import absorb_words, add_hashes, hash_bytes, hash_fixed, hash_words, remix
from tests.tasks.encoding.arrays import quick
from tests.tasks.encoding.reference import hash_of_words, siphash

KEY = bytes(range(16))
# The first vectors of the authors' reference code: key 00 … 0f, messages of 0, 1, 2 … bytes 00, 01, 02 …
VECTORS_128 = """
a3817f04ba25a8e66df67214c7550293 da87c1d86b99af44347659119b22fc45 8177228da4a45dc7fca38bdef60affe4
9c70b60c5267a94e5f33b6b02985ed51 f88164c12d9c8faf7d0f6e7c7bcd5579 1368875980776f8854527a07690e9627
14eeca338b208613485ea0308fd7a15e a1f1ebbed8dbc153c0b84aa61ff08239 3b62a9ba6258f5610f83e264f31497b4
264499060ad9baabc47f8b02bb6d71ed
""".split()
VECTOR_64 = "a129ca6149be45e5"  # the example of the paper's appendix: the message 00 … 0e, as a big-endian number

words_lists = st.lists(st.integers(0, 2**64 - 1), max_size=40)
keys = st.binary(min_size=16, max_size=16)


def state_of(key: bytes, prefix: list[int]) -> np.ndarray:
    return absorb_words(*struct.unpack("<QQ", key), np.array(prefix, dtype=np.uint64))


def as_pairs(hashes: np.ndarray) -> list[tuple[int, int]]:
    return [(int(high), int(low)) for high, low in hashes]


def test_the_reference_gives_the_published_vectors():
    for n, expected in enumerate(VECTORS_128):
        assert siphash(KEY, bytes(range(n))).hex() == expected
    assert siphash(KEY, bytes(range(15)), 64)[::-1].hex() == VECTOR_64


def test_the_kernel_gives_the_published_vectors_of_whole_words():
    for n in (0, 8):
        words = np.frombuffer(bytes(range(n)), "<u8")
        ((high, low),) = hash_words(state_of(KEY, []), np.array([0, n // 8]), words)
        assert struct.pack("<QQ", low, high).hex() == VECTORS_128[n]


@quick
@given(keys, words_lists, st.lists(words_lists, max_size=5))
def test_streams_of_words_equal_the_reference(key, prefix, cells):
    offsets = np.cumsum([0, *map(len, cells)]).astype(np.int64)
    words = np.array([word for cell in cells for word in cell], dtype=np.uint64)
    got = hash_words(state_of(key, prefix), offsets, words)
    assert as_pairs(got) == [hash_of_words(key, prefix + cell) for cell in cells]


@quick
@given(keys, words_lists, st.lists(st.tuples(*[st.integers(0, 2**64 - 1)] * 3), max_size=5))
def test_fixed_cells_equal_the_reference(key, prefix, cells):
    tags, low, high = np.array(cells, dtype=np.uint64).reshape(-1, 3).T.copy()
    got = hash_fixed(state_of(key, prefix), tags, low, high)
    assert as_pairs(got) == [hash_of_words(key, prefix + list(cell)) for cell in cells]


@quick
@given(keys, st.integers(1, 99), st.lists(st.none() | st.binary(max_size=70), max_size=6))
def test_byte_cells_equal_the_reference(key, tag, cells):
    offsets = np.cumsum([0, *(len(cell or b"") for cell in cells)]).astype(np.int64)
    data = np.frombuffer(b"".join(cell or b"" for cell in cells), np.uint8)
    is_null = np.array([cell is None for cell in cells], dtype=np.uint8)
    depth = np.arange(len(cells), dtype=np.uint64)
    got = hash_bytes(state_of(key, [7]), np.uint64(tag), offsets, data, is_null, depth)
    expected = []
    for i, cell in enumerate(cells):
        padded = (cell or b"").ljust((len(cell or b"") + 7) // 8 * 8, b"\0")
        words = [tag, len(cell or b""), *struct.unpack(f"<{len(padded) // 8}Q", padded)]
        expected.append(hash_of_words(key, [7, *([0, i, 0] if cell is None else words)]))
    assert as_pairs(got) == expected


@quick
@given(st.lists(st.tuples(*[st.integers(0, 2**128 - 1)] * 2), min_size=1, max_size=5))
def test_sums_carry_from_the_low_to_the_high_word(pairs):
    def rows(values: list[int]) -> np.ndarray:
        return np.array([[value >> 64, value & (2**64 - 1)] for value in values], dtype=np.uint64)

    sums = rows([a for a, _ in pairs])
    add_hashes(sums, rows([b for _, b in pairs]))
    assert [(int(high) << 64) | int(low) for high, low in sums] == [(a + b) % 2**128 for a, b in pairs]


@quick
@given(st.lists(st.tuples(*[st.integers(0, 2**64 - 1)] * 2), min_size=1, max_size=20))
def test_the_remix_can_be_undone_so_it_is_a_bijection(rows):
    states = np.stack([state_of(KEY, [i]) for i in range(4)])
    left, right = remix(np.array(rows, dtype=np.uint64), states).T
    # A Feistel network runs backwards with its halves swapped and its rounds reversed.
    back = remix(np.stack([right, left], axis=1), states[::-1].copy())
    assert as_pairs(back[:, ::-1]) == rows

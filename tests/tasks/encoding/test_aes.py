import numpy as np
import pytest
from numba import njit

from lakebed.tasks.encoding import aes, processor
from lakebed.tasks.encoding.sums import multiset_sum
from tests.tasks.encoding.arrays import KEY


def block(data: bytes) -> np.ndarray:
    low, high = (int.from_bytes(data[i : i + 8], "little") for i in (0, 8))
    return np.array([[high, low]], np.uint64)


@pytest.mark.parametrize("encrypt", [aes.encrypt_rows, aes.encrypt_rows_plain])
def test_the_example_of_the_standard(encrypt):
    """FIPS 197, appendix C.1."""
    out = encrypt(block(bytes.fromhex("00112233445566778899aabbccddeeff")), aes.round_keys(bytes(range(16))))
    assert out[0, 1].tobytes() + out[0, 0].tobytes() == bytes.fromhex("69c4e0d86a7b0430d8cdb78070b4c55a")


def test_instructions_and_tables_have_equal_bits():
    rng = np.random.default_rng(1)
    for n_rows in (0, 1, 3, 4, 7, 5_000, 5_001):
        rows = rng.integers(0, 2**64, (n_rows, 2), dtype=np.uint64)
        keys = aes.round_keys(rng.bytes(16))
        assert np.array_equal(aes.encrypt_rows(rows, keys), aes.encrypt_rows_plain(rows, keys))


@pytest.mark.parametrize("at", [0, 1, 6])
def test_four_blocks_at_once_are_four_blocks(at):
    @njit
    def four(rows, at, keys):
        return aes.four_plain(rows, at, keys)

    @njit
    def chosen(rows, at, keys):
        return aes._four(rows, at, keys)

    rows = np.random.default_rng(5).integers(0, 2**64, (10, 2), dtype=np.uint64)
    keys = aes.round_keys(bytes(range(16)))
    expected = aes.encrypt_rows_plain(rows[at : at + 4], keys)
    assert np.array(four(rows, at, keys), np.uint64).tolist() == expected.reshape(-1).tolist()
    assert np.array(chosen(rows, at, keys), np.uint64).tolist() == expected.reshape(-1).tolist()


def test_the_round_keys_are_those_of_the_standard():
    """FIPS 197, appendix A.1: the last round key of its example."""
    keys = aes.round_keys(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"))
    assert keys.tobytes()[-16:] == bytes.fromhex("d014f9a8c9ee2589e13f0cc8b6630ca6")
    with pytest.raises(ValueError, match="3 bytes"):
        aes.round_keys(b"abc")


def test_the_remix_takes_the_upper_halves_of_the_lanes():
    sums = np.random.default_rng(2).integers(0, 2**64, (4, 9), dtype=np.uint64)
    keys = aes.round_keys(bytes(16))
    high, low = ((sums[i] >> 32 << 32) | (sums[i + 1] >> 32) for i in (0, 2))
    out = np.empty((9, 2), np.uint64)
    aes.remix(sums, keys, out)
    assert np.array_equal(out, aes.encrypt_rows_plain(np.stack([high, low], axis=1), keys))


def test_sums_carry_over_the_middle():
    rows = np.random.default_rng(3).integers(0, 2**64, (203, 2), dtype=np.uint64)
    from lakebed.tasks.encoding.secret import sum_keys

    images = aes.encrypt_rows_plain(rows, sum_keys(KEY))
    total = sum(int(high) << 64 | int(low) for high, low in images) % (1 << 128)
    assert multiset_sum(rows, KEY).tolist() == [total >> 64, total & ((1 << 64) - 1)]


def test_another_processor_than_this_one_has_no_instructions(monkeypatch):
    monkeypatch.setattr(processor.numba_config, "CPU_NAME", "generic")
    assert processor._features() == frozenset()

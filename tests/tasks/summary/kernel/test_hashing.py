"""Hashes depend on what they are for, and on nothing else."""

import numpy as np

from lakebed.tasks.summary.kernel.hashing import hash_ids, stream_key

KNOWN = [2632516684, 1963323977, 1622254963]


def test_parts_give_the_whole() -> None:
    key = stream_key(1, 2, 3)
    whole = hash_ids(key, 0, 1_000)
    np.testing.assert_array_equal(whole, np.concatenate([hash_ids(key, 0, 300), hash_ids(key, 300, 1_000)]))


def test_streams_differ() -> None:
    keys = {
        int(stream_key(seed, t, level)) for seed in (0, 1, (1 << 63) - 1) for t in range(1, 30) for level in range(12)
    }
    assert len(keys) == 3 * 29 * 12


def test_hashes_are_spread() -> None:
    found = hash_ids(stream_key(0, 1, 0), 0, 100_000)
    counts = np.bincount(found >> np.uint32(28), minlength=16)
    assert abs(counts - 6_250).max() < 400


def test_known_values() -> None:
    """Another machine or version must not make other bytes."""
    assert hash_ids(stream_key(0, 1, 0), 0, 3).tolist() == KNOWN

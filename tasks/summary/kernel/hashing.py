"""Randomness as a function of what it is for: (seed, iteration, level, id). No order of calls shows in the result."""

import numpy as np
from numba import njit, uint64

_GOLDEN = uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True, inline="always")
def mix(x):  # type: ignore[no-untyped-def]
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64 bits."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def stream_key(seed: int, iteration: int, level: int) -> np.uint64:
    """The key of one stream of hashes."""
    return np.uint64(_stream_key(np.uint64(seed), iteration, level))


@njit(cache=True, nogil=True)
def _stream_key(seed, iteration, level):  # type: ignore[no-untyped-def]
    key = mix(seed + _GOLDEN)
    key = mix(key ^ (np.uint64(iteration) * _GOLDEN))
    return mix(key ^ (np.uint64(level + 1) * _GOLDEN))


@njit(cache=True, nogil=True, inline="always")
def hashed(key, item):  # type: ignore[no-untyped-def]
    """The hash of an id under a stream's key, uint64."""
    return mix(key + (np.uint64(item) + np.uint64(1)) * _GOLDEN)


@njit(cache=True, nogil=True)
def hash_ids(key, start, end):  # type: ignore[no-untyped-def]
    """Hashes of the ids start ... end - 1, their upper 32 bits. Shapes: result (end - start,) uint32."""
    out = np.empty(end - start, np.uint32)
    for i in range(end - start):
        out[i] = np.uint32(hashed(key, start + i) >> np.uint64(32))
    return out

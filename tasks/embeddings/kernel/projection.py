"""The random projection, row by row from a counter: it is never stored, and no row depends on another.

A row is drawn by Philox4x32-10 (Salmon et al. 2011) with the seed as its key and (number of the draw, stream, hash of
the node's key) as its counter. Order, partitions and threads make no difference, and a node that is added gets its row
without a change of the others'.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
UInt64 = NDArray[np.uint64]

_MULTIPLY_0, _MULTIPLY_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _32 = np.uint64(0xFFFFFFFF), np.uint64(32)
_N_ROUNDS = 10
_STREAM_ENTRIES, _STREAM_ONLY = 0, 1
ENTRIES_A_ROW = 8


def sparsity(n_nodes: int, dim: int) -> int:
    """The paper's s = √n, but at most dim/8, rounded down to a power of two.

    Departs from the paper: with s = √n a row of few columns would mostly be empty, and so would be the vectors of small
    components; and s must not move with every node that is added.
    """
    bound = max(1.0, min(math.sqrt(n_nodes), dim / ENTRIES_A_ROW))
    return 1 << int(math.log2(bound))


def project(node_hash: UInt64, scale: Float32, s: int, seed: int, out: Float32) -> None:
    """Writes row i of the projection times scale[i] to out[i]: ±√(s/d) with probability 1/(2s) each, else 0.

    A row that would have no entry gets one, so that no node is without a projection.

    Shapes: node_hash (n,) uint64; scale (n,); out (n, d), any strides.
    """
    amplitude = math.sqrt(s / out.shape[1])
    _project(node_hash, scale, np.uint64((1 << 32) // s), np.uint64(seed), np.float32(amplitude), out)


@njit(cache=True, nogil=True, inline="always")
def _philox(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    for _ in range(_N_ROUNDS):
        first, second = _MULTIPLY_0 * c0, _MULTIPLY_1 * c2
        c0, c1, c2, c3 = (second >> _32) ^ c1 ^ k0, second & _LOW, (first >> _32) ^ c3 ^ k1, first & _LOW
        k0, k1 = (k0 + _WEYL_0) & _LOW, (k1 + _WEYL_1) & _LOW
    return c0, c1, c2, c3


@njit(cache=True, nogil=True)
def _project(node_hash, scale, threshold, seed, amplitude, out):  # type: ignore[no-untyped-def]
    n_columns, half = out.shape[1], threshold >> np.uint64(1)
    k0, k1 = seed & _LOW, seed >> _32
    for i in range(len(node_hash)):
        low, high, size = node_hash[i] & _LOW, node_hash[i] >> _32, amplitude * scale[i]
        n_entries = 0
        for start in range(0, n_columns, 4):
            words = _philox(np.uint64(start // 4), np.uint64(_STREAM_ENTRIES), low, high, k0, k1)
            for j in range(min(4, n_columns - start)):
                value = np.float32(0)
                if words[j] < threshold:
                    value = size if words[j] < half else -size
                    n_entries += 1
                out[i, start + j] = value
        if n_entries == 0:
            words = _philox(np.uint64(0), np.uint64(_STREAM_ONLY), low, high, k0, k1)
            out[i, int(words[0] % np.uint64(n_columns))] = size if words[1] & np.uint64(1) else -size

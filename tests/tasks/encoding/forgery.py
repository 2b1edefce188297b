"""What somebody could do who knew the key, or saw sums of hashes: two rows of one hash, two sets of one sum."""

import numpy as np

from lakebed.tasks.encoding import lanes
from lakebed.tasks.encoding.secret import word_keys

N_COLUMNS = 12
LEVELS = 11
LIST_ROWS = 1 << LEVELS
_BASE = 1 << 30
_WEIGHT = 1 << 40
_MODULUS = 1 << 64


def reduced(basis: list[list[int]]) -> list[list[int]]:
    """A basis of short vectors of the same lattice (Lenstra, Lenstra and Lovász 1982), in whole numbers throughout.

    As Cohen, "A course in computational algebraic number theory", algorithm 2.6.7, without its shortcuts.
    """
    n, rows = len(basis), [list(row) for row in basis]
    # lengths[i + 1] is the determinant of the first i + 1 vectors' products; parts[i][j] = lengths[j + 1] · mu
    lengths, parts = [1] + [0] * n, [[0] * n for _ in range(n)]

    def orthogonalise(i: int) -> None:
        for j in range(i + 1):
            value = sum(x * y for x, y in zip(rows[i], rows[j], strict=True))
            for k in range(j):
                value = (lengths[k + 1] * value - parts[i][k] * parts[j][k]) // lengths[k]
            if j < i:
                parts[i][j] = value
            else:
                lengths[i + 1] = value

    def shorten(i: int, j: int) -> None:
        if 2 * abs(parts[i][j]) <= lengths[j + 1]:
            return
        times = (2 * parts[i][j] + lengths[j + 1]) // (2 * lengths[j + 1])
        rows[i] = [x - times * y for x, y in zip(rows[i], rows[j], strict=True)]
        parts[i][j] -= times * lengths[j + 1]
        for k in range(j):
            parts[i][k] -= times * parts[j][k]

    def swap(i: int) -> None:
        rows[i], rows[i - 1] = rows[i - 1], rows[i]
        for j in range(i - 1):
            parts[i][j], parts[i - 1][j] = parts[i - 1][j], parts[i][j]
        part = parts[i][i - 1]
        middle = (lengths[i - 1] * lengths[i + 1] + part * part) // lengths[i]
        for k in range(i + 1, n):
            held = parts[k][i]
            parts[k][i] = (lengths[i + 1] * parts[k][i - 1] - part * held) // lengths[i]
            parts[k][i - 1] = (middle * held + part * parts[k][i]) // lengths[i + 1]
        lengths[i] = middle

    for i in range(n):
        orthogonalise(i)
    i = 1
    while i < n:
        shorten(i, i - 1)
        left = 4 * lengths[i - 1] * lengths[i + 1] + 4 * parts[i][i - 1] ** 2
        if left < 3 * lengths[i] ** 2:
            swap(i)
            i = max(1, i - 1)
        else:
            for j in range(i - 2, -1, -1):
                shorten(i, j)
            i += 1
    return rows


def forged_rows(key: bytes) -> tuple[list[int], list[int]]:
    """Two different rows of N_COLUMNS whole numbers, in columns called 0, 1, …, with equal sums under a known key."""
    keys = [word_keys(key, str(column), "", 3)[1, 0] for column in range(N_COLUMNS)]
    basis = []
    for i in range(N_COLUMNS + lanes.LANES):
        row = [0] * (N_COLUMNS + lanes.LANES)
        if i < N_COLUMNS:
            row[i] = 1
            row[N_COLUMNS:] = [_WEIGHT * int(lane) for lane in keys[i]]
        else:
            row[i] = _WEIGHT * _MODULUS
        basis.append(row)
    shortest = reduced(basis)[0]
    assert any(shortest[:N_COLUMNS]) and not any(shortest[N_COLUMNS:])
    return [_BASE] * N_COLUMNS, [_BASE + change for change in shortest[:N_COLUMNS]]


def forged_sets(hashes: np.ndarray) -> np.ndarray:
    """A row of each list, so that the hashes of the first half of the lists and of the second have one sum mod 2^128.

    Wagner, "A generalized birthday problem" (2002): lists are joined where the lowest bits of their sums vanish,
    more bits at each level.

    Shapes: hashes (2^LEVELS, LIST_ROWS, 2) high and low words; result (2^LEVELS,).
    """
    half = len(hashes) // 2
    signed = np.concatenate([hashes[:half], _negative(hashes[half:])])
    partial = [(one, np.arange(LIST_ROWS, dtype=np.int16)[:, None]) for one in signed]
    for level in range(LEVELS - 1):
        partial = [
            _joined(left, right, LEVELS * level, LEVELS, 2 * LIST_ROWS)
            for left, right in zip(partial[::2], partial[1::2], strict=True)
        ]
    done = LEVELS * (LEVELS - 1)
    sums, rows = _joined(*partial, done, 128 - done, 1)
    assert len(sums) and not sums[0].any()
    return rows[0].astype(np.int64)


Partial = tuple[np.ndarray, np.ndarray]


def _joined(left: Partial, right: Partial, first_bit: int, n_bits: int, limit: int) -> Partial:
    """The sums whose bits [first_bit, first_bit + n_bits) vanish; those below have vanished before."""
    wanted = _bits(_negative(right[0]), first_bit, n_bits)
    order = np.argsort(wanted, kind="stable")
    mine, theirs = _bits(left[0], first_bit, n_bits), wanted[order]
    start, end = np.searchsorted(theirs, mine), np.searchsorted(theirs, mine, "right")
    n = end - start
    i = np.repeat(np.arange(len(mine)), n)[:limit]
    j = order[(np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + np.repeat(start, n))[:limit]]
    return _added(left[0][i], right[0][j]), np.concatenate([left[1][i], right[1][j]], axis=1)


def _bits(words: np.ndarray, first: int, n: int) -> np.ndarray:
    high, low = words[:, 0], words[:, 1]
    if first >= 64:
        found = high >> np.uint64(first - 64)
    elif first == 0:
        found = low
    else:
        found = (low >> np.uint64(first)) | (high << np.uint64(64 - first))
    return found & np.uint64((1 << n) - 1)


def _added(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    low = a[..., 1] + b[..., 1]
    return np.stack([a[..., 0] + b[..., 0] + (low < b[..., 1]), low], axis=-1)


def _negative(words: np.ndarray) -> np.ndarray:
    low = ~words[..., 1] + np.uint64(1)
    return np.stack([~words[..., 0] + (low == 0), low], axis=-1)

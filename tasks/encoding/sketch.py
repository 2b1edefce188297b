"""Coordinated samples of row hashes: every table keeps the hashes below the same threshold.

A row of the child that is in the child's sample and below the parent's threshold is in the parent's sample too, if the
parent has it at all. So its absence refutes the containment for certain, and the share of absences estimates it.
"""

import numpy as np
from numpy.typing import NDArray

MAX_LEVEL = 63
MIN_SAMPLE_ROWS = 30


def sketch_level(n_rows: int, target: int) -> int:
    """The lowest level at which about `target` of `n_rows` distinct hashes are kept, or fewer."""
    if target < 1:
        raise ValueError(f"a sketch of {target} rows cannot be, expected 1 or more")
    level = 0
    while level < MAX_LEVEL and n_rows > target << level:
        level += 1
    return level


def threshold(level: int) -> int:
    """High words below it are kept: 2^64 / 2^level."""
    if not 0 <= level <= MAX_LEVEL:
        raise ValueError(f"there is no sketch level {level}, expected 0 … {MAX_LEVEL}")
    return (1 << 64) >> level


def containment_intervals(
    n_compared: NDArray[np.int64], n_missing: NDArray[np.int64], confidence: float = 0.95
) -> NDArray[np.float64]:
    """Fraction, low and high of the child's distinct rows that the parent has, by Clopper and Pearson (1934).

    Args:
        n_compared: (k,) rows of the child's sample below the parent's threshold.
        n_missing: (k,) of these, those that the parent has not.
        confidence: the least probability with which the interval holds the true fraction.

    Returns: (3, k); NaN below 30 compared rows, where an interval says next to nothing.
    """
    if not (0 < confidence < 1) or (n_missing < 0).any() or (n_missing > n_compared).any():
        raise ValueError(f"no interval for {n_missing} of {n_compared} rows at confidence {confidence}")
    from scipy.special import betaincinv

    n_found, tail = n_compared - n_missing, (1 - confidence) / 2
    low = np.where(n_found == 0, 0.0, betaincinv(np.maximum(n_found, 1), n_missing + 1, tail))
    high = np.where(n_missing == 0, 1.0, betaincinv(n_found + 1, np.maximum(n_missing, 1), 1 - tail))
    found: NDArray[np.float64] = np.stack([n_found / np.maximum(n_compared, 1), low, high])
    found[:, n_compared < MIN_SAMPLE_ROWS] = np.nan
    return found

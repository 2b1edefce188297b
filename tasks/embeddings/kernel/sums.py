"""Weighted sums of powers, row lengths, and columns brought to mean 0 and deviation 1: every reduction in fixed order.

Threads take ranges of rows or of columns; a number is always made by one thread alone, in the same order.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]


def add_power(total: Float32, power: Float32, weight: float, *, normalize: bool, n_threads: int = 1) -> None:
    """Adds weight times a power to the total, its rows at length 1 if `normalize`; zero rows stay so.

    Shapes: both (n, d).
    """
    by_rows(_add_power, (total, power, np.float32(weight), normalize), len(total), n_threads)


def zero_rows(vectors: Float32) -> Int64:
    """The rows that hold nothing but zeros. Shapes: vectors (n, d); result (k,)."""
    return np.flatnonzero(~vectors.any(axis=1))


def column_sums(vectors: Float32, shift: Float64, *, squared: bool, n_threads: int = 1) -> Float64:
    """Sums over the rows, in their order, of the values less `shift`, squared if wanted.

    Shapes: vectors (n, d); shift and result (d,) float64.
    """
    sums = np.zeros(vectors.shape[1])
    by_columns(_column_sums, (vectors, shift, squared, sums), vectors.shape[1], n_threads)
    return sums


def rescale(vectors: Float32, mean: Float64, deviation: Float64, *, n_threads: int = 1) -> None:
    """Brings the columns to mean 0 and deviation 1, in place; one that is constant stays as it is."""
    is_constant = deviation <= 1e-7 * np.abs(mean)
    shift = np.where(is_constant, 0, mean).astype(np.float32)
    factor = np.divide(1, deviation, out=np.ones_like(deviation), where=~is_constant & (deviation > 0))
    by_rows(_rescale, (vectors, shift, factor.astype(np.float32)), len(vectors), n_threads)


def standardize(vectors: Float32, n_threads: int = 1) -> None:
    """The same with the columns' own mean and deviation. Shapes: vectors (n, d), n ≥ 1."""
    n = len(vectors)
    mean = column_sums(vectors, np.zeros(vectors.shape[1]), squared=False, n_threads=n_threads) / n
    deviation = np.sqrt(column_sums(vectors, mean, squared=True, n_threads=n_threads) / n)
    rescale(vectors, mean, deviation, n_threads=n_threads)


def by_rows(work: Callable[..., None], arguments: tuple[Any, ...], n: int, n_threads: int) -> None:
    """Calls work(*arguments, begin, end) on ranges of n rows, a thread each."""
    _spread(work, arguments, [n * part // n_threads for part in range(n_threads + 1)])


def by_columns(work: Callable[..., None], arguments: tuple[Any, ...], n: int, n_threads: int) -> None:
    """The same on ranges of n columns, sixteen or more each."""
    # whole lines of the cache, so that no two threads write into one
    _spread(work, arguments, sorted({min(n, -(-n * part // n_threads // 16) * 16) for part in range(n_threads + 1)}))


def _spread(work: Callable[..., None], arguments: tuple[Any, ...], bounds: list[int]) -> None:
    ranges = [(a, b) for a, b in pairwise(bounds) if a < b]
    if len(ranges) <= 1:
        for a, b in ranges:
            work(*arguments, a, b)
        return
    with ThreadPoolExecutor(len(ranges)) as pool:
        list(pool.map(lambda bound: work(*arguments, *bound), ranges))


@njit(cache=True, nogil=True)
def _add_power(total, power, weight, normalize, begin, end):  # type: ignore[no-untyped-def]
    for i in range(begin, end):
        factor = weight
        if normalize:
            length = 0.0
            for j in range(power.shape[1]):
                length += np.float64(power[i, j]) * np.float64(power[i, j])
            factor = np.float32(weight / np.sqrt(length)) if length > 0 else np.float32(0)
        for j in range(power.shape[1]):
            total[i, j] += factor * power[i, j]


@njit(cache=True, nogil=True)
def _column_sums(vectors, shift, squared, sums, begin, end):  # type: ignore[no-untyped-def]
    for i in range(vectors.shape[0]):
        for j in range(begin, end):
            value = np.float64(vectors[i, j]) - shift[j]
            sums[j] += value * value if squared else value


@njit(cache=True, nogil=True)
def _rescale(vectors, shift, factor, begin, end):  # type: ignore[no-untyped-def]
    for i in range(begin, end):
        for j in range(vectors.shape[1]):
            vectors[i, j] = (vectors[i, j] - shift[j]) * factor[j]

"""Sums of rows, held in vector registers while they grow: the inner loop of every product here.

numba has no way to say that two arrays do not overlap, so a loop written in Python stores its sum after each row that
it adds. The loops written by hand (`row_sums_llvm.py`) keep the sums in registers and store once. They rest on numba's
insides: where they do not compile, the plain loops below take their place. Either way each column is summed by itself
and in the given order, without fused operations: the bits are the same, whatever the width and the machine's vectors.
"""

import sys
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numba import njit
from numba.extending import overload


def sum_rows(
    into: Any, into_at: Any, base: Any, base_at: Any, source: Any, place: Any, index: Any, runs: Any, width: Any
) -> None:
    """into[into_at + j] = base[base_at + j] + Σ source[row · stride + offset + j], for j < width.

    The rows are index[begin:middle], added, and index[middle:end], subtracted. None of them is where the result goes.

    Args:
        into: flat array of the result.
        into_at: its first element.
        base: flat array of what the sum begins with.
        base_at: its first element.
        source: flat array of the rows.
        place: (stride, offset) of a row in `source`, in elements.
        index: (k,) int32 rows.
        runs: (begin, middle, end) in `index`.
        width: a literal, 1 or a multiple of 16.
    """
    stride, offset = place
    begin, middle, end = runs
    total = into[into_at : into_at + width]
    total[:] = base[base_at : base_at + width]
    for k in range(begin, middle):
        start = np.int64(index[k]) * stride + offset
        total += source[start : start + width]
    for k in range(middle, end):
        start = np.int64(index[k]) * stride + offset
        total -= source[start : start + width]


def sum_weighted_rows(
    into: Any, into_at: Any, weights: Any, source: Any, place: Any, index: Any, runs: Any, width: Any
) -> None:
    """into[into_at + j] = Σ weights[k] · source[index[k] · stride + offset + j], for begin ≤ k < end; as `sum_rows`."""
    stride, offset = place
    begin, end = runs
    total = into[into_at : into_at + width]
    total[:] = 0
    for k in range(begin, end):
        start = np.int64(index[k]) * stride + offset
        total += weights[k] * source[start : start + width]


def combine_rows(
    into: Any, into_at: Any, base: Any, base_at: Any, row: Any, row_at: Any, factors: Any, width: Any
) -> None:
    """into[into_at + j] = scale · (base[base_at + j] + share · row[row_at + j]), for j < width.

    A loop of a short fixed length is unrolled before anything makes vectors of it, hence this one too.

    Args:
        into: flat array of the result.
        into_at: its first element.
        base: flat array.
        base_at: its first element.
        row: flat array.
        row_at: its first element.
        factors: (scale, share), of the arrays' type.
        width: as in `sum_rows`.
    """
    scale, share = factors
    sums = base[base_at : base_at + width] + share * row[row_at : row_at + width]
    into[into_at : into_at + width] = scale * sums


@cache
def loops() -> ModuleType:
    """The module whose loops are compiled: the one by hand, or this one where numba does not compile that."""
    try:
        from lakebed.tasks.summary.kernel import row_sums_llvm as hand

        @njit
        def trial(flat, index):  # type: ignore[no-untyped-def]
            hand.emit_sum(flat, 0, flat, 0, flat, (16, 0), index, (0, 0, 0), 16)
            hand.emit_weighted_sum(flat, 0, flat, flat, (16, 0), index, (0, 0), 16)
            hand.emit_combination(flat, 0, flat, 0, flat, 0, (flat[0], flat[0]), 16)

        trial(np.zeros(16, np.float32), np.zeros(0, np.int32))
    # whatever numba's insides may raise once they have changed
    except Exception:
        return sys.modules[__name__]
    return hand


@overload(sum_rows, prefer_literal=True)
def _sum_rows(
    into: Any, into_at: Any, base: Any, base_at: Any, source: Any, place: Any, index: Any, runs: Any, width: Any
) -> Any:
    return loops().sum_rows


@overload(sum_weighted_rows, prefer_literal=True)
def _sum_weighted_rows(
    into: Any, into_at: Any, weights: Any, source: Any, place: Any, index: Any, runs: Any, width: Any
) -> Any:
    return loops().sum_weighted_rows


@overload(combine_rows, prefer_literal=True)
def _combine_rows(
    into: Any, into_at: Any, base: Any, base_at: Any, row: Any, row_at: Any, factors: Any, width: Any
) -> Any:
    return loops().combine_rows

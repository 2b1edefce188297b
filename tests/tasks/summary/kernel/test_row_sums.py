import numpy as np
import pytest
from numba import njit

from lakebed.tasks.summary.kernel.row_sums import sum_rows, sum_weighted_rows

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@njit
def _sum_16(into, base, source, index, middle):  # type: ignore[no-untyped-def]
    sum_rows(into, 16, base, 16, source, (32, 16), index, (1, middle, len(index)), 16)


@njit
def _sum_weighted_64(into, weights, source, index):  # type: ignore[no-untyped-def]
    sum_weighted_rows(into, 0, weights, source, (64, 0), index, (0, len(index)), 64)


@DTYPES
def test_rows_are_added_and_subtracted_in_order(dtype: type) -> None:
    draw = np.random.default_rng(0)
    source, base = draw.standard_normal((9, 32)).astype(dtype), draw.standard_normal(32).astype(dtype)
    into, index = np.full(48, 7, dtype), np.array([8, 2, 2, 5, 0], np.int32)
    _sum_16(into, base, source.reshape(-1), index, 3)
    expected = base[16:].copy()
    for row, sign in ((2, 1), (2, 1), (5, -1), (0, -1)):
        expected += dtype(sign) * source[row, 16:]
    np.testing.assert_array_equal(into[16:32], expected)
    assert (into[:16] == 7).all() and (into[32:] == 7).all()


@DTYPES
def test_weighted_sums_are_not_fused(dtype: type) -> None:
    draw = np.random.default_rng(1)
    source, weights = draw.standard_normal((5, 64)).astype(dtype), draw.random(4).astype(dtype)
    into, index = np.empty(64, dtype), np.array([4, 1, 1, 3], np.int32)
    _sum_weighted_64(into, weights, source.reshape(-1), index)
    expected = np.zeros(64, dtype)
    for weight, row in zip(weights, index, strict=True):
        expected += weight * source[row]
    np.testing.assert_array_equal(into, expected)

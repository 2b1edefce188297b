"""Each loop gives what it says, and the one written by hand and the plain one give the same bits."""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from lakebed.tasks.summary.kernel import row_sums, row_sums_llvm
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


# each width and each type, of which every pair takes seconds to compile
CASES = ((1, np.float32), (16, np.float64), (64, np.float32), (64, np.float64))


@cache
def _loops(width: int, *, is_plain: bool) -> tuple[Callable[..., None], ...]:
    """The three loops of one width, by hand or plain."""
    names = ("sum_rows", "sum_weighted_rows", "combine_rows")
    by_hand = (row_sums_llvm.emit_sum, row_sums_llvm.emit_weighted_sum, row_sums_llvm.emit_combination)
    add, weigh, combine = (njit(getattr(row_sums, name)) for name in names) if is_plain else by_hand

    @njit
    def added(into, into_at, base, base_at, source, place, index, runs):  # type: ignore[no-untyped-def]
        add(into, into_at, base, base_at, source, place, index, runs, width)

    @njit
    def weighted(into, into_at, weights, source, place, index, runs):  # type: ignore[no-untyped-def]
        weigh(into, into_at, weights, source, place, index, runs, width)

    @njit
    def combined(into, into_at, base, base_at, row, row_at, factors):  # type: ignore[no-untyped-def]
        combine(into, into_at, base, base_at, row, row_at, factors, width)

    return added, weighted, combined


@settings(max_examples=150, deadline=None)
@given(data=st.data(), case=st.sampled_from(CASES))
def test_the_plain_loops_give_the_same_bits(data: st.DataObject, case: tuple[int, type]) -> None:
    width, dtype = case
    n_rows, more = data.draw(st.integers(1, 6)), data.draw(st.integers(0, 5))
    stride, n = width + more, data.draw(st.integers(0, 8))
    offset = data.draw(st.integers(0, more))
    draw = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    numbers = (draw.standard_normal(n_rows * stride) * 10.0 ** draw.integers(-30, 30, n_rows * stride)).astype(dtype)
    if data.draw(st.booleans()):
        numbers[:] = draw.choice(np.array([0.0, -0.0, np.inf, -np.inf, 1e-40, 1.0, 3.0], dtype), len(numbers))
    index = draw.integers(0, n_rows, n).astype(np.int32)
    begin = data.draw(st.integers(0, n))
    middle = data.draw(st.integers(begin, n))
    weights, factors = draw.standard_normal(n).astype(dtype), tuple(draw.standard_normal(2).astype(dtype))
    found = []
    for is_plain in (False, True):
        added, weighted, combined = _loops(width, is_plain=is_plain)
        into = np.full(3 * width + 3, 7, dtype)
        added(into, 1, numbers, offset, numbers, (stride, offset), index, (begin, middle, n))
        weighted(into, width + 2, weights, numbers, (stride, offset), index, (begin, n))
        combined(into, 2 * width + 2, into, 1, numbers, offset, factors)
        found.append(into.tobytes())
    assert found[0] == found[1]


PRODUCTS = """
import hashlib, sys
import numpy as np
if sys.argv[1] == "plain":
    sys.modules["lakebed.tasks.summary.kernel.row_sums_llvm"] = None
from lakebed.tasks.summary.kernel import row_sums
from lakebed.tasks.summary.kernel.blocks import Scaling
from lakebed.tasks.summary.kernel.csr import CsrGraph, csr_product
draw = np.random.default_rng(0)
edges = np.unique(np.sort(draw.integers(0, 40, (200, 2)), axis=1), axis=0)
edges = edges[edges[:, 0] < edges[:, 1]]
for weights in (None, draw.random(len(edges))):
    graph = CsrGraph.from_edges(42, edges, weights)
    dense = draw.standard_normal((42, 19)).astype(np.float32)
    print(hashlib.sha256(csr_product(graph, dense, Scaling()).tobytes()).hexdigest())
print(row_sums.loops().__name__.rpartition(".")[2], file=sys.stderr)
"""


def test_where_the_loops_by_hand_do_not_compile_products_are_the_same(tmp_path: Path) -> None:
    done = {
        way: subprocess.run(
            [sys.executable, "-c", PRODUCTS, way], check=True, capture_output=True, text=True,
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / way)},
        )
        for way in ("hand", "plain")
    }  # fmt: skip
    assert [done[way].stderr.strip() for way in ("hand", "plain")] == ["row_sums_llvm", "row_sums"]
    assert done["hand"].stdout == done["plain"].stdout

"""Cosines with many rows are those of dense matrices, and no table that an assignment would find is left out."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from lakebed.tasks.index.kernel.likeness import Rows
from lakebed.tasks.search.kernel.asked import Found
from lakebed.tasks.search.kernel.cosines import AskedRows, Shares, most_pairs

N_TERMS = 30


def drawn(rng, n):
    """(dense, rows) of n rows of length 1 or 0."""
    dense = np.where(rng.random((n, N_TERMS)) < 0.2, rng.random((n, N_TERMS)), 0)
    dense /= np.maximum(np.linalg.norm(dense, axis=1, keepdims=True), 1e-9)
    owner, item = np.nonzero(dense)
    indptr = np.searchsorted(owner, np.arange(n + 1))
    return dense, Rows(indptr, item.astype(np.int32), dense[owner, item].astype(np.float32))


def found_of(forth):
    column = np.flatnonzero(forth)
    return Found(column, np.ones(len(column), np.int64), forth[column], forth[column] / 2, forth[column], 1.0)


@pytest.mark.parametrize("seed", range(5))
def test_cosines_are_those_of_dense_matrices(seed):
    rng = np.random.default_rng(seed)
    (left, asked), (right, rows) = drawn(rng, 4), drawn(rng, 50)
    chosen = rng.permutation(50)[:20]
    assert AskedRows.of(asked, N_TERMS).cosines(rows, chosen) == pytest.approx(left @ right[chosen].T, abs=1e-5)
    assert AskedRows.of(asked.take(np.empty(0, np.int64)), N_TERMS).cosines(rows, chosen).shape == (0, 20)


@pytest.mark.parametrize("seed", range(5))
def test_no_assignment_has_more_pairs_than_the_bound(seed):
    rng = np.random.default_rng(seed)
    (left, asked), (right, rows) = drawn(rng, 5), drawn(rng, 60)
    forth = np.where(rng.random((5, 60)) < 0.2, rng.random((5, 60)), 0)
    shares = Shares.of([found_of(row) for row in forth], 60)
    assert shares.between(10, 30, 5)[0] == pytest.approx(forth[:, 10:30])
    assert shares.between(10, 30, 5)[1] == pytest.approx(forth[:, 10:30] / 2)
    start, end = np.arange(0, 60, 6), np.arange(6, 66, 6)
    bound = most_pairs(AskedRows.of(asked, N_TERMS), rows, shares, (start, end), 0.4)
    for table, most in enumerate(bound.tolist()):
        score = (left @ right.T + forth)[:, start[table] : end[table]]
        i, j = linear_sum_assignment(score, maximize=True)
        assert (score[i, j] >= 0.4).sum() <= most
    assert 0 < bound.sum() < 5 * len(bound)

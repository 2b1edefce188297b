import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from lakebed.tasks.encoding.sketch import containment_intervals, sketch_level, threshold
from tests.tasks.encoding.arrays import quick


def interval(n_compared, n_missing, confidence=0.95):
    return containment_intervals(np.array([n_compared]), np.array([n_missing]), confidence)[:, 0]


@quick
@given(st.integers(0, 10**12), st.integers(1, 10**6))
def test_the_level_is_the_lowest_that_meets_the_target(n_rows, target):
    level = sketch_level(n_rows, target)
    assert n_rows <= target << level
    assert level == 0 or n_rows > target << (level - 1)


@quick
@given(st.integers(30, 5000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), st.sampled_from([0.9, 0.99]))
def test_the_interval_is_scipys_exact_one(sample, confidence):
    n_compared, n_missing = sample
    fraction, low, high = interval(n_compared, n_missing, confidence)
    expected = binomtest(n_compared - n_missing, n_compared).proportion_ci(confidence, method="exact")
    assert (fraction, low, high) == pytest.approx((1 - n_missing / n_compared, expected.low, expected.high))
    assert low <= fraction <= high


def test_few_rows_give_no_interval():
    assert np.isnan(interval(29, 0)).all()
    assert not np.isnan(interval(30, 0)).any()


@pytest.mark.parametrize("arguments", [(10, 11), (10, -1), (10, 1, 1.0)])
def test_impossible_samples_are_refused(arguments):
    with pytest.raises(ValueError, match="no interval"):
        interval(*arguments)


def test_impossible_levels_are_refused():
    with pytest.raises(ValueError, match="level 64"):
        threshold(64)
    with pytest.raises(ValueError, match="sketch of 0 rows"):
        sketch_level(10, 0)

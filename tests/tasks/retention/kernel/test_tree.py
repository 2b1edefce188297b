import numpy as np
import pytest

from lakebed.tasks.retention.kernel.tree import solve_forest


def dyn_lin(keep, rebuild):
    """The line-graph recursion as published: table i may be rebuilt from table i-1, and the first from none."""
    k, d = keep[0], float("inf")
    for place in range(1, len(keep)):
        k, d = keep[place] + min(k, d), rebuild[place] + k
    return min(k, d)


@pytest.mark.parametrize("seed", range(50))
def test_a_line_costs_what_the_published_recursion_says(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 200))
    keep, rebuild = rng.gamma(1.0, 10.0, n), rng.gamma(1.0, 3.0, n)
    child = np.arange(1, n)
    kept = solve_forest(keep, np.full(n, np.inf), child, child - 1, rebuild[1:])
    assert kept[0]
    assert (kept[1:] | kept[:-1]).all()
    assert np.where(kept, keep, rebuild).sum() == pytest.approx(dyn_lin(keep, rebuild))


def test_a_table_may_be_rebuilt_from_below_or_above_or_from_a_sure_parent():
    child, parent = np.array([0, 2, 2]), np.array([1, 0, 1])
    keep, sure = np.array([10.0, 10.0, 10.0]), np.full(3, np.inf)
    # 0 from 1, and 2 from 0: one of them must be kept
    kept = solve_forest(keep, sure, child[:2], parent[:2], np.array([1.0, 1.0]))
    assert kept.tolist() == [True, True, False] or kept.tolist() == [False, True, True]
    sure[0] = 2.0
    kept = solve_forest(keep, sure, child[:1], parent[:1], np.array([5.0]))
    assert kept.tolist() == [False, True, True]


def test_of_equal_costs_keeping_wins():
    kept = solve_forest(np.array([1.0, 1.0]), np.full(2, np.inf), np.array([1]), np.array([0]), np.array([1.0]))
    assert kept.all()


def test_a_long_line_needs_no_stack():
    n = 300_000
    child = np.arange(1, n)
    kept = solve_forest(np.ones(n), np.full(n, np.inf), child, child - 1, np.zeros(n - 1))
    assert kept.sum() == n // 2

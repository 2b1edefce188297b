import numpy as np
import pytest

from lakebed.tasks.links.kernel.listwise import fit_gated_listwise, fit_listwise
from lakebed.tasks.links.kernel.metrics import group_ranks, measure_groups


def lists(n=120, m=40, strength=(1.5, 1.0, 0.0), seed=0):
    """Links that are higher in some columns than their others by so many standard deviations."""
    random = np.random.default_rng(seed)
    links = random.standard_normal((n, 3)) + np.array(strength)
    return links, random.standard_normal((n, m, 3))


def test_the_weights_are_those_of_the_conditional_logit():
    links, others = lists(strength=(1.0, 0.5, 0.0), n=600)
    model = fit_listwise(links, others, penalty=1e-6)
    # of two normal laws of one variance the log odds are linear, with the means' distance as weights
    assert model.weight / model.scale == pytest.approx([1.0, 0.5, 0.0], abs=0.12)
    assert model.bias == 0.0


def test_the_gradient_is_zero_at_the_end():
    links, others = lists()
    model = fit_listwise(links, others, penalty=3.0)
    rows = (np.concatenate([links[:, None], others], axis=1) - model.mean) / model.scale
    raised = np.exp(rows @ model.weight)
    chance = raised / raised.sum(axis=1, keepdims=True)
    gradient = (rows[:, 0] - np.einsum("gm,gmk->gk", chance, rows)).sum(axis=0) - 3.0 * model.weight
    assert np.abs(gradient).max() < 1e-6


def test_two_columns_together_win_and_one_that_says_all_is_alone():
    singles = {"a": (0,), "b": (1,), "c": (2,)}
    both = fit_gated_listwise(lists(), singles, 5, 0)
    assert both.used == "listwise"
    assert both.quality["listwise"] == max(both.quality.values())
    alone = fit_gated_listwise(lists(strength=(0.8, 0.0, 0.0), n=25), singles, 5, 0)
    assert alone.used == "a"
    assert alone.model.weight[1] == alone.model.weight[2] == 0.0 != alone.model.weight[0]


def test_a_column_without_variance_gets_no_weight():
    links, others = lists()
    links[:, 2], others[..., 2] = 4.0, 4.0
    assert fit_listwise(links, others).weight[2] == 0.0


def test_ties_count_half():
    others = np.array([[1.0, 1.0, 0.0, 2.0]])
    assert group_ranks(np.array([1.0]), others).tolist() == [3.0]
    found = measure_groups(np.array([1.0]), others, (2, 3))
    assert found.hits == {2: 0.0, 3: 1.0}
    assert (found.mrr, found.auc) == (1 / 3, 0.5)

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from lakebed.tasks.links.kernel.metrics import average_precision
from lakebed.tasks.links.kernel.stack import fit_gated_stack, fit_logistic, fit_stack, fold_of, sigmoid


@pytest.fixture(scope="module")
def sample():
    random = np.random.default_rng(0)
    is_link = np.arange(800) % 2 == 0
    rows = random.standard_normal((800, 4)) + is_link[:, None] * np.array([1.0, 0.4, 0.0, 0.0])
    rows[:, 3] = 7.0
    return rows, is_link


def test_the_model_is_scikit_learns_on_standardised_columns(sample):
    rows, is_link = sample
    model = fit_logistic(rows, is_link, penalty=2.0)
    standard = (rows - model.mean) / model.scale
    reference = LogisticRegression(C=0.5, tol=1e-10, max_iter=1000).fit(standard, is_link)
    assert model.weight == pytest.approx(reference.coef_[0], abs=1e-5)
    assert model.bias == pytest.approx(reference.intercept_[0], abs=1e-5)
    assert model.weight[3] == 0.0


def test_folds_are_even_and_follow_the_seed(sample):
    _, is_link = sample
    folds = fold_of(is_link, 5, 0)
    for kind in (True, False):
        assert np.bincount(folds[is_link == kind]).tolist() == [80] * 5
    assert np.array_equal(folds, fold_of(is_link, 5, 0))


def test_no_pair_is_scored_by_a_model_that_saw_it(sample):
    rows, is_link = sample
    stack = fit_stack(rows, is_link, 5, 0)
    folds = fold_of(is_link, 5, 0)
    spoiled = is_link.copy()
    spoiled[folds == 2] = ~spoiled[folds == 2]
    # the labels of a fold decide its own scores in no way
    changed = fit_logistic(rows[folds != 2], spoiled[folds != 2]).logits(rows[folds == 2])
    assert stack.out_of_fold[folds == 2] == pytest.approx(changed)


def test_a_stack_that_beats_its_best_rung_is_used(sample):
    rows, is_link = sample
    stack = fit_gated_stack(rows, is_link, {"first": (0,), "second": (1,)}, 5, 0)
    assert stack.used == "stack"
    assert stack.quality["stack"] > stack.quality["first"] > stack.quality["second"]
    assert stack.quality["stack"] == average_precision(stack.out_of_fold, is_link)
    assert np.array_equal(stack.scores(rows), fit_stack(rows, is_link, 5, 0).scores(rows))


def test_a_stack_that_does_not_is_its_best_rung_calibrated(sample):
    _, is_link = sample
    random = np.random.default_rng(3)
    good = is_link + 0.3 * random.standard_normal(len(is_link))
    # rungs that shine on a few pairs, and many columns of noise, mislead a stack that is fitted on little
    few = np.r_[0:30, 400:430]
    rows = np.column_stack([good, random.standard_normal((len(is_link), 40))])[few]
    stack = fit_gated_stack(rows, is_link[few], {"good": (0,), "noise": (1,)}, 5, 0)
    assert stack.used == "good"
    assert stack.quality["good"] == max(stack.quality.values())
    assert np.flatnonzero(stack.model.weight).tolist() == [0]
    fresh = np.column_stack([np.linspace(-1, 2, 50), random.standard_normal((50, 40))])
    chance = stack.scores(fresh)
    assert (np.diff(chance) > 0).all()
    assert chance[0] < 0.2
    assert chance[-1] > 0.8


def test_the_gate_reads_no_score_of_a_model_that_saw_the_pair(sample):
    rows, is_link = sample
    found = fit_gated_stack(rows, is_link, {"first": (0,)}, 5, 0)
    fold = fold_of(is_link, 5, 0) == 1
    alone = fit_logistic(rows[~fold], is_link[~fold]).logits(rows[fold])
    assert found.out_of_fold[fold] == pytest.approx(alone)


def test_calibrated_scores_are_chances(sample):
    rows, is_link = sample
    stack = fit_stack(rows, is_link, 5, 0)
    random = np.random.default_rng(1)
    fresh_link = np.arange(20_000) % 2 == 0
    fresh = random.standard_normal((20_000, 4)) + fresh_link[:, None] * np.array([1.0, 0.4, 0.0, 0.0])
    fresh[:, 3] = 7.0
    chance = stack.scores(fresh)
    for low in np.arange(0.1, 0.9, 0.2):
        inside = (chance >= low) & (chance < low + 0.2)
        assert abs(chance[inside].mean() - fresh_link[inside].mean()) < 0.06


def test_sigmoid_bears_any_number():
    assert sigmoid(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]

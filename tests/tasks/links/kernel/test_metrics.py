import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from lakebed.connectors.errors import GraphError
from lakebed.tasks.links.kernel.metrics import (
    auc,
    average_precision,
    hits_at,
    mean_reciprocal_rank,
    measure,
    sample_tails,
)
from tests.tasks.links.graphs import communities

SCORES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0]), min_size=1, max_size=30).map(np.array)


@given(SCORES, SCORES)
def test_auc_equals_scikit_learn(positive, negative):
    is_link = np.repeat([1, 0], [len(positive), len(negative)])
    assert auc(positive, negative) == pytest.approx(roc_auc_score(is_link, np.concatenate([positive, negative])))


def test_hits_counts_positives_above_the_kth_negative():
    positive, negative = np.array([0.9, 0.6, 0.4, 0.1]), np.array([0.8, 0.5, 0.3])
    assert hits_at(positive, negative, 1) == 0.25
    assert hits_at(positive, negative, 2) == 0.5
    assert hits_at(positive, negative, 3) == 0.75


def test_a_tie_with_the_kth_negative_is_no_hit():
    assert hits_at(np.array([0.5, 0.7]), np.array([0.5, 0.1]), 1) == 0.5


def test_with_fewer_negatives_than_k_all_are_hits():
    assert hits_at(np.array([0.0]), np.array([1.0, 2.0]), 3) == 1.0


def test_reciprocal_rank_puts_ties_above_us():
    positive = np.array([0.5, 0.9, 0.1])
    tails = np.array([[0.5, 0.1], [0.1, 0.2], [0.3, 0.2]])
    assert mean_reciprocal_rank(positive, tails) == pytest.approx((1 / 2 + 1 + 1 / 3) / 3)


def test_tails_are_no_neighbours_and_follow_the_seed():
    edges, n = communities()
    test = edges[::7]
    tails = sample_tails(edges, test, n, 40, 5)
    known = {frozenset(pair) for pair in edges.tolist()}
    for (head, _), row in zip(test.tolist(), tails.tolist(), strict=True):
        assert head not in row
        assert not any(frozenset((head, tail)) in known for tail in row)
    assert np.array_equal(tails, sample_tails(edges, test, n, 40, 5))
    assert not np.array_equal(tails, sample_tails(edges, test, n, 40, 6))


def test_a_node_linked_to_all_others_has_no_tails():
    star = np.array([[0, k] for k in range(1, 6)])
    with pytest.raises(GraphError, match="no negative tails"):
        sample_tails(star, star[:1], 6, 3, 0)


def test_a_perfect_scorer_gets_full_marks():
    figures = measure(np.full(9, 0.7), np.array([0.6, 0.1]), np.full((9, 10), 0.2), (1,))
    assert (figures.auc, figures.hits[1], figures.mrr) == (1.0, 1.0, 1.0)


@given(SCORES, SCORES)
def test_average_precision_is_scikit_learns_where_nothing_is_tied(positive, negative):
    scores = np.concatenate([positive, negative])
    is_link = np.repeat([True, False], [len(positive), len(negative)])
    worst = scores - 1e-6 * is_link
    assert average_precision(scores, is_link) == pytest.approx(average_precision(worst, is_link))
    distinct = np.argsort(np.argsort(worst, kind="stable")).astype(float)
    assert average_precision(distinct, is_link) == pytest.approx(average_precision_score(is_link, distinct))


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(GraphError, match="no number"):
        auc(np.array([np.nan]), np.array([0.0]))

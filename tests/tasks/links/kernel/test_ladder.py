import numpy as np
import pytest
from scipy import sparse

from tasks.links.config import LinksConfig, SplitConfig
from tasks.links.kernel.features import prepare_features
from tasks.links.kernel.ladder import LadderInputs, PlainRungs, build_ladder, climb, fit_pairs, score_pairs, stop_pairs
from tasks.links.kernel.metrics import auc, sample_tails
from tasks.links.kernel.neighbours import adjacency
from tasks.links.kernel.split import TooFewLinksError, split_edges
from tests.tasks.links.graphs import communities, group_features

CONFIG = LinksConfig(split=SplitConfig(valid_share=0.15, test_share=0.15))


def made(config=CONFIG, features=True):
    edges, n = communities()
    split = split_edges(edges, n, config.split)
    graph, random = adjacency(split.train, n), np.random.default_rng(0)
    rows = prepare_features(sparse.csr_array(group_features(n)), n, 4096, 0) if features else None
    networks = {"gcn": random.standard_normal((n, 6)).astype(np.float32)}
    inputs = LadderInputs(split, graph, graph, random.standard_normal((n, 8)).astype(np.float32), rows, networks)
    return inputs, sample_tails(edges, split.test, n, 20, 0)


def test_pairs_that_stop_a_training_fit_no_stack():
    split = made()[0].split
    parts = [stop_pairs(split), fit_pairs(split)]
    for kind, whole in enumerate((split.valid, split.valid_negative)):
        assert np.array_equal(np.concatenate([part[kind] for part in parts]), whole)
    few = split_edges(np.array([[0, k] for k in range(1, 40)]), 80, SplitConfig(valid_share=0.03))
    with pytest.raises(TooFewLinksError, match="too few validation edges"):
        fit_pairs(few)


def test_overlap_is_what_the_smaller_neighbourhood_shares():
    inputs, _ = made()
    pairs = inputs.split.test
    scores = PlainRungs(inputs, CONFIG).scores(pairs)
    dense = inputs.graph.toarray()
    for (a, b), found in zip(pairs.tolist(), scores["overlap"].tolist(), strict=True):
        smaller = max(min(dense[a].sum(), dense[b].sum()), 1)
        assert found == pytest.approx((dense[a] * dense[b]).sum() / smaller)


def test_scores_do_not_depend_on_the_block(monkeypatch):
    inputs, _ = made()
    pairs = np.random.default_rng(0).integers(0, 120, (70, 2))
    whole = PlainRungs(inputs, CONFIG).scores(pairs)
    monkeypatch.setattr("tasks.links.kernel.ladder.BLOCK_PAIRS", 9)
    parts = PlainRungs(inputs, CONFIG).scores(pairs)
    assert all(np.array_equal(whole[rung], parts[rung]) for rung in whole)


def test_each_rung_is_measured_with_its_gain_over_those_below():
    inputs, tails = made()
    ladder = build_ladder(inputs, CONFIG)
    results = climb(ladder, inputs.split, tails, (10,))
    assert [result.rung for result in results] == [rung for rung in CONFIG.rungs if rung != "sage"]
    best = 0.5
    for result in results:
        assert result.gain_auc == pytest.approx(result.metrics.auc - best)
        best = max(best, result.metrics.auc)
    links, others = (ladder.scores(pairs) for pairs in (inputs.split.test, inputs.split.test_negative))
    for result in results:
        assert result.metrics.auc == auc(links[result.rung], others[result.rung])
        assert result.cpu_s >= 0


@pytest.mark.parametrize(("seed", "used"), [(1, "fastrp_features_cosine"), (3, "stack")])
def test_a_stack_that_beats_no_rung_on_validation_ranks_as_the_best_one_does(seed, used):
    config = CONFIG.model_copy(update={"split": CONFIG.split.model_copy(update={"seed": seed})})
    inputs, tails = made(config)
    ladder = build_ladder(inputs, config)
    assert ladder.stack.used == used
    assert set(ladder.stack.quality) == {*ladder.plain.names, "logistic", "stack"}
    by_rung = {result.rung: result.metrics for result in climb(ladder, inputs.split, tails, (10,))}
    for rung in ladder.plain.names:
        assert (by_rung["stack"] == by_rung[rung]) is (rung == used)


def test_without_what_is_fitted_no_validation_pairs_are_needed():
    config = CONFIG.model_copy(update={"rungs": ("common_neighbours", "fastrp_features_cosine", "sage")})
    inputs, _ = made(config, features=False)
    ladder = build_ladder(inputs, config)
    assert ladder.rungs == ("common_neighbours",)
    assert ladder.stack is ladder.logistic is None


def test_a_fitted_stack_scores_another_graph():
    inputs, _ = made()
    ladder = build_ladder(inputs, CONFIG)
    chance, scores = score_pairs(ladder.stack, inputs, CONFIG, inputs.split.test)
    assert np.array_equal(chance, ladder.scores(inputs.split.test)["stack"])
    assert set(scores) == {*ladder.plain.names}
    assert ((chance > 0) & (chance < 1)).all()

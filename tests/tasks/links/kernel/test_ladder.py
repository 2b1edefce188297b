import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from lakebed.tasks.lakegraph.build import graph_tables
from lakebed.tasks.lakegraph.config import LakeGraphConfig
from lakebed.tasks.lakegraph.kernel.samples import FloatRule, sample_values
from lakebed.tasks.lakegraph.kernel.values import LakeColumn
from lakebed.tasks.lakegraph.kernel.values import lake_graph as build_graph
from lakebed.tasks.links.build import lake_graph as as_arrays
from lakebed.tasks.links.config import LakeLinksConfig, LinksConfig, SplitConfig
from lakebed.tasks.links.kernel.features import prepare_features
from lakebed.tasks.links.kernel.ladder import (
    LadderInputs,
    PlainRungs,
    build_ladder,
    climb,
    fit_pairs,
    stop_pairs,
)
from lakebed.tasks.links.kernel.lake_pairs import hold_values_out, lake_tails, split_pairs
from lakebed.tasks.links.kernel.metrics import auc, sample_tails
from lakebed.tasks.links.kernel.neighbours import adjacency, neighbourhoods
from lakebed.tasks.links.kernel.split import TooFewLinksError, split_edges
from tests.tasks.links.artifacts import grouped_tables
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


def test_overlap_is_the_weight_of_the_smaller_neighbourhood_that_is_shared():
    inputs, _ = made()
    pairs = inputs.split.test
    scores = PlainRungs(inputs, CONFIG).scores(pairs)
    dense = inputs.graph.toarray()
    weight = 1 / np.maximum(dense.sum(axis=0), 1)
    for (a, b), found in zip(pairs.tolist(), scores["overlap"].tolist(), strict=True):
        smaller = min((dense[a] * weight).sum(), (dense[b] * weight).sum())
        assert found == pytest.approx((dense[a] * dense[b] * weight).sum() / (smaller + 0.05))


def lake_inputs():
    """Pairs of a lake of groups of tables, and what the ladder reads of them."""
    columns = [
        LakeColumn(table, (name,), sample_values(pa.array(values), 1 << 16, FloatRule("exact")))
        for table, held in grouped_tables().items()
        for name, values in held.items()
    ]
    found = graph_tables(build_graph(sorted({c.table for c in columns}), columns, LakeGraphConfig()).graph)
    graph = as_arrays(found["nodes"].sort_by("node_id"), found["edges"])
    pairs = hold_values_out(graph, LakeLinksConfig(), 0)
    split = split_pairs(pairs, graph.n_nodes, CONFIG.split)
    visible = adjacency(pairs.visible, graph.n_nodes)
    fastrp = np.random.default_rng(0).standard_normal((graph.n_nodes, 4)).astype(np.float32)
    reach = neighbourhoods(visible, pairs.owner)
    inputs = LadderInputs(split, visible, reach, fastrp, None, {}, pairs.owner)
    return inputs, lake_tails(pairs, split.test, 20, 0), pairs


def test_on_a_lake_tables_are_compared_by_their_best_columns_and_read_apart():
    inputs, tails, pairs = lake_inputs()
    ladder = build_ladder(inputs, CONFIG)
    asked = np.concatenate([inputs.split.test, inputs.split.test_negative])
    scores = ladder.plain.scores(asked)
    is_table = pairs.kind[asked[:, 0]] == 1
    assert is_table.any() and not is_table.all()
    assert np.array_equal(scores["best_columns"][~is_table], scores["overlap"][~is_table])
    columns = ladder.plain.columns(scores, asked)
    half = len(ladder.plain.names) + 2
    assert columns.shape[1] == len(ladder.plain.column_names) == 2 * half + 1
    assert not columns[~is_table, half:].any()
    assert np.array_equal(columns[is_table, :half], columns[is_table, half:-1])
    by_rung = {result.rung: result.metrics.auc for result in climb(ladder, inputs.split, tails, (10,))}
    assert by_rung["best_columns"] > 0.95
    assert by_rung["stack"] > 0.95
    assert "best_columns" not in build_ladder(made()[0], CONFIG).rungs


def test_scores_do_not_depend_on_the_block(monkeypatch):
    inputs, _ = made()
    pairs = np.random.default_rng(0).integers(0, 120, (70, 2))
    whole = PlainRungs(inputs, CONFIG).scores(pairs)
    monkeypatch.setattr("lakebed.tasks.links.kernel.ladder.BLOCK_PAIRS", 9)
    parts = PlainRungs(inputs, CONFIG).scores(pairs)
    assert all(np.array_equal(whole[rung], parts[rung]) for rung in whole)


def test_each_rung_is_measured_with_its_gain_over_those_below():
    inputs, tails = made()
    ladder = build_ladder(inputs, CONFIG)
    results = climb(ladder, inputs.split, tails, (10,))
    assert [result.rung for result in results] == [
        rung for rung in CONFIG.rungs if rung not in {"sage", "best_columns", "metapath", "listwise"}
    ]
    best = 0.5
    for result in results:
        assert result.gain_auc == pytest.approx(result.metrics.auc - best)
        best = max(best, result.metrics.auc)
    links, others = (ladder.scores(pairs) for pairs in (inputs.split.test, inputs.split.test_negative))
    for result in results:
        assert result.metrics.auc == auc(links[result.rung], others[result.rung])
        assert result.cpu_s >= 0


@pytest.mark.parametrize(("seed", "used"), [(1, "smoothed_two_hops"), (3, "stack")])
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
    plain, pairs = PlainRungs(inputs, CONFIG), inputs.split.test
    scores = plain.scores(pairs)
    chance = ladder.stack.scores(plain.columns(scores, pairs))
    assert np.array_equal(chance, ladder.scores(inputs.split.test)["stack"])
    assert set(scores) == {*ladder.plain.names}
    assert ((chance > 0) & (chance < 1)).all()

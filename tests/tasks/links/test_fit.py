import numpy as np
import pytest
from scipy import sparse

from lakebed.connectors.errors import ArtifactError, GraphError
from lakebed.tasks.links.config import GnnConfig, LinksConfig, SplitConfig
from lakebed.tasks.links.fit import CheckpointPlace, edge_task, fit_links, inputs_on
from lakebed.tasks.links.kernel.neighbours import adjacency
from lakebed.tasks.links.kernel.split import TooFewLinksError
from tests.tasks.links.graphs import communities, group_features

CONFIG = LinksConfig(
    split=SplitConfig(valid_share=0.1),
    gnn=GnnConfig(n_hidden=8, n_epochs=6, patience=6, checkpoint_every=2),
    projection_columns=16,
    n_tails=10,
)


def changed(**gnn):
    return CONFIG.model_copy(update={"gnn": CONFIG.gnn.model_copy(update=gnn)})


def test_the_ladder_with_features_has_every_rung():
    edges, n = communities()
    fitted = fit_links(edges, n, CONFIG, features=group_features(n))
    absent = {"best_columns", "metapath"}
    assert [result.rung for result in fitted.results] == [rung for rung in CONFIG.rungs if rung not in absent]
    assert all(result.hard is not None and 0 < result.hard.mrr < 1 for result in fitted.results)
    assert fitted.hard.others.shape == (len(fitted.task.split.test), CONFIG.n_tails, 2)
    assert fitted.results[-1].metrics.auc > 0.8
    again = fit_links(edges, n, CONFIG, features=group_features(n))
    assert [r.metrics for r in again.results] == [r.metrics for r in fitted.results]


def test_nothing_that_is_read_has_a_test_edge():
    edges, n = communities()
    task = edge_task(edges, n, CONFIG)
    for part in (task.split.test, task.split.valid):
        assert not task.graph[part[:, 0], part[:, 1]].any()
        assert not task.graph[part[:, 1], part[:, 0]].any()


def test_reweighted_networks_read_the_whole_graph_too():
    edges, n = communities()
    config = changed(reweight_alpha=1.0, reweight_warm_up=1, reweight_every=2)
    fitted = fit_links(edges, n, config)
    assert fitted.ways["gcn"] == fitted.ways["sage"] == "csr"
    whole = inputs_on(fitted, adjacency(edges, n), config)
    plain = inputs_on(fitted, adjacency(edges, n), CONFIG)
    assert np.isfinite(whole.networks["gcn"]).all()
    assert not np.array_equal(whole.networks["gcn"], plain.networks["gcn"])


@pytest.mark.parametrize("max_full_batch_edges", [0, 5_000_000])
def test_features_beyond_their_memory_train_to_the_same_bits(tmp_path, max_full_batch_edges):
    edges, n = communities()
    config = changed(max_full_batch_edges=max_full_batch_edges, batch_edges=128, n_sampled=3)
    whole = fit_links(edges, n, config)
    stored = config.model_copy(update={"feature_memory_bytes": n * config.projection_columns})
    there = CheckpointPlace(tmp_path)
    parted = fit_links(edges, n, stored, checkpoints=there)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gcn", "sage"]
    every = [inputs_on(fitted, adjacency(edges, n), stored, tmp_path) for fitted in (whole, parted)]
    for kind, one in whole.trained.items():
        other = parted.trained[kind]
        assert one.state.losses == other.state.losses
        assert len(one.state.losses) == config.gnn.n_epochs
        assert one.state.history == other.state.history
        assert np.array_equal(one.vectors, other.vectors)
        assert np.array_equal(every[0].networks[kind], every[1].networks[kind])
    assert [(r.metrics, r.hard) for r in whole.results] == [(r.metrics, r.hard) for r in parted.results]


def test_the_memory_of_features_is_no_part_of_the_key():
    assert LinksConfig(feature_memory_bytes=0).in_key() == LinksConfig().in_key()


@pytest.mark.parametrize("other", [{"learning_rate": 0.02}, {"n_threads": 2}])
def test_a_checkpoint_of_another_training_is_refused(tmp_path, other):
    edges, n = communities()
    fit_links(edges, n, CONFIG, checkpoints=CheckpointPlace(tmp_path))
    with pytest.raises(ArtifactError, match="another training"):
        fit_links(edges, n, changed(**other), checkpoints=CheckpointPlace(tmp_path))
    fit_links(edges, n, changed(**other), checkpoints=CheckpointPlace(tmp_path, allow_drift=True))


def test_a_checkpoint_of_other_data_is_refused(tmp_path):
    edges, n = communities()
    fit_links(edges, n, CONFIG, checkpoints=CheckpointPlace(tmp_path))
    with pytest.raises(ArtifactError, match="another data"):
        fit_links(edges[:-3], n, CONFIG, checkpoints=CheckpointPlace(tmp_path))


@pytest.mark.parametrize("allow_drift", [False, True])
def test_another_number_of_features_is_refused_and_the_checkpoint_stays(tmp_path, allow_drift):
    edges, n = communities()
    features = group_features(n)
    whole = fit_links(edges, n, CONFIG, features=features, checkpoints=CheckpointPlace(tmp_path))
    before = {path: path.read_bytes() for path in tmp_path.rglob("epoch-*/*")}
    wider = sparse.csr_array((features.data, features.indices, features.indptr), shape=(n, features.shape[1] + 1))
    with pytest.raises(ArtifactError, match="another n_features"):
        fit_links(edges, n, CONFIG, features=wider, checkpoints=CheckpointPlace(tmp_path, allow_drift=allow_drift))
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("epoch-*/*")}
    again = fit_links(edges, n, CONFIG, features=features, checkpoints=CheckpointPlace(tmp_path))
    assert [r.metrics for r in again.results] == [r.metrics for r in whole.results]


def test_bad_input_is_named():
    edges, n = communities()
    features = group_features(n).astype(np.float32)
    features.data[7] = np.nan
    with pytest.raises(GraphError, match="no finite number"):
        fit_links(edges, n, CONFIG, features=features)
    with pytest.raises(GraphError, match="another number of rows"):
        fit_links(edges, n, CONFIG, features=group_features(n - 1))
    with pytest.raises(TooFewLinksError, match="too few edges"):
        fit_links(edges[:10], n, CONFIG)


def test_an_isolated_validation_node_gets_a_score():
    edges, n = communities(4, 12)
    lonely = np.concatenate([edges, [[0, n - 1]]])
    for seed in range(30):
        config = CONFIG.model_copy(update={"split": SplitConfig(valid_share=0.1, seed=seed)})
        if (edge_task(lonely, n, config).split.valid == n - 1).any():
            break
    else:
        raise AssertionError("no seed put the edge among those of validation")
    assert all(np.isfinite(result.metrics.auc) for result in fit_links(lonely, n, config).results)

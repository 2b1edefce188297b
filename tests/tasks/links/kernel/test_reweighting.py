import dataclasses

import numpy as np
import pytest

from lakebed.tasks.links.config import GnnConfig, SplitConfig
from lakebed.tasks.links.kernel.ladder import stop_pairs
from lakebed.tasks.links.kernel.neighbours import adjacency
from lakebed.tasks.links.kernel.networks import Inputs
from lakebed.tasks.links.kernel.propagation import normalised_adjacency, transition_matrix
from lakebed.tasks.links.kernel.reweighting import EDGE_WEIGHTS, Reweighting
from lakebed.tasks.links.kernel.sampling import NeighbourSampler
from lakebed.tasks.links.kernel.split import split_edges
from lakebed.tasks.links.kernel.training import NegativePool, TrainingData, train
from tests.tasks.links.graphs import communities, group_features
from tests.tasks.links.kernel.test_training import copied

CONFIG = GnnConfig(
    n_hidden=8, n_epochs=20, patience=20, reweight_alpha=0.5, reweight_warm_up=4, reweight_every=3, batch_edges=64
)


def test_weights_rise_by_alpha_times_the_softmax_over_each_row():
    edges, n = communities(2, 6)
    graph = adjacency(edges, n)
    vectors = np.random.default_rng(0).standard_normal((n, 3)).astype(np.float32)
    old = np.random.default_rng(1).random(graph.nnz).astype(np.float32)
    found = Reweighting(graph, transition_matrix).raised(old, vectors, 2.0)
    for i in range(n):
        part = slice(graph.indptr[i], graph.indptr[i + 1])
        if part.start == part.stop:
            continue
        scores = np.exp(vectors[graph.indices[part]] @ vectors[i].astype(np.float64))
        assert np.allclose(found[part], old[part] + 2.0 * scores / scores.sum(), atol=1e-5)


def test_huge_scores_do_not_overflow():
    graph = adjacency(np.array([[0, 1], [0, 2]]), 3)
    vectors = np.array([[1e4], [1e4], [0.0]], np.float32)
    found = Reweighting(graph, transition_matrix).raised(graph.data, vectors, 1.0)
    assert found.tolist() == [2.0, 1.0, 2.0, 2.0]


def data_of(form, *, is_sampled=False):
    edges, n = communities()
    split = split_edges(edges, n, SplitConfig(valid_share=0.1))
    reweighting = Reweighting(adjacency(split.train, n), form)
    weights = reweighting.first()
    sampler = NeighbourSampler(reweighting.matrix(weights), 4) if is_sampled else None
    pools = (NegativePool(np.arange(n), len(split.train)),)
    inputs = Inputs.of(group_features(n))
    return TrainingData(
        inputs, reweighting.propagation(weights), split.train, stop_pairs(split), pools, sampler, reweighting
    )


@pytest.mark.parametrize(("kind", "form"), [("gcn", normalised_adjacency), ("sage", transition_matrix)])
def test_training_is_reweighted_from_the_warm_up_on(kind, form):
    data, seen = data_of(form), []
    train(kind, data, CONFIG, 0, after_epoch=lambda state: seen.append(state.weights[EDGE_WEIGHTS].copy()))
    rises = [float(weights.sum() - data.reweighting.graph.nnz) for weights in seen]
    n_rows = int((np.diff(data.reweighting.graph.indptr) > 0).sum())
    rounds = [0] * 4 + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3 + [5] * 3 + [6]
    assert np.allclose(rises, [0.5 * n_rows * n for n in rounds], rtol=1e-3)


def test_without_alpha_nothing_changes():
    data = data_of(transition_matrix)
    plain = dataclasses.replace(data, reweighting=None)
    config = CONFIG.model_copy(update={"reweight_alpha": 0.0})
    one, two = train("sage", data, config, 0), train("sage", plain, config, 0)
    assert one.vectors.tobytes() == two.vectors.tobytes()
    assert EDGE_WEIGHTS not in one.state.weights


@pytest.mark.parametrize("is_sampled", [False, True])
def test_a_resumed_reweighted_training_ends_with_the_same_bytes(is_sampled):
    data, states = data_of(transition_matrix, is_sampled=is_sampled), []
    whole = train("sage", data, CONFIG, 3, after_epoch=lambda state: states.append(copied(state)))
    for at in (3, 4, 11):
        assert train("sage", data, CONFIG, 3, state=states[at]).vectors.tobytes() == whole.vectors.tobytes()

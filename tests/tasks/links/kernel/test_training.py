import dataclasses

import numpy as np
import pytest
from scipy import sparse

from lakebed.tasks.links.config import GnnConfig, SplitConfig
from lakebed.tasks.links.kernel.dense import DenseInputs, StoredInputs
from lakebed.tasks.links.kernel.ladder import stop_pairs
from lakebed.tasks.links.kernel.metrics import auc
from lakebed.tasks.links.kernel.neighbours import adjacency
from lakebed.tasks.links.kernel.networks import Inputs
from lakebed.tasks.links.kernel.propagation import Propagation, transition_matrix
from lakebed.tasks.links.kernel.row_cache import RowCache
from lakebed.tasks.links.kernel.sampling import NeighbourSampler
from lakebed.tasks.links.kernel.split import split_edges
from lakebed.tasks.links.kernel.training import NegativePool, TrainingData, epoch_batches, epoch_negatives, train
from tests.tasks.links.graphs import communities, group_features

SMALL = GnnConfig(n_hidden=16, n_epochs=40, patience=40, batch_edges=64, n_sampled=4)


@pytest.fixture(scope="module")
def split():
    edges, n = communities()
    return split_edges(edges, n, SplitConfig(valid_share=0.1))


@pytest.fixture(scope="module")
def data(split):
    matrix = transition_matrix(adjacency(split.train, split.n_nodes))
    inputs = Inputs.of(sparse.csr_array(group_features(split.n_nodes)))
    return TrainingData(
        inputs,
        Propagation.by_matrix(matrix),
        split.train,
        stop_pairs(split),
        (NegativePool(np.arange(split.n_nodes), len(split.train)),),
    )


def sampled(data, split):
    matrix = transition_matrix(adjacency(split.train, split.n_nodes))
    return dataclasses.replace(data, sampler=NeighbourSampler(matrix, SMALL.n_sampled))


def score(vectors, pairs):
    return np.einsum("ij,ij->i", vectors[pairs[:, 0]], vectors[pairs[:, 1]], dtype=np.float64)


@pytest.mark.parametrize("kind", ["gcn", "sage"])
@pytest.mark.parametrize("is_sampled", [False, True])
def test_training_learns_the_communities(data, split, kind, is_sampled):
    trained = train(kind, sampled(data, split) if is_sampled else data, SMALL, 0)
    found = auc(score(trained.vectors, split.test), score(trained.vectors, split.test_negative))
    assert found > 0.8
    assert trained.state.best_score == max(trained.state.history)


def copied(state):
    return dataclasses.replace(
        state,
        weights={k: v.copy() for k, v in state.weights.items()},
        moments={m: {k: v.copy() for k, v in part.items()} for m, part in state.moments.items()},
        best={k: v.copy() for k, v in state.best.items()},
        history=list(state.history),
        losses=list(state.losses),
    )


@pytest.mark.parametrize("is_sampled", [False, True])
def test_a_resumed_training_ends_with_the_same_bytes(data, split, is_sampled):
    data = sampled(data, split) if is_sampled else data
    states = []
    whole = train("sage", data, SMALL, 3, after_epoch=lambda state: states.append(copied(state)))
    for at in (0, 7, 22):
        resumed = train("sage", data, SMALL, 3, state=states[at])
        assert resumed.vectors.tobytes() == whole.vectors.tobytes()
        assert resumed.state.history == whole.state.history
        assert resumed.state.losses == whole.state.losses


def test_patience_ends_a_training(data):
    config = SMALL.model_copy(update={"patience": 2, "n_epochs": 500})
    state = train("gcn", data, config, 0).state
    assert state.epoch < 500
    assert state.epoch - 1 - state.best_epoch == 2


def test_batches_hold_every_edge_once_in_an_order_of_the_epoch():
    first, again, other = (np.concatenate(list(epoch_batches(50, 8, 0, epoch))) for epoch in (1, 1, 2))
    assert sorted(first) == list(range(50))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    pools = (NegativePool(np.arange(3, 6), 4), NegativePool(np.arange(7, 9), 5))
    drawn = epoch_negatives(pools, 0, 1)
    assert drawn.shape == (9, 2)
    assert set(drawn[:4].ravel()) <= {3, 4, 5}
    assert set(drawn[4:].ravel()) <= {7, 8}
    assert not np.array_equal(drawn, epoch_negatives(pools, 0, 2))


class Rows:
    """Rows outside a cache."""

    def __init__(self, rows):
        self.rows, self.shape = rows, rows.shape

    def gather(self, nodes, out, places):
        out[places] = self.rows[nodes]


class Told(RowCache):
    """A cache that notes what it was told, and what it was asked for."""

    def __init__(self, *given):
        super().__init__(*given)
        self.told, self.asked = [], []

    def follow(self, reads):
        self.told.append([])
        super().follow(noted(reads, self.told[-1]))

    def take(self, nodes):
        self.asked.append(nodes.tolist())
        return super().take(nodes)


def noted(reads, told):
    for nodes in reads:
        told.append(nodes.tolist())
        yield nodes


def test_a_cache_is_told_what_batches_read_beyond_the_epoch_too(data, split):
    rows = np.random.default_rng(0).standard_normal((split.n_nodes, 64)).astype(np.float32)
    config = SMALL.model_copy(update={"n_epochs": 3})
    whole = train("sage", dataclasses.replace(sampled(data, split), inputs=DenseInputs.of(rows)), config, 0)
    cache = Told(Rows(rows), np.ones(split.n_nodes, np.int64), rows.nbytes // 2, rows)
    stored, states = dataclasses.replace(sampled(data, split), inputs=StoredInputs(cache)), []
    parted = train("sage", stored, config, 0, after_epoch=lambda state: states.append(copied(state)))
    assert parted.vectors.tobytes() == whole.vectors.tobytes()
    assert parted.state.losses == whole.state.losses
    assert len(cache.asked) > 6
    assert cache.told == [cache.asked]
    train("sage", stored, config, 0, state=states[0])
    assert cache.told[1] == cache.told[0][len(cache.told[0]) // 3 :]

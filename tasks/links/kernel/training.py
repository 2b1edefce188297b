"""Training of a network on edges: full batch where the graph fits, neighbour-sampled mini-batches where it does not.

A run is a function of its inputs and config: each epoch's negatives, batches and dropped inputs come from
(seed, epoch, step), so that a resumed run ends with the same bytes as one that was never killed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import softplus

from lakebed.tasks.links.config import GnnConfig
from lakebed.tasks.links.kernel.dense import StoredInputs
from lakebed.tasks.links.kernel.metrics import auc
from lakebed.tasks.links.kernel.networks import AnyInputs, Kind, Network, Outputs, derived_random, pair_logits
from lakebed.tasks.links.kernel.propagation import Propagation
from lakebed.tasks.links.kernel.reweighting import EDGE_WEIGHTS, Reweighting
from lakebed.tasks.links.kernel.sampling import NeighbourSampler, Sample

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
Weights = dict[str, Float32]
MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class NegativePool:
    """Nodes that may be paired at random, and how many such pairs an epoch has. Shapes: nodes (k,)."""

    nodes: Int64
    n_pairs: int


@dataclass(frozen=True)
class TrainingData:
    """What a network is trained on.

    `stop` are pairs for early stopping alone: links, and as many that are none. `sampler` is None where an epoch is
    one step on the whole graph; `reweighting` where edges may be weighted anew; `outputs` are all nodes that a pair
    may hold, where these are few and neither of them is given.
    Shapes: edges (m, 2) pairs that are scored high; stop two (k, 2).
    """

    inputs: AnyInputs
    propagation: Propagation
    edges: Int64
    stop: tuple[Int64, Int64]
    pools: tuple["NegativePool", ...]
    sampler: NeighbourSampler | None = None
    reweighting: Reweighting | None = None
    outputs: Outputs | None = None

    def places(self, pairs: Int64) -> Int64:
        """The rows of the pairs' nodes among the vectors of an epoch."""
        return pairs if self.outputs is None else np.searchsorted(self.outputs.nodes, pairs)


@dataclass
class TrainingState:
    """All that a resumed run needs, as arrays and plain numbers; epochs are counted from 0.

    `history` has the validation score of each epoch, `losses` the mean loss of its steps. With re-weighting, `weights`
    and `best` hold the weights of the edges too.
    """

    weights: Weights
    moments: dict[str, Weights]
    n_steps: int = 0
    epoch: int = 0
    best: Weights = field(default_factory=dict)
    best_score: float = -1.0
    best_epoch: int = -1
    history: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    @property
    def waited(self) -> int:
        """Epochs since the best one."""
        return self.epoch - 1 - self.best_epoch


AfterEpoch = Callable[[TrainingState], None]


@dataclass(frozen=True)
class Trained:
    """The network with its best weights, and how it got there. Shapes: vectors (n, n_hidden) float32."""

    vectors: Float32
    state: TrainingState


def train(
    kind: Kind,
    data: TrainingData,
    config: GnnConfig,
    seed: int,
    *,
    state: TrainingState | None = None,
    after_epoch: AfterEpoch | None = None,
) -> Trained:
    """Trains until the epochs are used up or validation stops getting better; goes on from `state` where it is given.

    Source: variational graph auto-encoders' plain form (Kipf and Welling 2016): inner products of the vectors, and
    as many random pairs as edges for negatives.
    """
    network = new_network(kind, data, config, seed)
    optimiser = torch.optim.Adam(
        list(network.weights.values()), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    state = state or _first_state(network)
    _restore(network, optimiser, state)
    data = _weighted(data, state.weights)
    if data.sampler is not None and isinstance(data.inputs, StoredInputs):
        data.inputs.cache.follow(batch_reads(data, data.sampler, config, (network.n_layers, seed, state.epoch)))
    while state.epoch < config.n_epochs and state.waited < config.patience:
        data = _reweighted(network, data, config, state)
        state.losses.append(_run_epoch(network, optimiser, data, config, (seed, state.epoch)))
        _note_epoch(network, optimiser, data, state)
        if after_epoch is not None:
            after_epoch(state)
    _load(network, state.best or state.weights)
    data = _weighted(data, state.best or state.weights)
    return Trained(_vectors(network, data.inputs, data.propagation), state)


def vectors_on(kind: Kind, weights: Weights, inputs: AnyInputs, propagation: Propagation) -> Float32:
    """Vectors of the nodes of another graph under trained weights. Shapes: result (n, n_hidden)."""
    layers = sorted(name for name in weights if name.endswith(".neighbours"))
    widths = (len(weights[layers[0]]), *(weights[name].shape[1] for name in layers))
    network = Network(kind, widths, 0.0, 0)
    _load(network, weights)
    return _vectors(network, inputs, propagation)


def new_network(kind: Kind, data: TrainingData, config: GnnConfig, seed: int) -> Network:
    """The network at its first weights."""
    widths = (data.inputs.shape[1], *([config.n_hidden] * config.n_layers))
    return Network(kind, widths, config.dropout, seed)


def epoch_negatives(pools: Sequence[NegativePool], seed: int, epoch: int) -> Int64:
    """Random pairs within each pool; a few may be links, as in the published training. Shapes: (sum of n_pairs, 2)."""
    random = np.random.default_rng([seed, epoch, 5])
    return np.concatenate([pool.nodes[random.integers(0, len(pool.nodes), (pool.n_pairs, 2))] for pool in pools])


def epoch_batches(n_edges: int, n_batch: int, seed: int, epoch: int) -> Iterator[Int64]:
    """The places of the edges of each mini-batch, in an order drawn from (seed, epoch)."""
    order = np.random.default_rng([seed, epoch, 6]).permutation(n_edges)
    for start in range(0, n_edges, n_batch):
        yield order[start : start + n_batch]


def _run_epoch(
    network: Network,
    optimiser: torch.optim.Optimizer,
    data: TrainingData,
    config: GnnConfig,
    at: tuple[int, int],
) -> float:
    """Returns: the mean loss of its steps."""
    seed, epoch = at
    negatives = epoch_negatives(data.pools, seed, epoch)
    if data.sampler is None:
        random = derived_random(seed, epoch + 1, 0)
        vectors = network.embed(data.inputs, data.propagation, random, data.outputs)
        return _step(optimiser, vectors, (data.places(data.edges), data.places(negatives)))
    losses = list[float]()
    batches = _batches(data, data.sampler, negatives, (network.n_layers, config.batch_edges, seed, epoch))
    for step, batch in enumerate(batches):
        rows = data.inputs.take(batch.sample.around)
        vectors = batch.sample.embed(network, rows, derived_random(seed, epoch + 1, step))
        losses.append(_step(optimiser, vectors, batch.pairs))
    return float(np.mean(losses))


@dataclass(frozen=True)
class _Batch:
    """A mini-batch: what it reads, and the places of its links and other pairs among the sample's nodes."""

    sample: Sample
    pairs: tuple[Int64, Int64]


def _batches(
    data: TrainingData, sampler: NeighbourSampler, negatives: Int64, at: tuple[int, int, int, int]
) -> Iterator[_Batch]:
    """The mini-batches of an epoch; `at` is (layers, edges of a batch, seed, epoch)."""
    n_layers, n_edges, seed, epoch = at
    for step, places in enumerate(epoch_batches(len(data.edges), n_edges, seed, epoch)):
        nodes, local = np.unique(np.concatenate([data.edges[places], negatives[places]]), return_inverse=True)
        local = local.reshape(-1, 2)
        sample = sampler.sample(nodes, n_layers, (seed, epoch, step))
        yield _Batch(sample, (local[: len(places)], local[len(places) :]))


def batch_reads(
    data: TrainingData, sampler: NeighbourSampler, config: GnnConfig, at: tuple[int, int, int]
) -> Iterator[Int64]:
    """The nodes whose rows each mini-batch of this epoch and of all later ones reads; `at` is (layers, seed, epoch)."""
    n_layers, seed, first = at
    for epoch in range(first, config.n_epochs):
        negatives = epoch_negatives(data.pools, seed, epoch)
        for step, places in enumerate(epoch_batches(len(data.edges), config.batch_edges, seed, epoch)):
            nodes = np.concatenate([data.edges[places], negatives[places]]).ravel()
            yield sampler.reached(nodes, n_layers, (seed, epoch, step))


def _reweighted(network: Network, data: TrainingData, config: GnnConfig, state: TrainingState) -> TrainingData:
    """The data of the next epoch, with new weights where they are due."""
    if data.reweighting is None or not config.reweight_alpha:
        return data
    weights = state.weights.setdefault(EDGE_WEIGHTS, data.reweighting.first())
    late = state.epoch - config.reweight_warm_up
    if late < 0 or late % config.reweight_every:
        return data
    vectors = _vectors(network, data.inputs, data.propagation)
    state.weights[EDGE_WEIGHTS] = data.reweighting.raised(weights, vectors, config.reweight_alpha)
    return _weighted(data, state.weights)


def _weighted(data: TrainingData, weights: Weights) -> TrainingData:
    """The data with the edge weights that are among the weights; as it is without any."""
    if data.reweighting is None or EDGE_WEIGHTS not in weights:
        return data
    matrix = data.reweighting.matrix(weights[EDGE_WEIGHTS])
    sampler = None if data.sampler is None else replace(data.sampler, matrix=matrix)
    return replace(data, propagation=Propagation.by_matrix(matrix), sampler=sampler)


def _step(optimiser: torch.optim.Optimizer, vectors: torch.Tensor, pairs: tuple[Int64, Int64]) -> float:
    """One step on the mean loss of the links and of the others, which it returns."""
    loss = torch.zeros(())
    for part, sign in zip(pairs, (-1.0, 1.0), strict=True):
        logits = pair_logits(vectors, torch.from_numpy(np.ascontiguousarray(part)))
        loss = loss + softplus(sign * logits).sum() / max(len(part), 1)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return float(loss.detach().item())


def _note_epoch(network: Network, optimiser: torch.optim.Optimizer, data: TrainingData, state: TrainingState) -> None:
    vectors = _vectors(network, data.inputs, data.propagation, data.outputs)
    stop = (data.places(pairs) for pairs in data.stop)
    links, others = (np.einsum("ij,ij->i", vectors[p[:, 0]], vectors[p[:, 1]], dtype=np.float64) for p in stop)
    score = auc(links, others)
    state.history.append(score)
    _keep(network, optimiser, state)
    if score > state.best_score:
        state.best_score, state.best_epoch = score, state.epoch
        state.best = {name: rows.copy() for name, rows in state.weights.items()}
    state.epoch += 1


def _vectors(network: Network, inputs: AnyInputs, propagation: Propagation, outputs: Outputs | None = None) -> Float32:
    with torch.no_grad():
        return np.asarray(network.embed(inputs, propagation, None, outputs).numpy())


def _first_state(network: Network) -> TrainingState:
    weights = {name: rows.detach().numpy().copy() for name, rows in network.weights.items()}
    return TrainingState(weights, {m: {name: np.zeros_like(w) for name, w in weights.items()} for m in MOMENTS})


def _restore(network: Network, optimiser: torch.optim.Optimizer, state: TrainingState) -> None:
    _load(network, state.weights)
    if not state.n_steps:
        return
    for name, rows in network.weights.items():
        moments = {moment: torch.from_numpy(state.moments[moment][name].copy()) for moment in MOMENTS}
        optimiser.state[rows] = {"step": torch.tensor(float(state.n_steps)), **moments}


def _load(network: Network, weights: Weights) -> None:
    with torch.no_grad():
        for name, rows in network.weights.items():
            rows.copy_(torch.from_numpy(weights[name]))


def _keep(network: Network, optimiser: torch.optim.Optimizer, state: TrainingState) -> None:
    for name, rows in network.weights.items():
        state.weights[name] = rows.detach().numpy().copy()
        for moment in MOMENTS:
            state.moments[moment][name] = optimiser.state[rows][moment].numpy().copy()
        state.n_steps = int(optimiser.state[rows]["step"].item())

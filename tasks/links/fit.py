"""The whole ladder on one graph, from edges to figures; usable without Spark and without Prefect."""

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from tasks.links.checkpoint import Checkpoints, Identity
from tasks.links.config import LinksConfig
from tasks.links.kernel.features import NodeFeatures, prepare_features, smooth
from tasks.links.kernel.ladder import (
    Ladder,
    LadderInputs,
    RungResult,
    build_ladder,
    climb,
    stop_pairs,
)
from tasks.links.kernel.metrics import sample_tails
from tasks.links.kernel.neighbours import adjacency
from tasks.links.kernel.networks import Inputs, Kind
from tasks.links.kernel.propagation import Propagation, normalised_adjacency, transition_matrix
from tasks.links.kernel.sampling import NeighbourSampler
from tasks.links.kernel.split import EdgeSplit, simple_edges, split_edges
from tasks.links.kernel.training import AfterEpoch, Trained, TrainingData, TrainingState, train
from tasks.runtime.keys import canonical_json

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
NETWORKS: tuple[Kind, ...] = ("gcn", "sage")


@dataclass(frozen=True)
class Fitted:
    """A fitted ladder and its figures.

    Attributes:
        split: what was trained on and what was not.
        ladder: a scorer a rung.
        results: figures a rung, in the order of the ladder.
        trained: the networks by kind.
        cpu_s: CPU seconds by step.
    """

    split: EdgeSplit
    graph: sparse.csr_array
    ladder: Ladder
    results: list[RungResult]
    trained: Mapping[Kind, Trained]
    cpu_s: dict[str, float] = field(default_factory=dict)


def fit_links(
    edges: Int64,
    n_nodes: int,
    config: LinksConfig,
    *,
    features: sparse.csr_array | None = None,
    checkpoints: Path | None = None,
    allow_drift: bool = False,
) -> Fitted:
    """Splits, trains what the config names, fits the stack and measures every rung on the test.

    Shapes: edges (m, 2); features (n_nodes, any) CSR or None.

    Raises:
        GraphError: if the edges cannot be split, or a feature is no finite number.
        ArtifactError: if a checkpoint is of another training, or cannot be written.
    """
    simple = simple_edges(edges, n_nodes)
    split = split_edges(simple, n_nodes, config.split)
    return fit_split(split, simple, config, features=features, checkpoints=checkpoints, allow_drift=allow_drift)


def fit_split(
    split: EdgeSplit,
    edges: Int64,
    config: LinksConfig,
    *,
    features: sparse.csr_array | None = None,
    checkpoints: Path | None = None,
    allow_drift: bool = False,
) -> Fitted:
    """The same on a split that was made elsewhere; `edges` are all links, which negative tails must not be."""
    cpu_s: dict[str, float] = {}
    seed = config.split.seed
    with _timed(cpu_s, "graph"):
        graph = adjacency(split.train, split.n_nodes)
        prepared = None
        if features is not None:
            prepared = prepare_features(features, split.n_nodes, config.max_feature_columns, seed)
        fastrp = embed_nodes(graph, config)
    trained: dict[Kind, Trained] = {}
    for kind in (kind for kind in NETWORKS if kind in config.rungs):
        with _timed(cpu_s, kind):
            store = _checkpoints(checkpoints, kind, split, prepared, config, allow_drift=allow_drift)
            trained[kind] = train_network(kind, split, graph, _inputs(prepared, fastrp), config, store)
    vectors: dict[str, Float32] = {kind: result.vectors for kind, result in trained.items()}
    with _timed(cpu_s, "stack"):
        ladder = build_ladder(LadderInputs(split, graph, fastrp, prepared, vectors), config)
    with _timed(cpu_s, "measure"):
        tails = sample_tails(edges, split.test, split.n_nodes, config.n_tails, seed)
        results = climb(ladder, split, tails, config.hits_at)
    return Fitted(split, graph, ladder, results, trained, cpu_s)


def embed_nodes(graph: sparse.csr_array, config: LinksConfig) -> Float32:
    """FastRP vectors of the training graph. Shapes: result (n, projection_columns) float32."""
    n_nodes, n_columns = graph.shape[0], config.projection_columns
    random = np.random.Generator(np.random.PCG64([config.split.seed, 8]))
    projection = random.standard_normal((n_nodes, n_columns), dtype=np.float32)
    damped = np.maximum(np.diff(graph.indptr), 1)[:, None].astype(np.float32) ** np.float32(-0.5) * projection
    return smooth(NodeFeatures(sparse.csr_array(damped)), transition_matrix(graph), 3)


def train_network(
    kind: Kind,
    split: EdgeSplit,
    graph: sparse.csr_array,
    inputs: Inputs,
    config: LinksConfig,
    checkpoints: Checkpoints | None,
) -> Trained:
    """One network on the training edges, from its newest checkpoint where there is one."""
    torch.set_num_threads(config.gnn.n_threads)
    matrix = normalised_adjacency(graph) if kind == "gcn" else transition_matrix(graph)
    is_sampled = len(split.train) > config.gnn.max_full_batch_edges
    sampler = NeighbourSampler(matrix, config.gnn.n_sampled) if is_sampled else None
    data = TrainingData(inputs, Propagation.by_matrix(matrix), split.train, stop_pairs(split), sampler)
    state = checkpoints.load() if checkpoints else None
    after = _saving(checkpoints, config.gnn.checkpoint_every) if checkpoints else None
    with deterministic():
        return train(kind, data, config.gnn, config.split.seed, state=state, after_epoch=after)


@contextmanager
def deterministic() -> Iterator[None]:
    """Sums of gathered rows are added in one order."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def data_fingerprint(split: EdgeSplit, features: NodeFeatures | None) -> str:
    """Hex SHA-256 over the split and the features."""
    digest = hashlib.sha256(str(split.n_nodes).encode())
    parts: list[NDArray[Any]] = [split.train, split.valid, split.test, split.valid_negative, split.test_negative]
    parts += [features.rows.indptr, features.rows.indices, features.rows.data] if features else []
    for part in parts:
        digest.update(f"{part.dtype}{part.shape}".encode())
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def _checkpoints(
    folder: Path | None,
    kind: Kind,
    split: EdgeSplit,
    features: NodeFeatures | None,
    config: LinksConfig,
    *,
    allow_drift: bool,
) -> Checkpoints | None:
    if folder is None:
        return None
    digest = hashlib.sha256(f"{kind}\0{canonical_json(config)}".encode()).hexdigest()
    identity = Identity(digest, data_fingerprint(split, features), config.gnn.n_threads)
    return Checkpoints(folder / kind, identity, allow_drift=allow_drift)


def _saving(checkpoints: Checkpoints, every: int) -> AfterEpoch:
    def after(state: TrainingState) -> None:
        if state.epoch % every == 0:
            checkpoints.save(state)

    return after


def _inputs(features: NodeFeatures | None, fastrp: Float32) -> Inputs:
    """The network reads the node features; where there are none, the FastRP vectors."""
    return Inputs.of(features.rows if features else sparse.csr_array(fastrp))


@contextmanager
def _timed(cpu_s: dict[str, float], step: str) -> Iterator[None]:
    started = time.process_time()
    yield
    cpu_s[step] = time.process_time() - started

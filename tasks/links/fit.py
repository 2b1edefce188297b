"""The whole ladder on one graph, from edges to figures; usable without Spark and without Prefect."""

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from lakebed.connectors.storage import Storage, join_uri
from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.kernel.fastrp import EmbeddingGraph, Transition, embed
from lakebed.tasks.encoding.distinct import distinct
from lakebed.tasks.links.checkpoint import Checkpoints, Identity, MirroredCheckpoints
from lakebed.tasks.links.config import LinksConfig
from lakebed.tasks.links.feature_file import FeatureFile
from lakebed.tasks.links.kernel.dense import DenseInputs, StoredInputs
from lakebed.tasks.links.kernel.features import NodeFeatures, prepare_features
from lakebed.tasks.links.kernel.hard_negatives import HardGroups, HardSource, hard_groups, spread_out
from lakebed.tasks.links.kernel.ladder import Ladder, LadderInputs, RungResult, build_ladder, climb, stop_pairs
from lakebed.tasks.links.kernel.lake_pairs import LakePairs, lake_tails, split_pairs
from lakebed.tasks.links.kernel.metrics import sample_tails
from lakebed.tasks.links.kernel.neighbours import adjacency, neighbourhoods
from lakebed.tasks.links.kernel.networks import AnyInputs, Inputs, Kind, Outputs
from lakebed.tasks.links.kernel.products import GraphProducts
from lakebed.tasks.links.kernel.propagation import normalised_adjacency, transition_matrix
from lakebed.tasks.links.kernel.reweighting import EDGE_WEIGHTS, Reweighting
from lakebed.tasks.links.kernel.row_cache import RowCache
from lakebed.tasks.links.kernel.sampling import NeighbourSampler
from lakebed.tasks.links.kernel.split import EdgeSplit, simple_edges, split_edges
from lakebed.tasks.links.kernel.training import (
    AfterEpoch,
    NegativePool,
    Trained,
    TrainingData,
    TrainingState,
    train,
    vectors_on,
)
from lakebed.tasks.runtime.keys import canonical_json
from lakebed.tasks.runtime.memory import freed_memory_kept

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
NETWORKS: tuple[Kind, ...] = ("gcn", "sage")
MAX_TAIL_PAIRS = 1_000_000


@dataclass(frozen=True)
class LinkTask:
    """What is to be predicted, and what may be read for it.

    Attributes:
        split: the pairs of training, validation and test.
        graph: (n, n) CSR of the edges that every rung may read.
        tails: (test pairs, n_tails) negative tails of the test pairs.
        pools: the nodes that random negatives of training are drawn from, for each kind of node.
        features: of the nodes, or None.
        owner: (n,) the table of a column, any other node itself; None where nodes own none.
        node_type: (n,) the kind of each node as a number; None where all are of one.
        taken: (n, n) the links of every part, which are no hard negatives; None where none are to be drawn.
    """

    split: EdgeSplit
    graph: sparse.csr_array
    tails: Int64
    pools: tuple[NegativePool, ...]
    features: NodeFeatures | None = None
    owner: Int64 | None = None
    node_type: NDArray[np.int8] | None = None
    taken: sparse.csr_array | None = None

    @property
    def asked(self) -> Int64:
        """The nodes that pairs are asked of, ascending."""
        return distinct(np.concatenate([pool.nodes for pool in self.pools]))


@dataclass(frozen=True)
class CheckpointPlace:
    """Where checkpoints lie, and whether one of another config, data or machine may be gone on from.

    `copies` is the prefix of an object store that keeps copies; then the folder may be lost.
    """

    folder: Path
    allow_drift: bool = False
    copies: str = ""


@dataclass(frozen=True)
class Fitted:
    """A fitted ladder, figures a rung in the order of the ladder, the networks by kind, CPU seconds by step.

    Attributes:
        ways: which way the products of each rung went, `summary` or `csr`.
        hard: the test pairs, or as many as the steps allow, with hard others.
    """

    task: LinkTask
    inputs: LadderInputs
    ways: Mapping[str, str]
    ladder: Ladder
    results: list[RungResult]
    trained: Mapping[Kind, Trained]
    cpu_s: dict[str, float] = field(default_factory=dict)
    hard: HardGroups = field(default_factory=HardGroups.none)


def fit_links(
    edges: Int64,
    n_nodes: int,
    config: LinksConfig,
    *,
    features: sparse.csr_array | None = None,
    checkpoints: CheckpointPlace | None = None,
) -> Fitted:
    """Splits the edges, trains what the config names, fits the stack and measures every rung on the test.

    Shapes: edges (m, 2); features (n_nodes, any) CSR or None.

    Raises:
        GraphError: if the edges cannot be split, or a feature is no finite number.
        ArtifactError: if a checkpoint is of another training, or cannot be written.
    """
    config = config.for_graph(n_nodes)
    return fit_task(edge_task(edges, n_nodes, config, features), config, checkpoints)


def edge_task(edges: Int64, n_nodes: int, config: LinksConfig, features: sparse.csr_array | None = None) -> LinkTask:
    """The edges of a graph, told apart: message passing sees the training edges only.

    Raises: GraphError: as `fit_links`.
    """
    simple, seed = simple_edges(edges, n_nodes), config.split.seed
    split = split_edges(simple, n_nodes, config.split)
    prepared = None
    if features is not None:
        prepared = prepare_features(features, n_nodes, config.max_feature_columns, seed)
    tails = sample_tails(simple, split.test, n_nodes, _n_tails(split, config), seed)
    pools = (NegativePool(np.arange(n_nodes), len(split.train)),)
    return LinkTask(split, adjacency(split.train, n_nodes), tails, pools, prepared, taken=adjacency(simple, n_nodes))


def lake_task(pairs: LakePairs, config: LinksConfig) -> LinkTask:
    """Pairs of columns and tables: message passing sees the graph without the held-out values.

    Raises: GraphError: if too few pairs are linked.
    """
    n_nodes = len(pairs.kind)
    split = split_pairs(pairs, n_nodes, config.split)
    kinds = pairs.kind[split.train[:, 0]]
    nodes = {kind: np.flatnonzero(pairs.kind == kind) for kind in (0, 1)}
    pools = tuple(NegativePool(nodes[kind], int((kinds == kind).sum())) for kind in nodes)
    tails = lake_tails(pairs, split.test, _n_tails(split, config), config.split.seed)
    linked = np.stack([pairs.linked // n_nodes, pairs.linked % n_nodes], axis=1)
    return LinkTask(
        split,
        adjacency(pairs.visible, n_nodes),
        tails,
        pools,
        owner=pairs.owner,
        node_type=pairs.node_type,
        taken=adjacency(linked, n_nodes),
    )


def _n_tails(split: EdgeSplit, config: LinksConfig) -> int:
    """As many as the config says, or fewer where all test pairs together would have too many."""
    return max(1, min(config.n_tails, MAX_TAIL_PAIRS // len(split.test)))


def fit_task(task: LinkTask, config: LinksConfig, checkpoints: CheckpointPlace | None = None) -> Fitted:
    """Trains, fits and measures.

    Raises: ArtifactError: as `fit_links`.
    """
    cpu_s: dict[str, float] = {}
    with _timed(cpu_s, "products"):
        products = make_products(task.graph, config)
    folder = checkpoints.folder if checkpoints else None
    with _timed(cpu_s, "fastrp_cosine"):
        fastrp = embed_nodes(products, config)
        read, fastrp = network_inputs(task.features, fastrp, task.graph, config, folder)
    trained: dict[Kind, Trained] = {}
    for kind in (kind for kind in NETWORKS if kind in config.rungs):
        with _timed(cpu_s, kind):
            trained[kind] = train_network(kind, (task, products), read, config, checkpoints)
    vectors: dict[str, Float32] = {kind: result.vectors for kind, result in trained.items()}
    with _timed(cpu_s, "negatives"):
        to_fit, to_test = _hard_groups(task, config)
    with _timed(cpu_s, "stack"):
        inputs = _ladder_inputs(task, task.graph, fastrp, vectors)
        ladder = build_ladder(inputs, config, to_fit)
    with _timed(cpu_s, "measure"):
        results = climb(ladder, task.split, task.tails, config.hits_at, to_test)
    widths = {"fastrp_cosine": config.projection_columns} | dict.fromkeys(trained, config.gnn.n_hidden)
    ways: dict[str, str] = {rung: products.operator("walk", width)[1].way for rung, width in widths.items()}
    if config.gnn.reweight_alpha:
        ways |= dict.fromkeys(trained, "csr")
    return Fitted(task, inputs, ways, ladder, results, trained, cpu_s, to_test)


def _hard_groups(task: LinkTask, config: LinksConfig) -> tuple[HardGroups, HardGroups]:
    """The links of validation, and those of the test, with hard others from the graph that may be read."""
    if task.taken is None:
        return HardGroups.none(), HardGroups.none()
    reach = neighbourhoods(task.graph, task.owner)
    pools = tuple(pool.nodes for pool in task.pools)
    source = HardSource(task.graph, reach, task.taken, pools, task.features, task.owner)
    most = min(source.most_links(), max(1, MAX_TAIL_PAIRS // config.n_tails))
    links = (spread_out(part, most) for part in (task.split.valid, task.split.test))
    fit, test = (hard_groups(part, source, config.n_tails, config.split.seed) for part in links)
    return fit, test


def inputs_on(fitted: Fitted, graph: sparse.csr_array, config: LinksConfig, folder: Path | None = None) -> LadderInputs:
    """What the rungs read of another graph over the same nodes, such as the whole one, under the trained weights.

    `folder` is for features that are larger than the config's memory for them.
    Raises: ArtifactError: if these cannot be written there.
    """
    # the summary is not worth making for the few products of a single pass
    products = GraphProducts.of(graph, 0, config.split.seed, config.gnn.n_threads)
    read, fastrp = network_inputs(fitted.task.features, embed_nodes(products, config), graph, config, folder)
    vectors: dict[str, Float32] = {}
    for kind, trained in fitted.trained.items():
        found = partial(vectors_on, kind, trained.state.best, read)
        vectors[kind] = found(products.propagation(kind, config.gnn.n_hidden))
        if EDGE_WEIGHTS in trained.state.best and (reweighting := _reweighting(kind, graph, config)):
            # the graph has edges that training had not: as many rounds at once, from the plain graph's vectors
            alpha = _risen(trained.state.best[EDGE_WEIGHTS], fitted.task.graph)
            weights = reweighting.raised(reweighting.first(), vectors[kind], alpha)
            vectors[kind] = found(reweighting.propagation(weights))
    return _ladder_inputs(fitted.task, graph, fastrp, vectors)


def _ladder_inputs(
    task: LinkTask, graph: sparse.csr_array, fastrp: Float32, networks: Mapping[str, Float32]
) -> LadderInputs:
    reach = neighbourhoods(graph, task.owner)
    return LadderInputs(task.split, graph, reach, fastrp, task.features, networks, task.owner, task.node_type)


def _risen(weights: Float32, graph: sparse.csr_array) -> float:
    """What re-weighting has added to a node's edges in all; the same for every node that has any."""
    n_rows = int((np.diff(graph.indptr) > 0).sum())
    return max(0.0, float(weights.sum(dtype=np.float64) - graph.data.sum(dtype=np.float64)) / max(n_rows, 1))


def make_products(graph: sparse.csr_array, config: LinksConfig) -> GraphProducts:
    """The products of the graph that training reads, on its summary where that was made and pays."""
    return GraphProducts.of(graph, config.max_summary_edges, config.split.seed, config.gnn.n_threads)


def embed_nodes(products: GraphProducts, config: LinksConfig) -> Float32:
    """FastRP vectors, of powers 1 to 3 and the projection itself. Shapes: result (n, projection_columns) float32."""
    operator = products.operator("walk", config.projection_columns)[0]
    settings = EmbeddingsConfig(
        dim=config.projection_columns,
        weights=(1.0, 1.0, 1.0),
        self_weight=1.0,
        standardize=False,
        seed=config.split.seed,
        threads=config.gnn.n_threads,
    )
    node_hash = np.arange(products.graph.n_nodes, dtype=np.uint64)
    graph = EmbeddingGraph(node_hash, products.graph.degrees, [Transition(operator.product)])
    return embed(graph, settings).vectors


def network_inputs(
    features: NodeFeatures | None, fastrp: Float32, graph: sparse.csr_array, config: LinksConfig, folder: Path | None
) -> tuple[AnyInputs, Float32]:
    """A network reads the node features; where there are none, the FastRP vectors. Also these, wherever they lie now.

    Vectors of more bytes than `feature_memory_bytes` go to a file without a name in the folder.
    Raises: ArtifactError: if they cannot be written there.
    """
    if features is not None:
        return Inputs.of(features.rows), fastrp
    if fastrp.nbytes <= config.feature_memory_bytes:
        return DenseInputs.of(fastrp), fastrp
    stored = FeatureFile(fastrp, folder)
    cache = RowCache(stored, np.diff(graph.indptr), config.feature_memory_bytes, fastrp)
    return StoredInputs(cache), stored.mapped()


def propagation_matrix(kind: Kind, graph: sparse.csr_array) -> sparse.csr_array:
    """The matrix of a network's layers."""
    return normalised_adjacency(graph) if kind == "gcn" else transition_matrix(graph)


def train_network(
    kind: Kind,
    read: tuple[LinkTask, GraphProducts],
    inputs: AnyInputs,
    config: LinksConfig,
    place: CheckpointPlace | None = None,
) -> Trained:
    """One network, from its newest checkpoint where there is one."""
    torch.set_num_threads(config.gnn.n_threads)
    task, products = read
    is_sampled = task.graph.nnz // 2 > config.gnn.max_full_batch_edges
    sampler = NeighbourSampler(propagation_matrix(kind, task.graph), config.gnn.n_sampled) if is_sampled else None
    reweighting = _reweighting(kind, task.graph, config)
    propagation = products.propagation(kind, config.gnn.n_hidden)
    if reweighting is not None:
        propagation = reweighting.propagation(reweighting.first())
    stop = stop_pairs(task.split)
    data = TrainingData(inputs, propagation, task.split.train, stop, task.pools, sampler, reweighting)
    if sampler is None and reweighting is None and 2 * len(task.asked) <= task.split.n_nodes:
        data = replace(data, outputs=Outputs.of(task.asked, propagation_matrix(kind, task.graph)))
    store = _checkpoints(place, kind, task, config) if place else None
    state = store.load() if store else None
    after = _saving(store, config.gnn.checkpoint_every) if store else None
    with deterministic(), freed_memory_kept():
        return train(kind, data, config.gnn, config.split.seed, state=state, after_epoch=after)


def _reweighting(kind: Kind, graph: sparse.csr_array, config: LinksConfig) -> Reweighting | None:
    """None where the config leaves weights alone."""
    return Reweighting(graph, partial(propagation_matrix, kind)) if config.gnn.reweight_alpha else None


@contextmanager
def deterministic() -> Iterator[None]:
    """Sums of gathered rows are added in one order."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def data_fingerprint(task: LinkTask) -> str:
    """Hex SHA-256 over the pairs, the graph and the features."""
    split, graph = task.split, task.graph
    parts: list[NDArray[Any]] = [split.train, split.valid, split.test, split.valid_negative, split.test_negative]
    matrices = [graph] + ([task.features.rows] if task.features else [])
    parts += [part for matrix in matrices for part in (matrix.indptr, matrix.indices, matrix.data)]
    digest = hashlib.sha256(str(split.n_nodes).encode())
    for part in parts:
        digest.update(f"{part.dtype}{part.shape}".encode())
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def _checkpoints(place: CheckpointPlace, kind: Kind, task: LinkTask, config: LinksConfig) -> Checkpoints:
    digest = hashlib.sha256(f"{kind}\0{canonical_json(config.in_key())}".encode()).hexdigest()
    n_features = task.features.n_given if task.features else 0
    identity = Identity(digest, data_fingerprint(task), config.gnn.n_threads, n_features)
    if place.copies:
        copies = Storage.at(join_uri(place.copies, kind))
        return MirroredCheckpoints(place.folder / kind, identity, copies, allow_drift=place.allow_drift)
    return Checkpoints(place.folder / kind, identity, allow_drift=place.allow_drift)


def _saving(checkpoints: Checkpoints, every: int) -> AfterEpoch:
    def after(state: TrainingState) -> None:
        if state.epoch % every == 0:
            checkpoints.save(state)

    return after


@contextmanager
def _timed(cpu_s: dict[str, float], step: str) -> Iterator[None]:
    started = time.process_time()
    yield
    cpu_s[step] = time.process_time() - started

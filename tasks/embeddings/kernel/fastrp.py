"""FastRP: a node's vector is a weighted sum of random projections of its surroundings (Chen et al. 2019)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lakebed.connectors.cores import usable_cores
from lakebed.connectors.errors import GraphError
from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.kernel.projection import Float32, UInt64, project, sparsity
from lakebed.tasks.embeddings.kernel.sums import add_power, standardize, zero_rows

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Product = Callable[[Float32], Float32]


@dataclass(frozen=True)
class NodeFeatures:
    """A sparse table of features: numbers by their column, text by one column for each of its values.

    Shapes: values (n_nodes, n_features) float32; feature_hash (n_features,) uint64, of each feature's name.
    """

    values: "csr_matrix"
    feature_hash: UInt64

    def projected(self, rows: slice, dim: int, seed: int) -> Float32:
        """The features of some nodes as `dim` numbers each. O(entries · dim)."""
        basis = np.empty((len(self.feature_hash), dim), np.float32)
        project(self.feature_hash, np.ones(len(basis), np.float32), sparsity(len(basis), dim), seed, basis)
        found: Float32 = np.asarray(self.values[rows] @ basis, np.float32)
        return found


@dataclass(frozen=True)
class Transition:
    """One kind of edges: X ↦ P X with P = D⁻¹A, and the weight of the kind."""

    product: Product
    weight: float = 1.0


@dataclass(frozen=True)
class EmbeddingGraph:
    """What is embedded. Shapes: node_hash (n,) uint64, of the nodes' keys; degree (n,) float64, sums of weights."""

    node_hash: UInt64
    degree: NDArray[np.float64]
    transitions: Sequence[Transition]
    features: NodeFeatures | None = None

    @property
    def n_nodes(self) -> int:
        """Nodes, isolated ones included."""
        return len(self.node_hash)


@dataclass(frozen=True)
class Embeddings:
    """Vectors (n, d) float32, and for how many nodes the own projection stands in: isolated, cancelled out."""

    vectors: Float32
    n_isolated: int
    n_cancelled: int


def embed(
    graph: EmbeddingGraph, config: EmbeddingsConfig, on_power: Callable[[int, Float32], None] = lambda *_: None
) -> Embeddings:
    """U = Σ weight_k P^k L R, columns standardised; L = diag((degree / all degrees)^β), R the projection.

    Departs from the paper: a node without edges, or whose sum cancels out, keeps its own projection; the projection has
    at least eight entries a row on average, and one at least; `self_weight` adds a node's own projection to its vector.

    Args:
        graph: with at least one node.
        config: of the embedding.
        on_power: gets each power's number, from 1, and the power, which it must not change.

    Shapes: result (n, config.dim). O(powers · edges · dim); memory: three matrices of the result's size.
    Raises: GraphError: if the graph is empty or a number becomes infinite.
    """
    require_nodes(graph)
    return combine(graph, powers(graph, config, on_power), config)


def powers(
    graph: EmbeddingGraph, config: EmbeddingsConfig, on_power: Callable[[int, Float32], None] = lambda *_: None
) -> Iterator[Float32]:
    """P^k L R for k = 1, 2, …; with kinds in parts of their own, those side by side."""
    current = initial(graph, config, slice(0, graph.n_nodes), damping(graph.degree, config.degree_exponent))
    for k in range(1, len(config.weights) + 1):
        current = _step(graph.transitions, current, is_concatenated=is_concatenated(config))
        on_power(k, current)
        yield current


def combine(graph: EmbeddingGraph, each_power: Iterable[Float32], config: EmbeddingsConfig) -> Embeddings:
    """The weighted sum of the powers, the rule for nodes without one, and the standardisation."""
    n_threads = thread_count(config)
    total = np.zeros((graph.n_nodes, config.dim), np.float32)
    if config.self_weight:
        own = np.full(graph.n_nodes, config.self_weight, np.float32)
        total[:] = initial(graph, config, slice(0, graph.n_nodes), own)
    for weight, power in zip(config.weights, each_power, strict=True):
        if weight:
            add_power(total, power, weight, normalize=config.normalize, n_threads=n_threads)
    alone = own_projection(graph, config, total, slice(0, graph.n_nodes))
    if config.standardize:
        standardize(total, n_threads)
    require_vectors(total)
    n_isolated = int((graph.degree[alone] == 0).sum())
    return Embeddings(total, n_isolated, len(alone) - n_isolated)


def own_projection(graph: EmbeddingGraph, config: EmbeddingsConfig, total: Float32, rows: slice) -> NDArray[np.int64]:
    """Puts the own projection into rows that are zero, or whose node has no edges; returns them."""
    degree, node_hash = graph.degree[rows], graph.node_hash[rows]
    alone = np.union1d(np.flatnonzero(degree == 0), zero_rows(total)).astype(np.int64)
    found = np.empty((len(alone), config.dim), np.float32)
    ones = np.ones(len(alone), np.float32)
    project(node_hash[alone], ones, entry_spacing(graph.n_nodes, config.dim, config), config.seed, found)
    total[alone] = found
    return alone


def initial(graph: EmbeddingGraph, config: EmbeddingsConfig, rows: slice, scale: Float32) -> Float32:
    """Rows of R, each times its scale: random numbers, then those of the features."""
    node_hash = graph.node_hash[rows]
    found = np.empty((len(node_hash), config.dim), np.float32)
    n_random = config.dim if graph.features is None else max(1, round(config.dim * (1 - config.property_ratio)))
    scaled = scale[: len(node_hash)]
    for start, end in _parts(n_random, len(graph.transitions) if is_concatenated(config) else 1):
        s = entry_spacing(graph.n_nodes, end - start, config)
        project(node_hash, scaled, s, config.seed + start, found[:, start:end])
    if graph.features is not None and n_random < config.dim:
        part = graph.features.projected(rows, config.dim - n_random, config.seed)
        np.multiply(part, scaled[:, None], out=found[:, n_random:])
    return found


def damping(degree: NDArray[np.float64], exponent: float) -> Float32:
    """(degree / all degrees)^β; 1 for a node without edges."""
    share = degree / max(degree.sum(), 1e-300)
    found: NDArray[np.float64] = np.power(share, exponent, out=np.ones_like(share), where=share > 0)
    return found.astype(np.float32)


def entry_spacing(n_nodes: int, dim: int, config: EmbeddingsConfig) -> int:
    """One in how many numbers of the projection is not 0."""
    return config.sparsity or sparsity(n_nodes, dim)


def is_concatenated(config: EmbeddingsConfig) -> bool:
    """Whether each kind of edges fills columns of its own."""
    return bool(config.edge_types) and config.type_mode == "concatenated"


def thread_count(config: EmbeddingsConfig) -> int:
    """The threads that the config asks for."""
    return config.threads or usable_cores()


def require_vectors(vectors: Float32) -> None:
    """No vector may be zero or hold what is no number.

    Raises: GraphError: naming the first rows that are or do.
    """
    wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(wrong):
        hint = "choose weights nearer to 1, or a degree_exponent nearer to 0"
        raise GraphError("vectors hold numbers that are not finite", value=f"{len(wrong)} nodes", hint=hint,
                         examples=wrong[:6].tolist())  # fmt: skip
    empty = zero_rows(vectors)
    if len(empty):
        hint = "run with standardize = false, or another seed"
        raise GraphError("vectors are zero", value=f"{len(empty)} nodes", hint=hint, examples=empty[:6].tolist())


def require_nodes(graph: EmbeddingGraph) -> None:
    """A graph has a node.

    Raises: GraphError: if it has none.
    """
    if graph.n_nodes == 0:
        hint = "check that the lake has tables: lakebed doctor"
        raise GraphError("an empty graph has no vectors", expected="at least one node", hint=hint)


def _step(transitions: Sequence[Transition], current: Float32, *, is_concatenated: bool) -> Float32:
    if len(transitions) == 1:
        return transitions[0].product(current)
    if is_concatenated:
        bounds = _parts(current.shape[1], len(transitions))
        kinds = zip(transitions, bounds, strict=True)
        return np.hstack([kind.product(np.ascontiguousarray(current[:, a:b])) for kind, (a, b) in kinds])
    all_weights = sum(kind.weight for kind in transitions)
    total = np.zeros_like(current)
    for kind in transitions:
        add_power(total, kind.product(current), kind.weight / all_weights, normalize=False)
    return total


def _parts(n_columns: int, n_parts: int) -> list[tuple[int, int]]:
    bounds = [n_columns * part // n_parts for part in range(n_parts + 1)]
    return list(pairwise(bounds))

"""From the tables of a graph artifact to what the kernel embeds."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import ConfigError
from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.kernel.fastrp import EmbeddingGraph, NodeFeatures, Transition, thread_count
from lakebed.tasks.embeddings.kernel.projection import UInt64
from lakebed.tasks.encoding.sip_hashes import value_hashes
from lakebed.tasks.summary.kernel.cost_model import Choice
from lakebed.tasks.summary.kernel.csr import CsrGraph
from lakebed.tasks.summary.kernel.model import Summary
from lakebed.tasks.summary.kernel.operator import CsrOperator, chosen_operator

# part of every vector: another key would be another projection
_HASH_KEY = b"lakebed-node-key"


@dataclass(frozen=True)
class Prepared:
    """The graph for the kernel, which way its products go, and its entries (two an edge)."""

    graph: EmbeddingGraph
    choice: Choice
    n_entries: int


def node_hashes(keys: pa.Array) -> UInt64:
    """A hash of each key that depends on nothing else. Shapes: (n,) uint64."""
    return value_hashes(keys, None, _HASH_KEY)


def prepare(nodes: pa.Table, edges: pa.Table, summary: Summary | None, config: EmbeddingsConfig) -> Prepared:
    """Rows in the order of `node_id`.

    Raises:
        ConfigError: if a feature is no column of the nodes, or a kind of edge does not occur.
        GraphError: if an edge or a weight is wrong.
    """
    nodes = nodes.sort_by("node_id")
    node_hash = node_hashes(nodes["key"].combine_chunks())
    features = node_features(nodes, config.features) if config.features else None
    n_threads = thread_count(config)
    if config.edge_types:
        graphs = {kind: _csr(edges_of_kind(edges, kind), nodes.num_rows, config) for kind in config.edge_types}
        walks = {kind: CsrOperator(graph, "walk", n_threads) for kind, graph in graphs.items()}
        transitions = [Transition(walk.product, config.edge_types[kind]) for kind, walk in walks.items()]
        degree = np.sum([graph.degrees for graph in graphs.values()], axis=0)
        n_entries = sum(len(graph.indices) for graph in graphs.values())
        return Prepared(EmbeddingGraph(node_hash, degree, transitions, features), Choice.only("csr"), n_entries)
    csr = _csr(edges, nodes.num_rows, config)
    walk, choice = chosen_operator(csr, summary, config.dim, "walk", n_threads)
    graph = EmbeddingGraph(node_hash, walk.degrees, [Transition(walk.product)], features)
    return Prepared(graph, choice, len(csr.indices))


def edges_of_kind(edges: pa.Table, kind: str) -> pa.Table:
    """The edges of one kind.

    Raises: ConfigError: if there is none.
    """
    found = edges.filter(pc.equal(edges["kind"], kind))
    if found.num_rows == 0:
        known = sorted(edges["kind"].unique().to_pylist())
        raise ConfigError("no edge is of this kind", value=kind, expected=f"one of {', '.join(known)}",
                          hint="change embeddings.edge_types")  # fmt: skip
    return found


def node_features(nodes: pa.Table, names: tuple[str, ...]) -> NodeFeatures:
    """A feature for each numeric column and for each value of a text column.

    Raises: ConfigError: if there is no such column, or it is neither numbers nor text.
    """
    from scipy import sparse

    blocks, hashes = [], []
    for name in names:
        if name not in nodes.column_names:
            raise ConfigError("the nodes have no such column", value=name, expected=", ".join(nodes.column_names),
                              hint="change embeddings.features")  # fmt: skip
        column = nodes[name].combine_chunks()
        labels, values = _feature(name, column)
        blocks.append(values)
        hashes.append(node_hashes(pa.array(labels)))
    return NodeFeatures(sparse.csr_matrix(sparse.hstack(blocks), dtype=np.float32), np.concatenate(hashes))


def _feature(name: str, column: pa.Array) -> tuple[list[str], Any]:
    from scipy import sparse

    if pa.types.is_string(column.type):
        encoded = column.dictionary_encode()
        held = encoded.indices.is_valid().to_numpy(zero_copy_only=False)
        rows, places = np.flatnonzero(held), encoded.indices.drop_null().to_numpy()
        shape = (len(column), len(encoded.dictionary))
        values = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, places)), shape=shape)
        return [f"{name}={value}" for value in encoded.dictionary.to_pylist()], values
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise ConfigError("a feature is neither numbers nor text", value=f"{name}: {column.type}",
                          hint="change embeddings.features")  # fmt: skip
    numbers = np.nan_to_num(column.cast(pa.float64(), safe=False).fill_null(0).to_numpy())
    return [name], sparse.csr_matrix(numbers[:, None])


def is_weighted(edges: pa.Table, config: EmbeddingsConfig) -> bool:
    """Whether weights count and one is not 1."""
    return config.use_weights and edges.num_rows > 0 and not pc.all(pc.equal(edges["weight"], 1)).as_py()


def _csr(edges: pa.Table, n_nodes: int, config: EmbeddingsConfig) -> CsrGraph:
    pairs = np.column_stack([edges[name].to_numpy() for name in ("source", "target")]).reshape(-1, 2)
    return CsrGraph.from_edges(n_nodes, pairs, edges["weight"].to_numpy() if is_weighted(edges, config) else None)

"""A small graph artifact, as the lakegraph stage publishes it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from lakebed.connectors.delta import read_table
from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.contract import EMBEDDINGS
from lakebed.tasks.embeddings.spark import GraphTables, SparkEmbeddings
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.contract import Column, Contract
from lakebed.tasks.runtime.stage import Stage, StageMetrics, StageSpec, check_written
from lakebed.tasks.runtime.workspace import Workspace

NODES = Contract(
    name="nodes",
    version=1,
    meaning="test",
    columns=(
        Column("node_id", pa.int64(), "number"),
        Column("kind", pa.string(), "kind"),
        Column("key", pa.string(), "key"),
        Column("label", pa.string(), "label"),
    ),
    key=("node_id",),
)
EDGES = Contract(
    name="edges",
    version=1,
    meaning="test",
    columns=(
        Column("source", pa.int64(), "lesser"),
        Column("target", pa.int64(), "greater"),
        Column("weight", pa.float32(), "weight"),
        Column("kind", pa.string(), "kind"),
    ),
    key=("source", "target"),
)
SPEC = StageSpec("lakegraph", 1, {"nodes": NODES, "edges": EDGES})
N_NODES = 90


def workspace(root: Path) -> Workspace:
    return Workspace(lake=LakeConfig(root=str(root / "lake")), artifacts=str(root / "artifacts"))


def tables(n_nodes: int = N_NODES, *, is_weighted: bool = False) -> tuple[pa.Table, pa.Table]:
    """Two thirds are values; the last node has no edge."""
    draw = np.random.default_rng(0)
    pairs = np.argwhere(np.triu(draw.random((n_nodes, n_nodes)) < 0.08, 1))
    pairs = pairs[(pairs < n_nodes - 1).all(axis=1)]
    kinds = ["column" if v % 3 == 0 else "value" for v in range(n_nodes)]
    keys = [f"{kind}:{v}" for v, kind in enumerate(kinds)]
    nodes = pa.table([pa.array(range(n_nodes), pa.int64()), pa.array(kinds, pa.string()), pa.array(keys, pa.string()),
                      pa.array(keys, pa.string())], schema=NODES.arrow_schema())  # fmt: skip
    weights = draw.random(len(pairs)) + 0.5 if is_weighted else np.ones(len(pairs))
    edge_kinds = ["table_column" if u % 2 else "column_value" for u in pairs[:, 0]]
    edges = pa.table([pa.array(pairs[:, 0]), pa.array(pairs[:, 1]), pa.array(weights.astype(np.float32)),
                      pa.array(edge_kinds, pa.string())], schema=EDGES.arrow_schema())  # fmt: skip
    return nodes, edges


def publish_graph(space: Workspace, n_nodes: int = N_NODES, *, is_weighted: bool = False) -> ArtifactRef:
    nodes, edges = tables(n_nodes, is_weighted=is_weighted)
    identity = [f"{n_nodes} {is_weighted}".encode()]
    stage = Stage(SPEC, inputs=[], config=EmbeddingsConfig(), workspace=space, identity=identity)
    return stage.publish({"nodes": nodes, "edges": edges}, {}, StageMetrics())


def graph_tables(folder: Path, n_nodes: int = N_NODES, *, is_weighted: bool = False) -> GraphTables:
    """The tables of such an artifact, published in a folder."""
    space = workspace(folder)
    ref = publish_graph(space, n_nodes, is_weighted=is_weighted)
    store = ArtifactStore(space.artifacts)
    return GraphTables(store.table_uri(ref, "nodes"), store.table_uri(ref, "edges"))


def written_vectors(out: Path, embed: Callable[[str], SparkEmbeddings]) -> np.ndarray:
    """The vectors of the graph of 90 nodes, by node, as `embed` writes them to a folder that it finds empty."""
    shutil.rmtree(out, ignore_errors=True)
    found = embed(str(out))
    assert (found.n_nodes, found.n_isolated, found.n_cancelled) == (90, 1, 0)
    assert check_written(EMBEDDINGS, str(out), found.written)
    table = read_table(str(out)).sort_by("node_id")
    assert table["node_id"].to_pylist() == list(range(90))
    return np.array(table["vector"].to_pylist(), np.float32)

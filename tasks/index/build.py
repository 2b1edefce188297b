"""Building the index artifact: an index folder a kind of node, and the evidence beside."""

import time
from collections.abc import Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import GraphError
from connectors.storage import Storage
from tasks.index.config import IndexConfig
from tasks.index.contract import INDEXES
from tasks.index.evidence import FILES, write_evidence
from tasks.index.folder import IndexHead, ShardHead, ShardWork, folder_files, open_folder
from tasks.index.kernel.flat import Float32
from tasks.index.versions import build_folder, build_here
from tasks.runtime.artifacts import ArtifactRef
from tasks.runtime.progress import shown
from tasks.runtime.stage import Stage, StageMetrics
from tasks.runtime.workspace import Workspace

N_TIMED_QUERIES = 200
K_TIMED = 10
# what the embeddings artifact calls its table and columns
EMBEDDINGS, NODE, VECTOR = "embeddings", "node_id", "vector"


def build_artifact(
    stage: Stage, lakegraph: ArtifactRef, embeddings: ArtifactRef, workspace: Workspace, config: IndexConfig
) -> ArtifactRef:
    """Reads vectors and graph, builds every kind's index, writes the evidence, publishes.

    Raises: as `run_index`.
    """
    metrics = StageMetrics()
    nodes = stage.read(lakegraph, "nodes")
    vectors, place = read_vectors(stage, embeddings, nodes.num_rows)
    rows: list[dict[str, object]] = []
    files: list[str] = []
    for kind in config.kinds:
        chosen = nodes.filter(pc.and_(pc.equal(nodes["kind"], kind), pa.array(place >= 0)))
        if not chosen.num_rows:
            continue
        uri = f"{stage.folder}/vectors/{kind}"
        with metrics.step(kind), shown().step(f"Indexing {chosen.num_rows:,} {kind} vectors"):
            row, head = _build_kind(uri, chosen, vectors[place[chosen["node_id"].to_numpy()]], workspace, config)
        rows.append({"kind": kind, **row})
        files += [f"vectors/{kind}/{path}" for path in folder_files(head)]
    if not rows:
        raise GraphError(
            "there is nothing to index", value=", ".join(config.kinds), expected="nodes of these kinds with vectors"
        )
    with metrics.step("evidence"), shown().step("Writing why things are near"):
        graph = (nodes, stage.read(lakegraph, "edges"), stage.read(lakegraph, "graph_columns"))
        write_evidence(Storage.at(stage.folder), *graph)
    summary = {"indexes": len(rows), "items": sum(int(str(row["n_items"])) for row in rows)}
    summary["vectors"] = sum(int(str(row["n_vectors"])) for row in rows)
    return stage.publish({"indexes": INDEXES.table(rows)}, summary, metrics, files=[*files, *FILES])


def read_vectors(
    stage: Stage, embeddings: ArtifactRef, n_nodes: int
) -> tuple[Float32, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The vectors, (m, dim), and for each node the row that has its vector, -1 where none."""
    table = stage.read(embeddings, EMBEDDINGS, [NODE, VECTOR])
    flat = pc.list_flatten(table[VECTOR]).to_numpy()
    vectors = np.asarray(flat, np.float32).reshape(table.num_rows, -1)
    place = np.full(n_nodes, -1, np.int64)
    place[table[NODE].to_numpy()] = np.arange(table.num_rows)
    return vectors, place


def _build_kind(
    uri: str, nodes: pa.Table, vectors: Float32, workspace: Workspace, config: IndexConfig
) -> tuple[dict[str, object], IndexHead]:
    items = pa.table({"id": nodes["key"], "label": nodes["label"], "node_id": nodes["node_id"]})
    started = time.process_time()
    head = build_folder(uri, items, vectors, config, partial(_build_shards, workspace))
    build_s = time.process_time() - started
    row: dict[str, object] = {
        "method": head.method,
        "n_items": head.n_items,
        "n_vectors": head.n_vectors,
        "dim": head.dim,
        "n_shards": len(head.shards),
        "ef": max(shard.ef for shard in head.shards),
        "recall_target": head.recall_target,
        "recall": head.recall,
        "query_us": _query_us(uri, vectors),
        "build_s": build_s,
    }
    return row, head


def _build_shards(workspace: Workspace, works: Sequence[ShardWork]) -> list[ShardHead]:
    """Here where there is one shard, else on Spark."""
    if len(works) == 1:
        return build_here(works)
    from connectors.spark.session import shared_session
    from tasks.index.spark import build_on_spark

    return build_on_spark(shared_session(workspace.spark).get(), works)


def _query_us(uri: str, vectors: Float32) -> float:
    """CPU time of one query, asked one at a time, as a user does."""
    index = open_folder(uri)
    chosen = np.linspace(0, len(vectors) - 1, min(N_TIMED_QUERIES, len(vectors))).astype(np.int64)
    started = time.process_time()
    for row in chosen.tolist():
        index.search(vectors[row], K_TIMED)
    return (time.process_time() - started) / len(chosen) * 1e6

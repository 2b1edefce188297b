"""Building the index artifact: an index folder a kind of node, and the evidence beside."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakebed.connectors.errors import GraphError
from lakebed.connectors.storage import Storage
from lakebed.tasks.index.config import IndexConfig, Vectors
from lakebed.tasks.index.contract import INDEXES
from lakebed.tasks.index.evidence import FILES, write_evidence
from lakebed.tasks.index.folder import (
    BuildShards,
    IndexHead,
    ShardHead,
    ShardWork,
    build_folder,
    build_here,
    build_one,
    folder_files,
    open_folder,
)
from lakebed.tasks.index.kernel.flat import Float32
from lakebed.tasks.index.previous import EF_ANEW, Start
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.runtime.stage import Stage, StageMetrics
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.scan.choice import engine_for
from lakebed.tasks.scan.engine import Engine, Work, collect

_SCHEMA = pa.schema([pa.field("number", pa.int32(), nullable=False), pa.field("head", pa.string(), nullable=False)])

N_TIMED_QUERIES = 200
K_TIMED = 10
# what the embeddings artifact calls its table and columns
EMBEDDINGS, NODE, VECTOR = "embeddings", "node_id", "vector"
# and the links artifact its own
LINKS_TABLE, LINKS_COLUMNS = "vectors", {"gnn": "vector", "stack": "stacked"}
# lakegraph, embeddings, links
Inputs = tuple[ArtifactRef, ArtifactRef, ArtifactRef | None]


def build_artifact(
    stage: Stage, inputs: Inputs, workspace: Workspace, config: IndexConfig, share: float = 0.0
) -> ArtifactRef:
    """Reads vectors and graph, builds every kind's index, writes the evidence, publishes.

    Args:
        stage: the index stage; its start, where it has one, is gone on from.
        inputs: lakegraph, embeddings, links.
        workspace: where shards are built by an engine.
        config: of the index.
        share: of a kind's vectors that may be other than the start's.

    Raises: as the stage's `build`.
    """
    metrics, storage = StageMetrics(), Storage.at(stage.folder)
    nodes = stage.read(inputs[0], "nodes")
    # hnswlib and numpy's sorts, of which most of both is made, leave the interpreter to each other
    with ThreadPoolExecutor(1, thread_name_prefix="evidence") as beside:
        writing = beside.submit(copy_context().run, _write_evidence, storage, stage, inputs[0], nodes, metrics)
        nodes_in = nodes.filter(pc.is_in(nodes["kind"], value_set=pa.array(config.kinds)))
        found = chosen_vectors(stage, inputs, nodes_in["node_id"].to_numpy(), config)
        makers = partial(_build_shards, workspace)
        start = _start(stage, share)
        rows, files, n_drawn = _build_kinds(stage.folder, nodes_in, found, (makers, start), config, metrics)
        writing.result()
    if start is not None:
        metrics.changes, metrics.anew = start.changes, "" if start.changes else start.anew
    summary: dict[str, object] = {"indexes": len(rows), "items": sum(int(str(row["n_items"])) for row in rows)}
    summary |= {"vectors": sum(int(str(row["n_vectors"])) for row in rows), "source": found.source, "drawn": n_drawn}
    widths = {str(row["kind"]): int(str(row["ef"])) for row in rows}
    summary[EF_ANEW] = {**widths, **(start.ef_anew if start else {})}
    return stage.publish({"indexes": INDEXES.table(rows)}, summary, metrics, files=[*files, *FILES])


def _write_evidence(
    storage: Storage, stage: Stage, lakegraph: ArtifactRef, nodes: pa.Table, metrics: StageMetrics
) -> None:
    with metrics.step("evidence"), shown().step("Writing why things are near"):
        edges, columns, values = (stage.read(lakegraph, name) for name in ("edges", "graph_columns", "column_values"))
        write_evidence(storage, nodes, edges, columns, values)


def _start(stage: Stage, share: float) -> Start | None:
    """The previous artifact, where this one may go on from it."""
    earlier = stage.start
    if earlier is None:
        return None
    held = earlier.summary.get(EF_ANEW)
    ef_anew = {str(kind): int(ef) for kind, ef in held.items()} if isinstance(held, dict) else {}
    return Start(lambda kind: stage.store.storage.uri(earlier.stage, earlier.key, "vectors", kind), share, ef_anew)


def _build_kinds(
    folder: str,
    nodes: pa.Table,
    found: "NodeVectors",
    makers: tuple[BuildShards, Start | None],
    config: IndexConfig,
    metrics: StageMetrics,
) -> tuple[list[dict[str, object]], list[str], int]:
    """A row and the files of each kind's index, and how many vectors were drawn.

    Raises: GraphError: if no kind has a node with a vector.
    """
    rows: list[dict[str, object]] = []
    files: list[str] = []
    n_drawn = 0
    for kind in config.kinds:
        chosen = nodes.filter(pc.equal(nodes["kind"], kind))
        vectors, n_without = found.of(chosen["node_id"].to_numpy(), config.seed)
        if not len(vectors):
            continue
        n_drawn += n_without
        with metrics.step(kind), shown().step(f"Indexing {chosen.num_rows:,} {kind} vectors"):
            build, start = makers
            carry = build if start is None else partial(start.carry_over, kind, build)
            row, head = _build_kind(f"{folder}/vectors/{kind}", chosen, vectors, carry, config)
        rows.append({"kind": kind, **row})
        files += [f"vectors/{kind}/{path}" for path in folder_files(head)]
    if not rows:
        raise GraphError(
            "there is nothing to index", value=", ".join(config.kinds), expected="nodes of these kinds with vectors"
        )
    return rows, files, n_drawn


@dataclass(frozen=True)
class NodeVectors:
    """Vectors by node. Shapes: rows (m, dim); place (n,) the row of each node, -1 where it has none.

    Attributes:
        source: `fastrp`, `gnn` or `stack`.
    """

    source: Vectors
    rows: Float32
    place: NDArray[np.int64]

    def of(self, nodes: NDArray[np.int64], seed: int) -> tuple[Float32, int]:
        """The vectors of nodes of one kind, and how many were drawn; none where no node of the kind has one.

        A network can leave a node without any direction, as one that touches nothing; it is given one of its own, drawn
        from its number. Embeddings are taken as they are. Shapes: nodes (k,); result (k or 0, dim).
        """
        place = self.place[nodes]
        if not (place >= 0).any():
            return self.rows[:0], 0
        found = self.rows[np.maximum(place, 0)]
        if self.source == "fastrp":
            return found[place >= 0], 0
        without = np.flatnonzero((place < 0) | ~found.any(axis=1))
        for at in without.tolist():
            found[at] = np.random.default_rng([seed, int(nodes[at])]).standard_normal(found.shape[1])
        return found, len(without)


def chosen_vectors(stage: Stage, inputs: Inputs, nodes: NDArray[np.int64], config: IndexConfig) -> NodeVectors:
    """What the config names; the embeddings where the link predictor found too few links to be trained on.

    Of the nodes given, (k,), and maybe of others.
    """
    _, embeddings, links = inputs
    if links is not None and config.vectors != "fastrp":
        found = read_vectors(stage, links, LINKS_TABLE, (NODE, LINKS_COLUMNS[config.vectors]), nodes)
        if len(found[0]):
            return NodeVectors(config.vectors, *found)
        shown().note("no link predictor was trained on this graph: the index is built from the embeddings")
    return NodeVectors("fastrp", *read_vectors(stage, embeddings, EMBEDDINGS, (NODE, VECTOR), nodes))


def read_vectors(
    stage: Stage, ref: ArtifactRef, name: str, columns: tuple[str, str], nodes: NDArray[np.int64]
) -> tuple[Float32, NDArray[np.int64]]:
    """The vectors, (m, dim), and for each node up to the last of `nodes` the row that has its vector, -1 where none."""
    node, vector = columns
    n_nodes = int(nodes.max(initial=-1)) + 1
    table = stage.read(ref, name, [node, vector], below=(node, n_nodes))
    flat = pc.list_flatten(table[vector]).to_numpy()
    vectors = np.asarray(flat, np.float32).reshape(table.num_rows, -1 if table.num_rows else 1)
    place = np.full(n_nodes, -1, np.int64)
    place[table[node].to_numpy()] = np.arange(table.num_rows)
    return vectors, place


def _build_kind(
    uri: str, nodes: pa.Table, vectors: Float32, build: BuildShards, config: IndexConfig
) -> tuple[dict[str, object], IndexHead]:
    items = pa.table({"id": nodes["key"], "label": nodes["label"], "node_id": nodes["node_id"]})
    started = time.thread_time()
    head = build_folder(uri, items, vectors, config, build)
    build_s = time.thread_time() - started
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


def _build_shards(workspace: Workspace, works: Sequence[ShardWork], _: pa.Array) -> list[ShardHead]:
    """Here where there is one shard, else by an engine."""
    return build_here(works) if len(works) == 1 else build_by(engine_for(workspace), works)


def _query_us(uri: str, vectors: Float32) -> float:
    """CPU time of one query, asked one at a time, as a user does."""
    index = open_folder(uri)
    chosen = np.linspace(0, len(vectors) - 1, min(N_TIMED_QUERIES, len(vectors))).astype(np.int64)
    started = time.thread_time()
    for row in chosen.tolist():
        index.search(vectors[row], K_TIMED)
    return (time.thread_time() - started) / len(chosen) * 1e6


def build_by(engine: Engine, works: Sequence[ShardWork]) -> list[ShardHead]:
    """Builds every shard in a worker of the engine; the same files as `build_here` makes.

    Raises: ArtifactError: as `build_one`.
    """
    work = Work(_build_task, _SCHEMA, f"Building {len(works):,} shards")
    rows = collect(engine, work, list(enumerate(works))).sort_by("number")
    return [ShardHead.model_validate_json(text) for text in rows["head"].to_pylist()]


def _build_task(task: tuple[int, ShardWork]) -> list[pa.RecordBatch]:
    number, work = task
    head = build_one(work).model_dump_json()
    return [pa.RecordBatch.from_arrays([pa.array([number], pa.int32()), pa.array([head])], schema=_SCHEMA)]

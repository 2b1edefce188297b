"""Building the embeddings artifact: the powers, computed or found, then their weighted sum."""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from lakebed.connectors.errors import GraphError, StageError
from lakebed.connectors.storage import Storage, StoredFile
from lakebed.tasks.embeddings.config import POWERS as POWERS_ARTIFACT
from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.contract import POWERS, POWERS_CONTRACTS, vector_table
from lakebed.tasks.embeddings.graph import Prepared, prepare
from lakebed.tasks.embeddings.kernel.fastrp import Embeddings, combine, embed
from lakebed.tasks.embeddings.kernel.orthogonal import embed_by_rounds
from lakebed.tasks.embeddings.kernel.projection import Float32
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.runtime.stage import Stage, StageMetrics, StageSpec
from lakebed.tasks.summary.kernel.model import Summary


def build_artifact(
    stage: Stage, lakegraph: ArtifactRef, summary: ArtifactRef | None, config: EmbeddingsConfig
) -> ArtifactRef:
    """Here up to `local_max_values`, on Spark beyond, and says which.

    Raises: as the stage's `build`.
    """
    tables = stage.store.manifest(lakegraph).tables
    n_nodes, n_edges = tables["nodes"].n_rows, tables["edges"].n_rows
    if n_nodes == 0:
        hint = "check that the lake has tables: lakebed doctor"
        raise GraphError("an empty graph has no vectors", expected="at least one node", hint=hint)
    cost = cost_of(n_nodes, 2 * n_edges, config)
    shown().note(cost.text())
    if n_nodes * config.dim > config.local_max_values:
        return _on_spark(stage, lakegraph, config)
    return _locally(stage, lakegraph, summary, config, is_long=cost.cpu_s >= KEEP_ROUNDS_S)


def _locally(
    stage: Stage, lakegraph: ArtifactRef, summary: ArtifactRef | None, config: EmbeddingsConfig, *, is_long: bool
) -> ArtifactRef:
    work = partial(_rounds, is_long=is_long) if config.method == "orthogonal" else _embed
    metrics = StageMetrics()
    with metrics.step("read"), shown().step("Reading the graph"):
        prepared = _prepare(stage, lakegraph, summary, config)
    with metrics.step("embed"), shown().step(f"Embedding {prepared.graph.n_nodes:,} nodes ({prepared.choice.way})"):
        found = work(stage, prepared, config)
    with metrics.step("publish"), shown().step("Publishing the vectors"):
        facts = {"nodes": len(found.vectors), "dim": config.dim, "way": prepared.choice.way, "engine": "local"}
        counts = {"isolated": found.n_isolated, "cancelled": found.n_cancelled}
        return stage.publish({"embeddings": vector_table(found.vectors)}, {**facts, **counts}, metrics)


def _prepare(stage: Stage, lakegraph: ArtifactRef, summary: ArtifactRef | None, config: EmbeddingsConfig) -> Prepared:
    nodes = stage.read(lakegraph, "nodes", None if config.features else ["node_id", "key"])
    kind = ["kind"] if config.edge_types else []
    edges = stage.read(lakegraph, "edges", ["source", "target", "weight", *kind])
    return prepare(nodes, edges, None if summary is None else read_summary(stage, summary, nodes.num_rows), config)


def read_summary(stage: Stage, ref: ArtifactRef, n_nodes: int) -> Summary:
    """The summary of an artifact; checked to be of as many nodes."""
    from lakebed.tasks.summary.kernel.model import SignedEdges

    forest = stage.read(ref, "forest", ["node", "parent"]).sort_by("node")
    edges = stage.read(ref, "signed_edges", ["source", "target", "sign"])
    edges = edges.sort_by([("source", "ascending"), ("target", "ascending")])
    if forest.num_rows < n_nodes:
        hint = "lakebed run --only summary"
        raise StageError("the summary is of another graph", value=f"{forest.num_rows} nodes",
                         expected=f"at least {n_nodes}", hint=hint)  # fmt: skip
    ends = [edges[name].to_numpy() for name in ("source", "target", "sign")]
    return Summary(n_nodes, forest["parent"].to_numpy(), SignedEdges(*ends))


POWERS_SPEC = StageSpec(POWERS_ARTIFACT, 1, POWERS_CONTRACTS)


def powers_stage(stage: Stage, config: EmbeddingsConfig, *, is_local: bool) -> Stage:
    """Where the powers of an embeddings stage lie: under a key without weights, so that other weights find them."""
    identity = [b"local" if is_local else f"spark {config.rows_per_block}".encode()]
    return Stage(
        POWERS_SPEC, inputs=stage.inputs, config=config.powers_part(), workspace=stage.workspace, identity=identity
    )


def _embed(stage: Stage, prepared: Prepared, config: EmbeddingsConfig) -> Embeddings:
    store = powers_stage(stage, config, is_local=True)
    if store.reuse():
        return combine(prepared.graph, _kept_powers(store, len(config.weights)), config)
    if not config.keep_powers:
        return embed(prepared.graph, config)
    found = embed(prepared.graph, config, lambda k, power: _write_power(store, k, power))
    rows = [_power_row(k, found.vectors) for k in range(1, len(config.weights) + 1)]
    paths = [str(row["path"]) for row in rows]
    store.publish({"powers": POWERS.table(rows)}, {"way": prepared.choice.way}, StageMetrics(), side_files=paths)
    return found


def _rounds(stage: Stage, prepared: Prepared, config: EmbeddingsConfig, *, is_long: bool) -> Embeddings:
    """Orthogonal rounds; where they take long, each is kept until the next one is, and a run after a kill goes on."""
    if not is_long:
        return embed_by_rounds(prepared.graph, config)
    place = rounds_folder(stage)
    found = embed_by_rounds(prepared.graph, config, _keep_round(place), last_round(place))
    place.delete_folder("")
    return found


def rounds_folder(stage: Stage) -> Storage:
    """Not the stage's own folder: that is emptied when a run begins."""
    return Storage.at(stage.store.storage.uri("checkpoints", stage.spec.name, stage.key))


def _keep_round(place: Storage) -> Callable[[int, Float32], None]:
    def keep(number: int, current: Float32) -> None:
        stream = io.BytesIO()
        np.save(stream, current, allow_pickle=False)
        data = stream.getvalue()
        before = _kept(place)
        place.write_bytes_atomic(f"{number:04d}-{hashlib.sha256(data).hexdigest()}.npy", data)
        for file in before:
            place.delete_file(file.path)

    return keep


def _kept(place: Storage) -> list[StoredFile]:
    # there may be no folder yet
    return place.list_files(on_error=lambda *_: None)


def last_round(place: Storage) -> tuple[int, Float32] | None:
    """The last round that was kept whole, its number first; None where there is none."""
    for file in reversed(_kept(place)):
        number, _, digest = file.path.removesuffix(".npy").partition("-")
        data = place.read_bytes(file.path)
        if hashlib.sha256(data).hexdigest() == digest:
            return int(number), np.load(io.BytesIO(data), allow_pickle=False)
    return None


def _power_row(k: int, vectors: Float32) -> dict[str, object]:
    return {"power": k, "path": f"files/{k}.npy", "n_nodes": len(vectors), "dim": vectors.shape[1]}


def _write_power(store: Stage, k: int, power: Float32) -> None:
    with Storage.at(store.folder).open_output(f"files/{k}.npy") as stream:
        np.lib.format.write_array(stream, power, allow_pickle=False)


def _kept_powers(store: Stage, n_powers: int) -> Iterator[Float32]:
    for k in range(1, n_powers + 1):
        with Storage.at(store.folder).open(f"files/{k}.npy") as stream:
            yield np.lib.format.read_array(stream, allow_pickle=False)


def _on_spark(stage: Stage, lakegraph: ArtifactRef, config: EmbeddingsConfig) -> ArtifactRef:
    from lakebed.connectors.spark.session import shared_session
    from lakebed.tasks.embeddings.spark import GraphTables, embed_on_spark
    from lakebed.tasks.embeddings.spark_rounds import embed_by_rounds_on_spark

    metrics = StageMetrics()
    # not the stage's own folder: that is emptied when a run begins, and this is what a killed run goes on from
    is_fastrp = config.method == "fastrp"
    kept = ("powers", powers_stage(stage, config, is_local=False).key) if is_fastrp else (stage.spec.name, stage.key)
    place = stage.store.storage.uri("checkpoints", *kept)
    uris = GraphTables(*(stage.store.table_uri(lakegraph, name) for name in ("nodes", "edges")))
    with metrics.step("embed"):
        session = shared_session(stage.workspace.spark).get()
        on_spark = embed_on_spark if is_fastrp else embed_by_rounds_on_spark
        found = on_spark(session, uris, config, place, stage.table_uri("embeddings"))
    if not (is_fastrp and config.keep_powers):
        Storage.at(place).delete_folder("")
    facts = {"nodes": found.n_nodes, "dim": config.dim, "way": "csr", "engine": "spark"}
    counts = {"isolated": found.n_isolated, "cancelled": found.n_cancelled}
    return stage.publish({"embeddings": found.written}, {**facts, **counts}, metrics)


# measured on one core: a product's cost an entry and column, everything else's cost a number
_PRODUCT_NS, _NUMBER_NS = 0.25, 15.0
# an orthogonalisation's, a number and column
_FACTORING_NS = 1.0
_FIXED_BYTES = 200 << 20
# CPU seconds of orthogonal rounds from which on each is kept
KEEP_ROUNDS_S = 60.0


@dataclass(frozen=True)
class Estimate:
    """CPU seconds of one thread, peak memory and what is written, in bytes."""

    cpu_s: float
    peak_bytes: int
    written_bytes: int

    def text(self) -> str:
        """One line."""
        return (
            f"embedding: about {self.cpu_s:,.1f} s of CPU, {self.peak_bytes / 1e6:,.0f} MB of memory, "
            f"{self.written_bytes / 1e6:,.0f} MB written"
        )


def cost_of(n_nodes: int, n_entries: int, config: EmbeddingsConfig) -> Estimate:
    """Of the method chosen."""
    if config.method == "fastrp":
        return estimate(n_nodes, n_entries, config.dim, len(config.weights), keeps_powers=config.keep_powers)
    rounds = estimate(n_nodes, n_entries, config.dim, config.orthogonal_rounds, keeps_powers=False)
    n_factorings = 2 + config.orthogonal_rounds // config.orthogonal_every
    factoring_s = n_factorings * n_nodes * config.dim**2 * _FACTORING_NS * 1e-9
    return Estimate(rounds.cpu_s + factoring_s, rounds.peak_bytes + 16 * config.dim**2, rounds.written_bytes)


def estimate(n_nodes: int, n_entries: int, dim: int, n_powers: int, *, keeps_powers: bool) -> Estimate:
    """Three matrices and the graph in memory; each power and the vectors on disk."""
    n_numbers = n_nodes * dim
    seconds = n_powers * n_entries * dim * _PRODUCT_NS + (n_powers + 2) * n_numbers * _NUMBER_NS
    n_written = n_numbers * (1 + n_powers * keeps_powers)
    return Estimate(seconds * 1e-9, 12 * n_numbers + 12 * n_entries + _FIXED_BYTES, 4 * n_written)

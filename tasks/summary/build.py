"""Building the summary artifact: merges with a checkpoint an iteration, encodes, decodes, publishes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakebed.connectors.errors import GraphError
from lakebed.connectors.memory import usable_memory
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.contract import Contract
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.runtime.stage import Stage, StageMetrics
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.summary.checkpoint import Checkpoint
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.contract import ARRAYS, FOREST, LEVELS, SIGNED_EDGES
from lakebed.tasks.summary.export import save_arrays
from lakebed.tasks.summary.kernel.encoding import more_work_bytes
from lakebed.tasks.summary.kernel.graph import Graph, build_graph
from lakebed.tasks.summary.kernel.merging import MergeLog, next_iteration
from lakebed.tasks.summary.kernel.model import STORED_FORM, Summary
from lakebed.tasks.summary.kernel.profile import level_profile
from lakebed.tasks.summary.kernel.summarize import summarize_graph
from lakebed.tasks.summary.previous import summary_from_start
from lakebed.tasks.summary.verify import require_lossless

# what a job's message may hold a node (the forest) and an edge (the summary that is decoded), each in two functions
_NODE_BYTES, _EDGE_BYTES = 88, 80


def build_artifact(
    stage: Stage, graph: ArtifactRef, workspace: Workspace, config: SummaryConfig, changed_share: float = 0.0
) -> ArtifactRef:
    """Takes the local kernel up to `local_max_edges`, Spark beyond; both make the same summary.

    Args:
        stage: where it is published; its start is gone on from where few enough edges are other.
        graph: lake graph.
        workspace: of the run.
        config: of the stage.
        changed_share: share of the edges that may be.

    Raises: as the stage's `build`.
    """
    manifest = stage.store.manifest(graph)
    n_nodes, n_rows = manifest.tables["nodes"].n_rows, manifest.tables["edges"].n_rows
    metrics = StageMetrics()
    checkpoint = Checkpoint(stage.store.storage, f"checkpoints/{stage.spec.name}/{stage.key}", stage.key)
    if n_rows > config.local_max_edges:
        from lakebed.connectors.spark.connect import require_message
        from lakebed.tasks.summary.spark import summarize_on_spark

        require_message(workspace.spark, _NODE_BYTES * n_nodes + _EDGE_BYTES * n_rows)
        uri = stage.store.table_uri(graph, "edges")
        with metrics.step("summarise"):
            summary, facts = summarize_on_spark(uri, n_nodes, config, workspace, checkpoint)
    else:
        summary, facts = _locally(stage, graph, config, checkpoint, metrics, changed_share)
    with metrics.step("publish"), shown().step("Publishing the summary"):
        ref = publish(stage, summary, facts, metrics)
    checkpoint.clear()
    return ref


def _locally(
    stage: Stage,
    ref: ArtifactRef,
    config: SummaryConfig,
    checkpoint: Checkpoint,
    metrics: StageMetrics,
    changed_share: float,
) -> tuple[Summary, dict[str, object]]:
    with metrics.step("read"):
        graph = read_graph(stage, ref)
    if stage.start is not None:
        with metrics.step("start"), shown().step("Going on from the previous summary"):
            found = summary_from_start(stage, stage.start, ref, graph, config, changed_share)
        if found.summary is not None:
            metrics.changes |= found.changes
            return found.summary, {**graph_facts(graph), **found.facts}
        metrics.anew = found.why_not
    with metrics.step("summarise"):
        summary, log = with_progress(graph, config, checkpoint)
    with metrics.step("verify"), shown().step("Decoding the summary"):
        require_lossless(summary, graph.edges())
    return summary, graph_facts(graph) | {"iterations": len(log.ends)}


def read_graph(stage: Stage, ref: ArtifactRef) -> Graph:
    """The graph of an artifact with tables `nodes` and `edges`."""
    edges = stage.read(ref, "edges", ["source", "target"])
    n_nodes = stage.store.manifest(ref).tables["nodes"].n_rows
    pairs = np.column_stack([edges[name].to_numpy() for name in ("source", "target")])
    return build_graph(pairs.astype(np.int64, copy=False), n_nodes)


def with_progress(graph: Graph, config: SummaryConfig, checkpoint: Checkpoint) -> tuple[Summary, MergeLog]:
    """Summarises from the checkpoint on, and keeps each iteration there."""
    require_memory(graph.n_nodes, graph.n_edges)
    log = checkpoint.load()
    with shown().step("Merging", total=config.iterations) as step:
        step.advance(len(log.ends))
        latest = [log]

        def keep(found: MergeLog) -> None:
            checkpoint.save(found)
            latest[0] = found
            if next_iteration(found, config) is not None:
                step.advance()

        summary = summarize_graph(graph, config, log, keep)
    return summary, latest[0]


def graph_facts(graph: Graph) -> dict[str, object]:
    """Counts of the input that go into the artifact's summary."""
    return {"n_edges": graph.n_edges, "n_self_loops": graph.n_self_loops, "n_duplicates": graph.n_duplicates}


def publish(stage: Stage, summary: Summary, facts: dict[str, object], metrics: StageMetrics) -> ArtifactRef:
    """Writes tables and arrays, then the manifest."""
    folder = f"{stage.spec.name}/{stage.key}"
    _ = stage.folder  # empties it: files are written before `publish` does
    save_arrays(stage.store.storage, folder, summary)
    return stage.publish(tables(summary), counts(summary, facts), metrics, files=list(ARRAYS.values()))


def tables(summary: Summary) -> dict[str, pa.Table]:
    """The artifact's tables."""
    edges = summary.signed_edges
    profile = level_profile(summary)
    return {
        "forest": _table(FOREST, [np.arange(summary.n_forest, dtype=np.int32), summary.parent]),
        "signed_edges": _table(SIGNED_EDGES, [edges.source, edges.target, edges.sign]),
        "levels": _table(
            LEVELS, [profile.level, profile.n_vertices, profile.n_internal, profile.n_plus, profile.n_minus]
        ),
    }


def _table(contract: Contract, columns: Sequence[NDArray[Any]]) -> pa.Table:
    return pa.table([pa.array(column) for column in columns], schema=contract.arrow_schema())


def counts(summary: Summary, facts: dict[str, object]) -> dict[str, object]:
    """What the manifest says of a summary; depends on its content only."""
    n_edges = int(str(facts["n_edges"]))
    signs = summary.signed_edges.sign
    return facts | {
        "n_nodes": summary.n_nodes,
        "n_forest": summary.n_forest,
        "cost": summary.cost(),
        "p_edges": int((signs > 0).sum()),
        "n_minus_edges": int((signs < 0).sum()),
        "h_edges": summary.n_hierarchy,
        "ratio": round(summary.cost() / n_edges, 6) if n_edges else 0.0,
        "bits_per_edge": round(summary.bits_per_edge(n_edges), 4),
        "stored_form": STORED_FORM,
        "is_lossless": True,
    }


_EDGE_BYTES, _EDGE_PEAK_BYTES = 8, 150
_NODE_BYTES, _NODE_PEAK_BYTES = 8, 120
_SECONDS_AN_EDGE = 8e-6


@dataclass(frozen=True)
class Estimate:
    """Bytes of the loaded graph, bytes above it at the peak, CPU seconds of twenty iterations; rough upper bounds.

    The peak includes what each further thread of the encoding takes.
    """

    graph_bytes: int
    peak_bytes: int
    cpu_s: float

    @property
    def total_bytes(self) -> int:
        """Graph and work together."""
        return self.graph_bytes + self.peak_bytes


def estimate(n_nodes: int, n_edges: int) -> Estimate:
    """Memory and time of the local kernel; hub-heavy graphs set the constant of time."""
    return Estimate(
        graph_bytes=_EDGE_BYTES * n_edges + _NODE_BYTES * n_nodes,
        peak_bytes=_EDGE_PEAK_BYTES * n_edges + _NODE_PEAK_BYTES * n_nodes + more_work_bytes(n_nodes),
        cpu_s=_SECONDS_AN_EDGE * n_edges,
    )


def require_memory(n_nodes: int, n_edges: int) -> Estimate:
    """The estimate, where it fits into this machine's memory.

    Raises:
        GraphError: if it does not.
    """
    found, limit = estimate(n_nodes, n_edges), usable_memory().total_bytes
    if found.total_bytes > limit:
        raise GraphError(
            "the graph is too large for this machine's memory",
            value=f"{n_nodes:,} nodes, {n_edges:,} edges: about {found.total_bytes:,} bytes",
            expected=f"at most {limit:,} bytes",
            hint="lower `summary.local_max_edges`, so that Spark makes the summary",
        )
    return found

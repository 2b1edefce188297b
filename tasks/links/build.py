"""Building the links artifact: what is linked, the ladder, node metrics, missing links, the card."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from lakebed.connectors.storage import Storage
from lakebed.tasks.keys.lake import READ, lake_of_graph
from lakebed.tasks.links import outcome
from lakebed.tasks.links.card import model_card
from lakebed.tasks.links.config import LinksConfig
from lakebed.tasks.links.contract import CARD, CONTRACTS, MODELS
from lakebed.tasks.links.fit import CheckpointPlace, Fitted, LinkTask, edge_task, fit_task, inputs_on, lake_task
from lakebed.tasks.links.kernel.geometry import rung_directions, rung_weights, stacked_vectors
from lakebed.tasks.links.kernel.ladder import LadderInputs
from lakebed.tasks.links.kernel.lake_pairs import LakeGraph, hold_values_out
from lakebed.tasks.links.kernel.neighbours import adjacency
from lakebed.tasks.links.kernel.nodes import node_metrics
from lakebed.tasks.links.kernel.split import TooFewLinksError
from lakebed.tasks.links.predict import LakeColumns, edge_predictions, lake_predictions
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.runtime.stage import Stage, StageMetrics
from lakebed.tasks.runtime.workspace import Workspace

Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class _Problem:
    """The task, the whole graph, and how the split was made. Shapes: whole (n, n)."""

    task: LinkTask
    whole: sparse.csr_array
    rule: str


@dataclass(frozen=True)
class _Read:
    """What the stage reads. Shapes: keys (k, 2) columns of which one refers to the other."""

    nodes: pa.Table
    edges: pa.Table
    keys: Int64

    @property
    def is_lake(self) -> bool:
        """Whether the graph is that of tables, columns and values."""
        return bool(pc.any(pc.equal(self.nodes["kind"], "column")).as_py())

    @property
    def pairs(self) -> Int64:
        """The edges, (m, 2)."""
        return np.stack([self.edges["source"].to_numpy(), self.edges["target"].to_numpy()], axis=1).astype(np.int64)


def build_artifact(
    stage: Stage, inputs: tuple[ArtifactRef, ArtifactRef], workspace: Workspace, config: LinksConfig
) -> ArtifactRef:
    """Trains and measures on what may be read, then scores candidates on the whole graph.

    A graph with too few links to learn from is no failure: the tables are empty, but for the predictions of a lake,
    which are learnt from nothing; and the summary says why.

    Args:
        stage: where it is published.
        inputs: lake graph and keys.
        workspace: of the run.
        config: of the stage.

    Raises: as the stage's `build`.
    """
    metrics, (lakegraph, keys) = StageMetrics(), inputs
    nodes, edges = stage.read(lakegraph, "nodes").sort_by("node_id"), stage.read(lakegraph, "edges")
    read = _Read(nodes, edges, read_keys(stage, keys))
    config = config.for_graph(nodes.num_rows)
    place = _checkpoint_place(stage, workspace, config)
    predictions = CONTRACTS["predictions"].arrow_schema().empty_table()
    if read.is_lake:
        with metrics.step("predict"), shown().step("Looking for missing links"):
            predictions = lake_predictions(read_columns(stage, lakegraph), read.keys, nodes, config)
    try:
        made = _train(read, config, place, metrics)
    except TooFewLinksError as error:
        _forget_checkpoints(place)
        return _publish_untrained(stage, error, predictions, metrics)
    if not read.is_lake:
        with metrics.step("predict"), shown().step("Looking for missing links"):
            predictions = edge_predictions(*made[:2], read.pairs, nodes, config)
    with metrics.step("publish"), shown().step("Publishing links"):
        ref = _publish(stage, made, predictions, config, metrics)
    _forget_checkpoints(place)
    return ref


def read_keys(stage: Stage, ref: ArtifactRef) -> Int64:
    """The columns of which one refers to the other, by their nodes, (k, 2)."""
    table = stage.read(ref, "foreign_keys", ["child_node", "parent_node"])
    return np.stack([table["child_node"].to_numpy(), table["parent_node"].to_numpy()], axis=1).astype(np.int64)


def read_columns(stage: Stage, lakegraph: ArtifactRef) -> LakeColumns:
    """The columns as the search for keys takes them, and the nodes that they and their tables are."""
    nodes, columns, values = (stage.read(lakegraph, name, list(names)) for name, names in READ.items())
    tables = nodes.filter(pc.equal(nodes["kind"], "table")).sort_by("node_id")
    ids = (part["node_id"].to_numpy().astype(np.int64) for part in (columns.sort_by("node_id"), tables))
    return LakeColumns(lake_of_graph(nodes, columns, values), *ids)


def _train(
    read: _Read, config: LinksConfig, place: CheckpointPlace, metrics: StageMetrics
) -> tuple[Fitted, LadderInputs, _Problem]:
    with metrics.step("split"), shown().step("Holding links out"):
        problem = _problem(read, config)
    with metrics.step("train"), shown().step("Training the link predictor"):
        fitted = fit_task(problem.task, config, place)
    return fitted, inputs_on(fitted, problem.whole, config, place.folder), problem


def _publish_untrained(
    stage: Stage, error: TooFewLinksError, predictions: pa.Table, metrics: StageMetrics
) -> ArtifactRef:
    """Empty tables but for the predictions, and a card that says why."""
    tables = {name: contract.arrow_schema().empty_table() for name, contract in CONTRACTS.items()}
    tables["predictions"] = predictions
    card = f"# Link predictor\n\nNone was trained: {error}\n"
    stage.store.storage.write_bytes_atomic(f"{stage.path}/{CARD}", card.encode())
    return stage.publish(tables, {"untrained": str(error)}, metrics, files=[CARD])


def _problem(read: _Read, config: LinksConfig) -> _Problem:
    pairs, n_nodes = read.pairs, read.nodes.num_rows
    whole = adjacency(pairs, n_nodes)
    if not read.is_lake:
        return _Problem(edge_task(pairs, n_nodes, config), whole, "edges")
    held = hold_values_out(lake_graph(read.nodes, read.edges), config.lake, config.split.seed, read.keys)
    return _Problem(lake_task(held, config), whole, "values")


def lake_graph(nodes: pa.Table, edges: pa.Table) -> LakeGraph:
    """The lakegraph artifact's tables as arrays."""
    kind, source, target = edges["kind"], edges["source"].to_numpy(), edges["target"].to_numpy()
    is_table = np.asarray(pc.equal(kind, "table_column").to_numpy())
    ends = np.stack([source[is_table], target[is_table]], axis=1)
    is_table_first = np.asarray(pc.equal(nodes["kind"], "table").to_numpy())[ends[:, 0]]
    column = np.where(is_table_first, ends[:, 1], ends[:, 0])
    table = np.where(is_table_first, ends[:, 0], ends[:, 1])
    order = np.argsort(column)
    return LakeGraph(
        n_nodes=nodes.num_rows,
        source=source.astype(np.int64),
        target=target.astype(np.int64),
        is_value=np.asarray(pc.equal(kind, "column_value").to_numpy()),
        column=column[order].astype(np.int64),
        table=table[order].astype(np.int64),
    )


def _publish(
    stage: Stage,
    made: tuple[Fitted, LadderInputs, _Problem],
    predictions: pa.Table,
    config: LinksConfig,
    metrics: StageMetrics,
) -> ArtifactRef:
    fitted, whole, problem = made
    split, asked = fitted.task.split, fitted.task.asked
    read = outcome.vectors_of(fitted, fitted.inputs)
    measured = node_metrics(fitted.task.graph, split, asked, read, config.recall_at, config.split.seed)
    measured = outcome.with_ranks(measured, fitted)
    weights = rung_weights(fitted.inputs, config)
    stacked = stacked_vectors(rung_directions(whole, config, asked), weights)
    deciles = outcome.deciles(measured)
    facts = outcome.facts(fitted, problem.rule, config) | {
        "geometry": {name: round(part, 4) for name, part in weights.items()}
    }
    tables = {
        "rungs": outcome.rungs(fitted.results),
        "node_metrics": outcome.node_table(measured),
        "deciles": deciles,
        "predictions": predictions,
        "vectors": outcome.vector_table(asked, outcome.vectors_of(fitted, whole)[asked], stacked),
    }
    storage, base = stage.store.storage, stage.path
    storage.write_bytes_atomic(f"{base}/{MODELS}", outcome.model_bytes(fitted))
    storage.write_bytes_atomic(f"{base}/{CARD}", model_card(fitted.results, deciles, facts, config).encode())
    return stage.publish(tables, facts | outcome.headline(fitted.results), metrics, files=[MODELS, CARD])


def _checkpoint_place(stage: Stage, workspace: Workspace, config: LinksConfig) -> CheckpointPlace:
    """Beside the artifacts, under the stage's key; on an object store copies of what a temporary folder has."""
    below = ("checkpoints", stage.spec.name, stage.key)
    if stage.store.storage.is_local:
        return CheckpointPlace(Path(workspace.artifacts).joinpath(*below), config.gnn.allow_drift)
    folder = Path(tempfile.mkdtemp(prefix="lakebed-links-"))
    return CheckpointPlace(folder, config.gnn.allow_drift, stage.store.storage.uri(*below))


def _forget_checkpoints(place: CheckpointPlace) -> None:
    Storage.at(str(place.folder.parent)).delete_folder(place.folder.name)
    if place.copies:
        Storage.at(place.copies).delete_folder("")

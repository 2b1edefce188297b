"""Building the lakegraph artifact: plan, one scan, the graph, publishing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import SourceError
from lakebed.connectors.lake.batches import Split
from lakebed.tasks.containment.jobs import DeltaSource, plan_sources, run_on_tables
from lakebed.tasks.containment.previous import reading_digests
from lakebed.tasks.containment.scan import ScanPlan
from lakebed.tasks.lakegraph.config import LakeGraphConfig
from lakebed.tasks.lakegraph.contract import CONTRACTS, GRAPH_COLUMNS
from lakebed.tasks.lakegraph.kernel.edge_list import EdgeList, edge_list_graph
from lakebed.tasks.lakegraph.kernel.folding import FoldedSample, merge_folded
from lakebed.tasks.lakegraph.kernel.graph import Graph
from lakebed.tasks.lakegraph.kernel.samples import FloatRule, ValueSample, merge_samples
from lakebed.tasks.lakegraph.kernel.values import ColumnFacts, LakeColumn, lake_graph
from lakebed.tasks.lakegraph.plan import (
    ColumnPlan,
    estimate,
    find_edge_table,
    plan_columns,
    scan_plan,
)
from lakebed.tasks.lakegraph.previous import KEPT, N_KEPT, Known, load_known, save_columns
from lakebed.tasks.lakegraph.scan import EdgeTask, SampleTask, edge_part
from lakebed.tasks.lakegraph.value_table import value_table
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.previous import count_readings
from lakebed.tasks.runtime.progress import shown
from lakebed.tasks.runtime.stage import Stage, StageMetrics
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.scan.choice import engine_for_tables, reads_all
from lakebed.tasks.scan.engine import Engine
from lakebed.tasks.scan.splits import InventoryTables, plan_splits, require_read, share_splits

SKETCH_VALUES = 64
NO_VALUES, NO_FOLDED = ValueSample.none(), FoldedSample.none()


@dataclass(frozen=True)
class _Lake:
    """What there is to read, how, and where its staged text lies."""

    tables: InventoryTables
    engine: Engine
    workspace: Workspace
    config: LakeGraphConfig
    staged_root: str


@dataclass(frozen=True)
class Scanned:
    """What the workers brought.

    Attributes:
        samples: by table and token.
        folded: the same values folded, by table and token.
        edges: parts of an edge table.
        errors: tables that could not be read, with the reason.
    """

    samples: dict[tuple[int, str], ValueSample]
    folded: dict[tuple[int, str], FoldedSample]
    edges: list[EdgeList]
    errors: dict[int, str]
    bytes_read: int
    peak_worker_bytes: int


@dataclass(frozen=True)
class _Found:
    """The graph, what is published of its columns and their values, the summary, and files for the next run."""

    graph: Graph
    columns: pa.Table
    values: pa.Table
    summary: dict[str, object]
    side_files: Sequence[str] = ()


def build_artifact(stage: Stage, inventory: ArtifactRef, workspace: Workspace, config: LakeGraphConfig) -> ArtifactRef:
    """Estimates, reads the lake once, makes the graph and publishes it.

    Raises: as the stage's `build`.
    """
    metrics = StageMetrics()
    tables = InventoryTables(*(stage.store.read(inventory, name) for name in ("tables", "columns", "files")))
    staged_root = stage.store.folder(inventory.stage, inventory.key)
    make = _edge_table_graph if config.edge_table.table else _value_graph
    engine = engine_for_tables(workspace, tables)
    stage.is_whole = reads_all(engine, tables)
    found = make(stage, _Lake(tables, engine, workspace, config, staged_root), metrics)
    with shown().step("Publishing the lake graph"):
        published = {**graph_tables(found.graph), "graph_columns": found.columns, "column_values": found.values}
        counts = {"nodes": len(found.graph.nodes.key), "edges": len(found.graph.edges.source)}
        return stage.publish(published, {**counts, **found.summary}, metrics, side_files=found.side_files)


def graph_tables(graph: Graph) -> dict[str, pa.Table]:
    """The graph as the tables of the contract."""
    nodes, edges = graph.nodes, graph.edges
    ids = pa.array(np.arange(len(nodes.key)))
    return {
        "nodes": pa.table([ids, nodes.kind, nodes.key, nodes.label], schema=CONTRACTS["nodes"].arrow_schema()),
        "edges": pa.table(
            [pa.array(edges.source), pa.array(edges.target), pa.array(edges.weight), edges.kind],
            schema=CONTRACTS["edges"].arrow_schema(),
        ),
    }


def _value_graph(stage: Stage, lake: _Lake, metrics: StageMetrics) -> _Found:
    tables, config = lake.tables, lake.config
    columns = plan_columns(tables, config)
    cost = estimate(tables, columns, config)
    facts = {row["table_id"]: row for row in tables.tables.select(["table_id", "name", "n_rows"]).to_pylist()}
    with metrics.step("previous"):
        readings = {str(facts[table]["name"]): digest for table, digest in reading_digests(tables).items()}
        known = load_known(stage, readings, cost.n_kept)
    shown().note(cost.text())
    task = SampleTask(cost.n_kept, FloatRule(config.floats, config.float_digits))
    tokens: dict[int, list[str]] = {}
    for column in columns:
        if not column.left_out and facts[column.table_id]["name"] not in known.tables:
            tokens.setdefault(column.table_id, []).append(column.token)
    scanned = _scan(lake, tokens, task, metrics)
    names = [str(row["name"]) for row in facts.values()]
    metrics.changes = count_readings(len(known.tables), known.before, names)
    with metrics.step("graph"), shown().step("Connecting columns by their values"):
        held = [_lake_column(column, facts[column.table_id], scanned, known) for column in columns]
        found = lake_graph(names, held, config)
    with metrics.step("keep"):
        for table_id in scanned.errors:
            del readings[str(facts[table_id]["name"])]
        save_columns(stage.store.storage, stage.path, found.columns.column, readings)
    summary: dict[str, object] = {
        "source": "values",
        "tables": len(names),
        "columns": len(held),
        "values": int(pc.sum(pc.equal(found.graph.nodes.kind, "value")).as_py() or 0),
        "values_left_out_as_frequent": found.n_frequent,
        "columns_left_out": sum(1 for why in found.columns.left_out if why),
        N_KEPT: cost.n_kept,
        "unreadable_tables": len(scanned.errors),
    }
    values = value_table(found.columns.column)
    return _Found(found.graph, column_table(found.columns), values, summary, [KEPT])


def _edge_table_graph(stage: Stage, lake: _Lake, metrics: StageMetrics) -> _Found:
    tables, config, wanted = lake.tables, lake.config, lake.config.edge_table
    table_id, task = find_edge_table(tables, wanted)
    n_rows = dict(zip(*(tables.tables[name].to_pylist() for name in ("table_id", "n_rows")), strict=True))[table_id]
    _require_room(wanted.table, n_rows, config.max_edges)
    shown().note(f"graph of {wanted.table}: at most {n_rows:,} edges, {n_rows * 64 / 1e6:,.0f} MB of memory")
    tokens = {table_id: [token for token in (task.source, task.target, task.weight) if token]}
    scanned = _scan(lake, tokens, task, metrics)
    if scanned.errors:
        raise SourceError(f"cannot read the edge table {wanted.table}", value=scanned.errors[table_id])
    with metrics.step("graph"), shown().step("Numbering the nodes"):
        found = edge_list_graph(
            scanned.edges,
            (wanted.source, wanted.target),
            is_bipartite=wanted.is_bipartite,
            is_weighted=bool(wanted.weight),
        )
    summary: dict[str, object] = {
        "source": "edge table",
        "table": wanted.table,
        "rows_without_key": found.n_without_key,
        "loops": found.n_loops,
        "repeats": found.n_repeats,
    }
    columns, values = (CONTRACTS[name].arrow_schema().empty_table() for name in ("graph_columns", "column_values"))
    return _Found(found.graph, columns, values, summary)


def _scan(lake: _Lake, tokens: Mapping[int, list[str]], task: SampleTask | EdgeTask, metrics: StageMetrics) -> Scanned:
    plan = scan_plan(dict(tokens), lake.workspace, lake.staged_root)
    splits = plan_splits(lake.tables, sorted(tokens), lake.config.target_split_bytes)
    with metrics.step("scan") as cost:
        engine = lake.engine
        tasks = share_splits(splits, engine.n_workers, lake.config.target_split_bytes) if splits else []
        scanned = scan_tables(engine, plan, tasks, plan_sources(lake.tables, plan), task)
        cost.bytes_read = scanned.bytes_read
    metrics.peak_worker_bytes = scanned.peak_worker_bytes
    if lake.workspace.lake.strict:
        require_read(scanned.errors, lake.tables.tables.sort_by("table_id")["name"].to_pylist())
    return scanned


def _lake_column(column: ColumnPlan, table: Mapping[str, Any], scanned: Scanned, known: Known) -> LakeColumn:
    at, name = (column.table_id, column.token), str(table["name"])
    held = known.columns.get((name, column.token))
    return LakeColumn(
        table=name,
        path=tuple(json.loads(column.token)),
        sample=held.sample if held else scanned.samples.get(at, NO_VALUES),
        left_out=column.left_out or scanned.errors.get(column.table_id, ""),
        folded=held.folded if held else scanned.folded.get(at, NO_FOLDED),
        position=column.position,
        n_rows=int(table["n_rows"]),
    )


def column_table(facts: ColumnFacts) -> pa.Table:
    """The facts as the table of the contract."""
    samples = [column.sample for column in facts.column]
    tokens = [column.token for column in facts.column]
    last = [int(sample.hashes[-1]).to_bytes(8, "big") if sample.is_cut else None for sample in samples]
    return pa.table(
        [
            pa.array(np.arange(len(samples))),
            pa.array(facts.table_node),
            pa.array(tokens, pa.string()),
            pa.array([sample.n_distinct for sample in samples], pa.int64()),
            pa.array([len(sample.hashes) for sample in samples], pa.int64()),
            pa.array(facts.n_shared),
            pa.array(last, pa.binary()),
            pa.array([sample.hashes[:SKETCH_VALUES].astype(">u8").tobytes() for sample in samples], pa.binary()),
            pa.array(facts.left_out, pa.string()),
        ],
        schema=GRAPH_COLUMNS.arrow_schema(),
    )


def _require_room(table: str, n_rows: int, most: int) -> None:
    if n_rows > most:
        raise SourceError(
            f"the edge table {table} has more rows than a graph may have edges",
            value=f"{n_rows:,}",
            expected=f"at most {most:,}",
            hint="raise `lakegraph.max_edges`; an edge takes about 64 bytes of memory",
        )


def scan_tables(
    engine: Engine,
    plan: ScanPlan,
    tasks: Sequence[Sequence[Split]],
    sources: Sequence[DeltaSource],
    task: SampleTask | EdgeTask,
) -> Scanned:
    """Reads everything planned once; asks no engine where there is nothing to read."""
    if not tasks and not sources:
        return Scanned({}, {}, [], {}, 0, 0)
    return gather(run_on_tables(engine, plan, tasks, sources, task.works()).to_pylist(), task)


def gather(rows: Sequence[dict[str, object]], task: SampleTask | EdgeTask) -> Scanned:
    """Puts the rows of all workers together; their order does not count."""
    parts: dict[tuple[int, str], list[ValueSample]] = {}
    folded: dict[tuple[int, str], list[FoldedSample]] = {}
    edges: list[EdgeList] = []
    errors: dict[int, str] = {}
    n_bytes, peak = 0, 0
    for row in rows:
        kind, table_id, data = row["kind"], int(str(row["table_id"])), bytes(row["data"])  # type: ignore[call-overload]
        if kind == "sample":
            parts.setdefault((table_id, str(row["token"])), []).append(ValueSample.from_bytes(data))
        elif kind == "folded":
            folded.setdefault((table_id, str(row["token"])), []).append(FoldedSample.from_bytes(data))
        elif kind == "edges":
            edges.append(edge_part(data))
        elif kind == "error":
            errors[table_id] = str(row["text"])
        else:
            n_bytes, peak = n_bytes + int(str(row["n_bytes"])), max(peak, int(str(row["n"])))
    n_kept = task.n_kept if isinstance(task, SampleTask) else 1
    samples = {key: merge_samples(found, n_kept) for key, found in parts.items() if key[0] not in errors}
    whole = {key: merge_folded(found, n_kept) for key, found in folded.items() if key in samples}
    return Scanned(samples, whole, edges, errors, n_bytes, peak)

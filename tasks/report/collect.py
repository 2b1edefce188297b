"""Artifacts and the run's record → everything the report says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.containment.contract import CONTRACTS as CONTAINMENT_CONTRACTS
from tasks.inventory.contract import CONTRACTS as INVENTORY_CONTRACTS
from tasks.report.config import ReportConfig
from tasks.report.model import (
    Check,
    CheckStatus,
    Edge,
    FunnelStep,
    NearMiss,
    Problem,
    Relation,
    ReportData,
    RunRecord,
    Table,
)
from tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from tasks.runtime.expectations import DOCS

_DOCS_PAGE = f"{DOCS}/index.html"
_TABLE_COLUMNS = ("table_id", "name", "format", "n_rows", "n_columns", "n_bytes", "n_files", "delta_version")


@dataclass(frozen=True)
class _Source:
    store: ArtifactStore
    inventory: ArtifactRef
    containment: ArtifactRef
    config: ReportConfig

    def read(self, stage: Literal["inventory", "containment"], table: str) -> pa.Table:
        return self.store.read(self.inventory if stage == "inventory" else self.containment, table)


def collect(
    store: ArtifactStore,
    inventory: ArtifactRef,
    containment: ArtifactRef,
    run: RunRecord,
    *,
    lake: str,
    config: ReportConfig | None = None,
) -> ReportData:
    """Read what the report shows; only what is listed leaves Arrow.

    Raises: ArtifactError: if an artifact is missing or damaged.
    """
    source = _Source(store, inventory, containment, config or ReportConfig())
    tables = _tables(source.read("inventory", "tables"))
    candidates = source.read("containment", "candidates")
    edges = source.read("containment", "edges")
    survivors = candidates.filter(pc.equal(candidates["verdict"], "passed_sample"))
    is_sampled = survivors.num_rows > 0 or store.manifest(containment).summary.get("mode") == "sampled"
    near_misses, n_near_misses = _near_misses(candidates, source.config)
    unreadable = source.read("inventory", "unreadable")
    unstable = source.read("containment", "unstable")
    return ReportData(
        lake=lake,
        mode="sampled" if is_sampled else "exact",
        tables=tables,
        relation=_sampled_relation(survivors) if is_sampled else _relation(edges),
        edges=_sampled_edges(survivors, tables, source.config)
        if is_sampled
        else _edges(edges, candidates, source.config),
        near_misses=near_misses,
        n_near_misses=n_near_misses,
        funnel=_funnel(source),
        unreadable=_problems(unreadable, source.config),
        unstable=_problems(unstable, source.config),
        n_unreadable=unreadable.num_rows,
        n_unstable=unstable.num_rows,
        checks=_checks(source),
        run=run,
    )


def _tables(table: pa.Table) -> tuple[Table, ...]:
    """The tables at the index of their id."""
    rows = table.select(_TABLE_COLUMNS).sort_by("table_id").drop_columns("table_id").to_pylist()
    return tuple(Table(**row) for row in rows)


def _ids(table: pa.Table, column: str) -> np.ndarray[Any, np.dtype[np.int32]]:
    return np.asarray(table[column].to_numpy(), dtype=np.int32)


def _relation(edges: pa.Table) -> Relation:
    is_coincidental = np.asarray(edges["coincidental"].to_numpy(), dtype=bool)
    return Relation(_ids(edges, "child_id"), _ids(edges, "parent_id"), is_coincidental)


def _sampled_relation(survivors: pa.Table) -> Relation:
    is_coincidental = np.zeros(survivors.num_rows, dtype=bool)
    return Relation(_ids(survivors, "child_id"), _ids(survivors, "parent_id"), is_coincidental)


def _edges(edges: pa.Table, candidates: pa.Table, config: ReportConfig) -> tuple[Edge, ...]:
    """The edges to list: telling ones first, then by the child's size, then by name."""
    order = [
        ("coincidental", "ascending"),
        ("child_bytes", "descending"),
        ("child", "ascending"),
        ("parent", "ascending"),
    ]
    listed = edges.take(pc.sort_indices(edges, sort_keys=order)[: config.max_listed_edges])
    compared = _compared(candidates, listed)
    return tuple(_edge(row, compared.get((row["child_id"], row["parent_id"]))) for row in listed.to_pylist())


def _compared(candidates: pa.Table, listed: pa.Table) -> dict[tuple[int, int], int]:
    """Rows compared by the sketch of each listed pair."""
    proven = candidates.filter(
        pc.and_(
            pc.equal(candidates["verdict"], "proven"),
            pc.is_in(candidates["child_id"], value_set=listed["child_id"].combine_chunks()),
        )
    )
    columns = (proven[name].to_pylist() for name in ("child_id", "parent_id", "n_compared"))
    return {(child, parent): n for child, parent, n in zip(*columns, strict=True)}


def _edge(row: Mapping[str, Any], n_compared: int | None) -> Edge:
    return Edge(
        child=row["child_id"],
        parent=row["parent_id"],
        semantics=row["semantics"],
        n_child_rows=row["n_child_rows"],
        n_child_distinct=row["n_child_distinct"],
        n_parent_rows=row["n_parent_rows"],
        n_parent_distinct=row["n_parent_distinct"],
        chance=row["chance"],
        is_coincidental=row["coincidental"],
        coincidental_reason=row["coincidental_reason"],
        is_mutual=row["is_mutual"],
        n_compared=n_compared,
        chance_parts=_json_object(row["chance_parts"]),
        certificate=_json_object(row["certificate"]),
    )


def _sampled_edges(survivors: pa.Table, tables: tuple[Table, ...], config: ReportConfig) -> tuple[Edge, ...]:
    """What is known of pairs that only a sample has compared: no distinct rows, no chance, no certificate."""
    columns = (survivors[name].to_pylist() for name in ("child_id", "parent_id", "n_compared"))
    rows = sorted(zip(*columns, strict=True), key=lambda row: (-tables[row[0]].n_bytes, row))
    pairs = {(child, parent) for child, parent, _ in rows}
    return tuple(
        Edge(
            child=child,
            parent=parent,
            semantics="sampled",
            n_child_rows=tables[child].n_rows,
            n_child_distinct=None,
            n_parent_rows=tables[parent].n_rows,
            n_parent_distinct=None,
            chance=None,
            is_coincidental=False,
            coincidental_reason=None,
            is_mutual=(parent, child) in pairs,
            n_compared=n_compared,
        )
        for child, parent, n_compared in rows[: config.max_listed_edges]
    )


def _json_object(text: str) -> Mapping[str, Any]:
    """The object in `text`; a text of another shape is shown as it stands."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return value if isinstance(value, dict) else {"text": value}


def _near_misses(candidates: pa.Table, config: ReportConfig) -> tuple[tuple[NearMiss, ...], int]:
    """The refuted pairs nearest to containment, and how many there are in all."""
    refuted = candidates.filter(pc.starts_with(candidates["verdict"], "refuted"))
    missing = pc.divide(pc.cast(refuted["n_missing"], pa.float64()), pc.max_element_wise(refuted["n_compared"], 1))
    ranked = refuted.append_column("missing", pc.coalesce(pc.subtract(1.0, refuted["fraction"]), missing))
    keys = [
        ("missing", "ascending"),
        ("n_compared", "descending"),
        ("child_id", "ascending"),
        ("parent_id", "ascending"),
    ]
    listed = refuted.take(pc.sort_indices(ranked, sort_keys=keys)[: config.max_near_misses])
    names = {"child": "child_id", "parent": "parent_id"}
    fields = ("child", "parent", "verdict", "n_compared", "n_missing", "fraction", "fraction_low", "fraction_high")
    columns = (listed[names.get(name, name)].to_pylist() for name in fields)
    return tuple(NearMiss(*row) for row in zip(*columns, strict=True)), refuted.num_rows


def _funnel(source: _Source) -> tuple[FunnelStep, ...]:
    """The steps with their cost: from the metrics of the run that made the artifact."""
    seconds: dict[str, float] = {}
    n_bytes: dict[str, int] = {}
    for step, cost_s, cost_bytes in source.store.metrics(source.containment).get("steps", []):
        seconds[step] = seconds.get(step, 0.0) + cost_s
        n_bytes[step] = n_bytes.get(step, 0) + cost_bytes
    rows = source.read("containment", "funnel").sort_by("position").to_pylist()
    return tuple(
        FunnelStep(row["step"], row["n_pairs"], row["n_tables"], seconds.get(row["step"]), n_bytes.get(row["step"]))
        for row in rows
    )


def _problems(table: pa.Table, config: ReportConfig) -> tuple[Problem, ...]:
    return tuple(Problem(**row) for row in table.sort_by("name")[: config.max_problems].to_pylist())


def _checks(source: _Source) -> tuple[Check, ...]:
    checks: list[Check] = []
    for ref, contracts in ((source.inventory, INVENTORY_CONTRACTS), (source.containment, CONTAINMENT_CONTRACTS)):
        n_native = sum(len(contract.expectations()) for contract in contracts.values())
        # a manifest is written only after these have passed
        checks.append(Check("native", ref.stage, "passed", n_native, f"{len(contracts)} tables"))
        checks.append(_expectations_check(source.store, ref))
    return tuple(checks)


def _expectations_check(store: ArtifactStore, ref: ArtifactRef) -> Check:
    engine = "Great Expectations"
    verdict = store.verdict(ref)
    if verdict is None:
        return Check(engine, ref.stage, "unknown", detail="no verdict yet")
    bad = [
        f"{name}: {table.get('status')}" for name, table in verdict.tables.items() if table.get("status") != "passed"
    ]
    status: CheckStatus = "passed" if verdict.status == "passed" else "failed"
    counts = [table["n_expectations"] for table in verdict.tables.values() if "n_expectations" in table]
    detail = "; ".join(bad) or f"{len(verdict.tables)} tables"
    return Check(engine, ref.stage, status, sum(counts) if counts else None, detail, _docs_link(store, ref))


def _docs_link(store: ArtifactStore, ref: ArtifactRef) -> str:
    """Where the data docs of the run that made the artifact lie, as seen from a run's folder."""
    run_id = store.metrics(ref).get("run_id", "")
    page = f"runs/{run_id}/{_DOCS_PAGE}"
    return f"../{run_id}/{_DOCS_PAGE}" if run_id and store.storage.stat(page) is not None else ""

"""Artifacts and the run's record → everything the report says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.model import (
    Check,
    CheckStatus,
    Edge,
    FunnelStep,
    NearMiss,
    Problem,
    Relation,
    ReportData,
    RunFacts,
    Table,
)
from lakebed.tasks.report.sections import collect_sections
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.contract import Contract
from lakebed.tasks.runtime.expectations import DOCS

Contracts = Mapping[str, Mapping[str, Contract]]
_DOCS_PAGE = f"{DOCS}/index.html"
_TABLE_COLUMNS = ("table_id", "name", "format", "n_rows", "n_columns", "n_bytes", "n_files", "delta_version")


@dataclass(frozen=True)
class _Source:
    store: ArtifactStore
    refs: Mapping[str, ArtifactRef]
    contracts: Contracts
    config: ReportConfig

    def read(self, stage: Literal["inventory", "containment"], table: str) -> pa.Table:
        return self.store.read(self.refs[stage], table)


def collect(
    store: ArtifactStore,
    refs: Mapping[str, ArtifactRef],
    run: RunFacts,
    *,
    lake: str,
    contracts: Contracts,
    config: ReportConfig | None = None,
) -> ReportData:
    """Read what the report shows; only what is listed leaves Arrow.

    Args:
        store: of the artifacts.
        refs: the artifacts by stage; inventory and containment are needed, each further one adds its section.
        run: the run's record.
        lake: root of the lake, as it is shown.
        contracts: of each stage, by the name of its table.
        config: what the report shows at most.

    Raises: ArtifactError: if an artifact is missing or damaged.
    """
    source = _Source(store, refs, contracts, config or ReportConfig())
    tables = _tables(source.read("inventory", "tables"))
    candidates = source.read("containment", "candidates")
    edges = source.read("containment", "edges")
    survivors = candidates.filter(pc.equal(candidates["verdict"], "passed_sample"))
    summary = store.manifest(refs["containment"]).summary
    inventory = store.manifest(refs["inventory"]).summary
    is_sampled = survivors.num_rows > 0 or _is_sampled(run)
    near_misses, n_near_misses = _near_misses(candidates, source.config)
    unreadable = source.read("inventory", "unreadable")
    unstable = source.read("containment", "unstable")
    return ReportData(
        lake=lake,
        mode="sampled" if is_sampled else "exact",
        tables=tables,
        relation=_sampled_relation(survivors) if is_sampled else _relation(edges),
        edges=_sampled_edges(survivors, tables, source.config) if is_sampled else _edges(edges, source.config),
        near_misses=near_misses,
        n_near_misses=n_near_misses,
        are_near_misses_complete=bool(summary.get("are_near_misses_complete", True)),
        funnel=_funnel(source),
        unreadable=_problems(unreadable, source.config),
        unstable=_problems(unstable, source.config),
        n_unreadable=unreadable.num_rows,
        n_unstable=unstable.num_rows,
        other_files=inventory.get("other_files") or 0,
        other_bytes=inventory.get("other_bytes") or 0,
        checks=_checks(source),
        sections=collect_sections(store, refs, source.config),
        run=run,
    )


def _is_sampled(run: RunFacts) -> bool:
    """Whether the run asked for the sampled mode, in which there may be no survivor to show it."""
    containment = run.config.get("containment")
    return isinstance(containment, Mapping) and containment.get("mode") == "sampled"


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


def _edges(edges: pa.Table, config: ReportConfig) -> tuple[Edge, ...]:
    """The edges to list: telling ones first, then by the child's size, then by name."""
    order = [
        ("coincidental", "ascending"),
        ("child_bytes", "descending"),
        ("child", "ascending"),
        ("parent", "ascending"),
    ]
    listed = edges.take(pc.sort_indices(edges, sort_keys=order)[: config.max_listed_edges])
    return tuple(map(_edge, listed.to_pylist()))


def _edge(row: Mapping[str, Any]) -> Edge:
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
    """All pairs at the inventory's cost, then each step of containment with its own, in the order they were taken.

    Costs come from the metrics of the runs that made the artifacts. A step that drops no pairs, such as the scan that
    reads what the next ones need, stands in the list with its cost alone.
    """
    costs: dict[str, tuple[float, int]] = {}
    for step, seconds, n_bytes in source.store.metrics(source.refs["containment"]).get("steps", []):
        before = costs.get(step, (0.0, 0))
        costs[step] = (before[0] + seconds, before[1] + n_bytes)
    rows = source.read("containment", "funnel").sort_by("position").to_pylist()
    left = {row["step"]: (row["n_pairs"], row["n_tables"]) for row in rows}
    steps = (
        FunnelStep(step, *left.get(step, (None, None)), *costs.get(step, (None, None)))
        for step in _in_order(list(left), list(costs))
    )
    return (_all_pairs(source), *steps)


def _all_pairs(source: _Source) -> FunnelStep:
    n_tables = source.store.manifest(source.refs["inventory"]).tables["tables"].n_rows
    metrics = source.store.metrics(source.refs["inventory"])
    return FunnelStep("pairs", n_tables * (n_tables - 1), n_tables, metrics.get("seconds"), metrics.get("bytes_read"))


def _in_order(pruning: list[str], timed: list[str]) -> list[str]:
    """Both lists merged, each in its own order; what was timed without pruning stands where it was timed."""
    order: list[str] = []
    rest = list(pruning)
    for step in timed:
        n_before = (
            rest.index(step) + 1
            if step in rest
            else next((k for k, name in enumerate(rest) if name in timed), len(rest))
        )
        order += rest[:n_before]
        del rest[:n_before]
        if step not in order:
            order.append(step)
    return order + rest


def _problems(table: pa.Table, config: ReportConfig) -> tuple[Problem, ...]:
    return tuple(Problem(**row) for row in table.sort_by("name")[: config.max_problems].to_pylist())


def _checks(source: _Source) -> tuple[Check, ...]:
    checks: list[Check] = []
    for ref in source.refs.values():
        contracts = source.contracts[ref.stage]
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

"""What a run leaves in Prefect's UI: a summary, what is planned table by table, the way to its report."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from lakebed.connectors.errors import LakeError
from lakebed.connectors.storage import is_object_store
from lakebed.flows.markdown import code, code_cell
from lakebed.scope import RunScope
from lakebed.tables import INVENTORY, table_bytes, unreadable_tables
from lakebed.tasks.retention.words import money_text
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.record import StageRecord
from lakebed.words import human_bytes, may_go_text, others_text

SHOWN_DECISIONS = 50
SHOWN_EDGES = 20
SHOWN_UNREADABLE = 20
NOTHING_DONE = "all artifacts are up to date; nothing was done"

Counts = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Found:
    """What a run found beside its counts.

    Attributes:
        edges: child, parent, and whether it is a coincidence.
        unreadable: names of tables that could not be read, why, and what to do.
        table_bytes: of all tables that were read; 0 where that is not known.
        changed: what is other than in the run before, in a line.
    """

    edges: Sequence[tuple[str, str, bool]] = ()
    unreadable: Sequence[tuple[str, str, str]] = ()
    table_bytes: int = 0
    changed: str = ""


def run_message(stages: Sequence[StageRecord], counts: Counts) -> str:
    """The last word of a run, as its state shows it."""
    done = _done(stages)
    return done if done == NOTHING_DONE else "; ".join([done, *_counted(counts)])


def summary_page(stages: Sequence[StageRecord], counts: Counts, found: Found = Found()) -> str:
    """The run as Markdown: what it found, what it could not read, and what each stage cost."""
    lines = [f"**{_done(stages)}**", ""]
    lines += [f"- {line}" for line in _counted(counts, found.table_bytes)]
    if inventory := counts.get("inventory"):
        others = others_text(inventory.get("other_files"), inventory.get("other_bytes"))
        lines += [f"- {others}"] if others else []
    lines += [f"- since the run before: {found.changed}; `lakebed changes` tells them"] if found.changed else []
    if found.unreadable:
        lines += ["", "| could not be read | because | next |", "|---|---|---|"]
        shown = found.unreadable[:SHOWN_UNREADABLE]
        lines += [
            f"| {code_cell(name)} | {code_cell(why)} | {code_cell(fix) if fix else ''} |" for name, why, fix in shown
        ]
        n_more = len(found.unreadable) - SHOWN_UNREADABLE
        lines += ["", f"… and {n_more:,} more: `lakebed tables --unreadable`"] if n_more > 0 else []
    lines += ["", "| stage | artifact | | seconds | read |", "|---|---|---|---:|---:|"]
    lines += [
        f"| {stage.stage} | `{stage.key[:12]}` | {'reused' if stage.reused else 'built'} | {stage.seconds:,.1f} "
        f"| {human_bytes(stage.bytes_read)} |"
        for stage in stages
    ]
    if edges := found.edges:
        lines += ["", "| table | is contained in | |", "|---|---|---|"]
        lines += [
            f"| {code_cell(child)} | {code_cell(parent)} | {'coincidental' if chance else ''} |"
            for child, parent, chance in edges[:SHOWN_EDGES]
        ]
        lines += ["", f"… and {len(edges) - SHOWN_EDGES:,} more edges"] if len(edges) > SHOWN_EDGES else []
    return "\n".join(lines)


def publish_run(scope: RunScope, report: str = "") -> None:
    """Creates the run's Prefect artifacts; inside a flow run."""
    key, stages, counts = scope.workspace_id, scope.log.record.stages, scope.summaries()
    page = summary_page(stages, counts, _found(scope))
    create_markdown_artifact(page, key=f"lakebed-summary-{key}", description=f"Run {scope.run_id}")
    if rows := decisions(scope.store, scope.refs):
        told = f"What is planned for the {len(rows)} tables of most bytes; nothing is changed by a run"
        create_table_artifact(rows, key=f"lakebed-decisions-{key}", description=told)
    if report and not is_object_store(report):
        create_link_artifact(
            Path(report).as_uri(),
            "report.html, on the machine of the worker",
            key=f"lakebed-report-{key}",
            description=f"Report of run {scope.run_id}: {code(report)}",
        )


def decisions(store: ArtifactStore, refs: Mapping[str, ArtifactRef]) -> list[dict[str, Any]]:
    """Table by table what is planned: first what may go, the biggest first; nothing where retention was not reached."""
    if "retention" not in refs:
        return []
    columns = ["name", "decision", "n_bytes", "saving", "reason", "parents"]
    rows = store.read(refs["retention"], "decisions", columns).to_pylist()
    currency = store.manifest(refs["retention"]).summary["currency"]
    rows.sort(key=lambda row: (row["decision"] != "delete", -row["n_bytes"], row["name"]))
    return [
        {
            "table": code(row["name"]),
            "plan": row["decision"],
            "size": human_bytes(row["n_bytes"]),
            "would save a month": money_text(row["saving"], currency),
            "why": row["reason"],
            "rebuilt from": ", ".join(map(code, row["parents"] or [])),
        }
        for row in rows[:SHOWN_DECISIONS]
    ]


def _done(stages: Sequence[StageRecord]) -> str:
    built = [stage.stage for stage in stages if not stage.reused]
    if not built:
        return NOTHING_DONE
    reused = [stage.stage for stage in stages if stage.reused]
    return f"built {', '.join(built)}" + (f"; reused {', '.join(reused)}" if reused else "")


def _edges(store: ArtifactStore, refs: Mapping[str, ArtifactRef]) -> list[tuple[str, str, bool]]:
    with contextlib.suppress(LakeError, KeyError):
        found = store.read(refs["containment"], "edges", ["child", "parent", "coincidental"]).to_pylist()
        return sorted((row["child"], row["parent"], row["coincidental"]) for row in found)
    return []


def _found(scope: RunScope) -> Found:
    """What the page shows beside the counts; a run that did not reach a stage shows nothing of it."""
    unreadable = [
        (row.name, row.reason, row.hint) for row in unreadable_tables(scope.config.artifacts, scope.log.record)
    ]
    n_bytes = table_bytes(scope.store, scope.refs) if INVENTORY in scope.refs else 0
    changed = scope.changed.text() if scope.changed else ""
    return Found(_edges(scope.store, scope.refs), unreadable, n_bytes, changed)


def _counted(counts: Counts, n_bytes: int = 0) -> list[str]:
    """What the stages counted, a line each."""
    lines = []
    if found := counts.get("inventory"):
        # tables that a later stage could not read are named by both
        n_lost = max(counts.get(stage, {}).get("unstable", 0) for stage in ("containment", "relations"))
        lines.append(f"{found['tables']:,} tables, {found['unreadable'] + n_lost:,} unreadable")
    if found := counts.get("containment"):
        lines.append(f"{found['proven']:,} containments proven, {found['coincidental']:,} of them coincidental")
    if found := counts.get("retention"):
        lines.append(may_go_text(found, n_bytes))
    return lines

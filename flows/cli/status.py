"""`lakebed status`: runs and artifacts."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, artifact_root, overrides
from lakebed.flows.cli.output import print_json, print_table, print_text
from lakebed.words import changes_text, human_bytes

if TYPE_CHECKING:
    from lakebed.status import Status
    from lakebed.tasks.runtime.record import RunRecord


class Format(StrEnum):
    """What `status` prints."""

    text = "text"
    json = "json"
    prometheus = "prometheus"


RunId = Annotated[
    str | None, typer.Argument(help="A run to show in full; its beginning is enough.", show_default=False)
]


def status(
    run: RunId = None,
    *,
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    n: Annotated[int, typer.Option("-n", help="Runs to list.", min=1)] = 10,
    form: Annotated[Format, typer.Option("--format", help="`prometheus`: figures of the newest run.")] = Format.text,
    as_json: AsJson = False,
) -> None:
    """Lists what needs attention first, then the newest runs, the stages of the last, and the quarantine."""
    from lakebed.artifacts import all_runs
    from lakebed.quarantine import lake_settings
    from lakebed.savings import figures
    from lakebed.status import status_of
    from lakebed.tasks.runtime.prometheus import metrics_text
    from lakebed.tasks.runtime.record import find_run

    root = artifact_root(artifacts, config)
    is_json = as_json or form is Format.json
    if run is not None:
        record = find_run(root, run)
        print_json(record.model_dump(mode="json")) if is_json else _print_run(record)
        return
    runs = all_runs(root)
    settings = lake_settings(config, overrides(None, root))
    if form is Format.prometheus:
        print_text(metrics_text(runs, figures(settings)).rstrip())
        return
    found = status_of(root, runs[:n], settings)
    print_json(found.as_dict()) if is_json else _overview(found)


def _overview(found: "Status") -> None:
    for line in found.warnings:
        print_text(f"warning: {line}")
    rows = ((row.run_id, row.status, f"{row.seconds:.1f}", " ".join(row.stages)) for row in found)
    print_table("Runs, newest first", ("run", "status", "seconds", "stages"), rows, right=(2,))
    print_text()
    _print_stages("Artifacts of the newest", found.records[0])
    if found.savings is not None:
        print_text()
        for line in found.savings.lines():
            print_text(line)
    if found.quarantine:
        _print_quarantine(found)


def _print_stages(title: str, record: "RunRecord") -> None:
    stages = (
        (
            stage.stage,
            stage.key[:12],
            stage.digest[:12],
            f"{stage.rows:,}",
            human_bytes(stage.bytes_read),
            changes_text(stage.changes),
        )
        for stage in record.stages
    )
    print_table(title, ("stage", "key", "digest", "rows", "read", "reused"), stages, right=(3, 4))


def _print_run(record: "RunRecord") -> None:
    """One run in full: what it was, what each stage cost, with what it can be repeated."""
    print_table("Run", ("", ""), _run_facts(record))
    print_text()
    _print_stages("Artifacts", record)
    print_text()
    costs = (
        (
            stage.stage,
            "reused" if stage.reused else "built",
            f"{stage.seconds:.1f}",
            human_bytes(stage.bytes_written),
            human_bytes(stage.peak_driver_bytes),
            human_bytes(stage.peak_worker_bytes),
            stage.task_run_id,
        )
        for stage in record.stages
    )
    header = ("stage", "", "seconds", "written", "driver's peak", "worker's peak", "Prefect task run")
    print_table("Cost", header, costs, right=(2, 3, 4, 5))
    for title, facts in (("Spark", record.spark), ("Prefect", record.prefect), ("Versions", record.versions)):
        if facts:
            print_text()
            print_table(title, ("", ""), ((name, _told(value)) for name, value in facts.items()))
    if record.seeds:
        print_text()
        print_table("Seeds", ("", ""), record.seeds.items())


def _run_facts(record: "RunRecord") -> list[tuple[str, str]]:
    facts = {
        "run": record.run_id,
        "status": record.status,
        "started": record.started_at,
        "finished": record.finished_at,
        "seconds": f"{record.total_s:.1f}, of them Spark's start {record.session_start_s:.1f}, "
        f"Prefect's {record.prefect_start_s:.1f}",
        "command": " ".join(record.command),
        "lake": str(record.config.get("lake", {}).get("root", "")),
        "process": ", ".join(f"{name} {value}" for name, value in record.process.items()),
        "peak memory": human_bytes(record.peak_driver_bytes),
        "Great Expectations": record.expectations.status,
        "commit": record.commit,
        "error": _told(record.error) if record.error else "",
        "found dead": ", ".join(record.dead),
    }
    return [(name, value) for name, value in facts.items() if value]


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {inner}" for name, inner in value.items() if inner)
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _print_quarantine(found: "Status") -> None:
    tables = (
        (one.table, one.phase, human_bytes(one.n_bytes), one.since, one.purge_not_before, one.at_place)
        for one in found.quarantine
    )
    print_text()
    header = ("table", "", "bytes", "since", "purge not before", "new at its place")
    print_table("In quarantine", header, tables, right=(2,))
    pins = ((pin.parent, ", ".join(pin.children), pin.problem or "as it was") for pin in found.pins)
    print_text()
    print_table("Pinned: may not be dropped, overwritten or vacuumed", ("table", "needed by", "state"), pins)

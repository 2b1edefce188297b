"""`lakebed status`: runs and artifacts."""

from typing import Annotated, Any

import typer

from flows.cli.options import Artifacts, AsJson, ConfigOption, artifact_root, overrides
from flows.cli.output import changes_text, human_bytes, print_json, print_table, print_text


def status(
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    n: Annotated[int, typer.Option("-n", help="Runs to list.", min=1)] = 10,
    as_json: AsJson = False,
) -> None:
    """Lists what needs attention first, then the newest runs, the stages of the last, and the quarantine."""
    from flows.artifacts import all_runs
    from flows.quarantine import lake_settings, quarantine_facts, quarantine_warnings

    root = artifact_root(artifacts, config)
    runs = all_runs(root)[:n]
    settings = lake_settings(config, overrides(None, root))
    warnings, aside = quarantine_warnings(settings), quarantine_facts(settings)
    if as_json:
        print_json({"warnings": warnings, "runs": [record.model_dump(mode="json") for record in runs], **aside})
        return
    for line in warnings:
        print_text(f"warning: {line}")
    rows = (
        (record.run_id, record.status, f"{record.total_s:.1f}", " ".join(stage.stage for stage in record.stages))
        for record in runs
    )
    print_table("Runs, newest first", ("run", "status", "seconds", "stages"), rows, right=(2,))
    stages = (
        (
            stage.stage,
            stage.key[:12],
            stage.digest[:12],
            f"{stage.rows:,}",
            human_bytes(stage.bytes_read),
            changes_text(stage.changes),
        )
        for stage in runs[0].stages
    )
    print_text()
    print_table("Artifacts of the newest", ("stage", "key", "digest", "rows", "read", "taken"), stages, right=(3, 4))
    if aside["quarantine"]:
        _print_quarantine(aside)


def _print_quarantine(aside: dict[str, list[dict[str, Any]]]) -> None:
    tables = (
        (entry["table"], entry["phase"], human_bytes(entry["n_bytes"]), entry["since"], entry["purge_not_before"])
        for entry in aside["quarantine"]
    )
    print_text()
    print_table("In quarantine", ("table", "", "bytes", "since", "purge not before"), tables, right=(2,))
    pins = ((pin["parent"], ", ".join(pin["children"]), pin["problem"] or "as it was") for pin in aside["pins"])
    print_text()
    print_table("Pinned: may not be dropped, overwritten or vacuumed", ("table", "needed by", "state"), pins)

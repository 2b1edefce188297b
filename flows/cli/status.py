"""`lakebed status`: runs and artifacts."""

from typing import Annotated

import typer

from flows.cli.options import Artifacts, AsJson, ConfigOption, artifact_root
from flows.cli.output import changes_text, human_bytes, print_json, print_table, print_text


def status(
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    n: Annotated[int, typer.Option("-n", help="Runs to list.", min=1)] = 10,
    as_json: AsJson = False,
) -> None:
    """Lists the newest runs, and the stages of the last."""
    from flows.artifacts import all_runs

    runs = all_runs(artifact_root(artifacts, config))[:n]
    if as_json:
        print_json({"runs": [record.model_dump(mode="json") for record in runs]})
        return
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

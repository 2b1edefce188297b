"""`lakebed run`: the chain on a lake."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakebed.flows.cli.options import Artifacts, AsJson, ConfigFile, Engine, Lake, Master, overrides
from lakebed.flows.cli.output import print_json, print_table, print_text
from lakebed.flows.cli.tables import print_unreadable
from lakebed.words import changes_text, counted, human_bytes, may_go_text, others_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakebed.config import LakebedConfig
    from lakebed.tables import TableRow


def run(  # noqa: PLR0913 - one argument an option
    config: ConfigFile = None,
    *,
    lake: Lake = None,
    artifacts: Artifacts = None,
    engine: Engine = None,
    master: Master = None,
    to: Annotated[
        str | None, typer.Option("--to", help="Last stage to run; the index where none is named.", show_default=False)
    ] = None,
    only: Annotated[str | None, typer.Option("--only", help="The one stage to run.", show_default=False)] = None,
    strict: Annotated[bool, typer.Option("--strict", help="A table that cannot be read ends the run.")] = False,
    paranoid: Annotated[bool, typer.Option("--paranoid", help="Identify files by their bytes, not by time.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Take nothing from earlier runs: read the whole lake.")] = False,
    as_json: AsJson = False,
) -> None:
    """Runs the chain and prints what it found."""
    from lakebed.config import load_config
    from lakebed.connectors.imports import import_arrow

    values = overrides(lake, artifacts, strict=strict or None, paranoid=paranoid or None)
    values |= {"full": True} if full else {}
    values |= {"spark": {"master": master}} if master else {}
    values |= {"engine": engine} if engine else {}
    settings = load_config(config, values)
    _require_master(settings)
    import_arrow()
    from lakebed.flows.runner import chosen_runner
    from lakebed.run import run as run_chain
    from lakebed.tables import unreadable_tables
    from lakebed.tasks.runtime.logs import configure
    from lakebed.tasks.runtime.progress import shown

    configure(settings.logging)
    result = run_chain(settings, to=to, only=only, progress=shown(), runner=chosen_runner(settings))
    if as_json:
        print_json(result.as_dict())
    else:
        print_summary(result.as_dict(), unreadable_tables(settings.artifacts, result.record), settings.artifacts)


def _require_master(settings: "LakebedConfig") -> None:
    """Before a run is even imported, where nothing can be reused, so that the cluster is wanted for sure.

    Raises: ConfigError: if the cluster's master cannot be reached.
    """
    from lakebed.connectors.spark.masters import require_master
    from lakebed.connectors.spark.submitted import is_submitted
    from lakebed.connectors.storage import is_object_store

    root = settings.artifacts
    if settings.engine != "local" and not is_object_store(root) and not Path(root, "runs").exists():
        require_master(settings.spark.master, is_submitted=is_submitted())


def print_summary(result: dict[str, Any], unreadable: "Sequence[TableRow]" = (), artifacts: str = "") -> None:
    """What a person wants to know of a run."""
    print_table(
        "Stages",
        ("stage", "artifact", "", "seconds", "read"),
        (
            (
                stage["stage"],
                stage["key"][:12],
                "reused" if stage["reused"] else "built",
                f"{stage['seconds']:.1f}",
                human_bytes(stage["bytes_read"]),
            )
            for stage in result["stages"]
        ),
        right=(3, 4),
    )
    for stage in result["stages"]:
        if told := changes_text(stage.get("changes", {})):
            print_text(f"{stage['stage']}, by what changed since the last run: {told}")
    print_text()
    print_text(
        f"{counted(result.get('tables', 0), 'table')} in {counted(result.get('distinct_schemas', 0), 'schema')}, "
        f"{max(len(unreadable), result.get('unreadable', 0)):,} unreadable"
    )
    print_unreadable(unreadable, artifacts)
    if others := others_text(result.get("other_files"), result.get("other_bytes")):
        print_text(others)
    if "proven" in result:
        print_text(
            f"pairs: {result['schema_edges']:,} by schema → {result['after_min_max']:,} after min-max → "
            f"{result['after_sketches']:,} after sketches → {result['proven']:,} proven, "
            f"{result['coincidental']:,} of them coincidental"
        )
    if "deletable_tables" in result:
        print_text(f"{may_go_text(result, result.get('table_bytes', 0))}; next: lakebed plan")
    if "summary" in result:
        graph, summary = result["lakegraph"], result["summary"]
        print_text(
            f"graph: {graph['nodes']:,} nodes, {graph['edges']:,} edges; its summary costs {summary['cost']:,}, "
            f"{summary['ratio']:.3f} of the edges"
        )
    if result.get("changed"):
        print_text(f"since the run before: {result['changed']}; next: lakebed changes --artifacts {artifacts}")
    if result["report"]:
        print_text(f"report: {result['report']}")

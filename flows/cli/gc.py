"""`lakebed gc`: removes what no kept run refers to."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakebed.connectors.errors import ArtifactError
from lakebed.flows.cli.confirm import DryRun, Yes, require_yes
from lakebed.flows.cli.logs import follow_config
from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, artifact_root
from lakebed.flows.cli.output import print_json, print_table, print_text
from lakebed.words import counted, human_bytes

if TYPE_CHECKING:
    from lakebed.gc import Cleaning

SHOWN = 40

Keep = Annotated[int | None, typer.Option("--keep", min=1, help="Newest runs to keep, whatever their age.")]
KeepDays = Annotated[float | None, typer.Option("--keep-days", min=0, help="Days for which every run is kept.")]
Plans = Annotated[list[Path] | None, typer.Option("--plan", help="A plan whose artifacts are kept; may be repeated.")]


def gc(  # noqa: PLR0913 - one argument an option
    *,
    keep: Keep = None,
    keep_days: KeepDays = None,
    plan: Plans = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Remove runs and artifacts that no kept run, receipt or plan needs, and what killed runs left. Never the lake."""
    from lakebed.gc import clean, preview, settings_for

    follow_config(config)
    root, plans = artifact_root(artifacts, config), plan or []
    chosen = {name: value for name, value in {"keep_runs": keep, "keep_days": keep_days}.items() if value is not None}
    settings = settings_for(config, root, chosen)
    found = preview(settings.artifacts, settings.gc, plans)
    if not dry_run and found.n_things:
        if not as_json:
            _print(found)
        what = f"remove {found.n_things:,} things ({human_bytes(found.sweep.n_bytes)})"
        require_yes(what, yes, f"lakebed gc --artifacts {root} --yes")
        found = clean(settings.artifacts, settings.gc, plans)
    if as_json:
        print_json({"dry_run": dry_run, **found.as_dict()})
    elif dry_run or not found.n_things:
        _print(found)
        print_text("nothing was changed")
    else:
        print_text(f"removed {found.n_things:,} things, {human_bytes(found.sweep.n_bytes)} at most")
    _require_ended(found)


def _print(found: "Cleaning") -> None:
    things = found.sweep.all
    rows: list[tuple[str, ...]] = [
        (one.path, one.why, f"{one.n_files:,}", human_bytes(one.n_bytes)) for one in things[:SHOWN]
    ]
    rows += [(f"process {one.pid}", "its run is dead", "", one.command[:60]) for one in found.orphans]
    rows += [(folder, "its process is gone", "", "") for folder in found.folders]
    print_table("To be removed", ("what", "why", "files", "bytes"), rows, right=(2, 3))
    if len(things) > SHOWN:
        rest = Counter(one.why for one in things[SHOWN:])
        print_text("… and " + ", ".join(f"{n:,} more ({why})" for why, n in rest.items()) + "; --json lists them")
    n_runs, n_artifacts = len(found.sweep.kept_runs), found.sweep.n_kept_artifacts
    print_text(f"kept: {counted(n_runs, 'run')}, {counted(n_artifacts, 'artifact')}")
    if found.is_at_work:
        print_text("a run works on this artifact root: what it is making is not listed, and nothing can be removed now")


def _require_ended(found: "Cleaning") -> None:
    if found.left:
        raise ArtifactError(
            f"{len(found.left)} processes of dead runs could not be ended",
            examples=[f"{one.pid}: {one.command}" for one in found.left],
            hint="end them as another user, or restart the machine",
        )

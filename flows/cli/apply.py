"""`lakebed apply`: sets the tables of a plan aside."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakebed.flows.cli.confirm import DryRun, Yes, require_yes
from lakebed.flows.cli.logs import follow_config
from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, Lake, overrides
from lakebed.flows.cli.output import print_json, print_table, print_text
from lakebed.words import human_bytes

if TYPE_CHECKING:
    from lakebed.tasks.quarantine.apply import Applied

PlanFile = Annotated[Path, typer.Argument(help="The plan that `lakebed plan` wrote.")]


def apply(  # noqa: PLR0913 - one argument an option
    plan: PlanFile = Path("plan.json"),
    *,
    yes: Yes = False,
    dry_run: DryRun = False,
    lake: Lake = None,
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Set the tables of a plan aside: verify, rebuild and compare, then move to quarantine. Deletes nothing."""
    from lakebed.quarantine import apply as apply_plan
    from lakebed.quarantine import apply_settings
    from lakebed.tasks.retention.plan import read_plan

    follow_config(config)
    read = read_plan(plan)
    settings = apply_settings(read, config, overrides(lake, artifacts))
    if not dry_run:
        n_bytes = sum(table.n_bytes for table in read.deleted)
        require_yes(
            f"set {len(read.deleted):,} tables ({human_bytes(n_bytes)}) of {settings.lake.root} aside",
            yes,
            f"lakebed apply {plan} --yes",
        )
    done = apply_plan(read, settings, is_dry=dry_run)
    if as_json:
        print_json(_facts(done, is_dry=dry_run))
        return
    _print(done, settings.lake.root, is_dry=dry_run)


def _facts(done: "Applied", *, is_dry: bool) -> dict[str, Any]:
    tables = [
        {
            "table": receipt.table.name,
            "n_bytes": receipt.n_bytes,
            "n_files": len(receipt.files),
            "parents": list(receipt.table.parents),
            "pointer": receipt.pointer,
            "purge_not_before": receipt.purge_not_before,
        }
        for receipt in done.receipts
    ]
    counts = {"n_tables": len(tables), "n_before": done.n_before, "n_bytes": done.n_bytes}
    return {"dry_run": is_dry, **counts, "quarantine": done.quarantine, "tables": tables}


def _print(done: "Applied", lake: str, *, is_dry: bool) -> None:
    rows = (
        (receipt.table.name, human_bytes(receipt.n_bytes), ", ".join(receipt.table.parents), receipt.purge_not_before)
        for receipt in done.receipts
    )
    verb = "would be set aside" if is_dry else "set aside"
    title = f"{len(done.receipts):,} tables {verb}, {human_bytes(done.n_bytes)} in all"
    print_table(title, ("table", "bytes", "rebuilt from", "purge not before"), rows, right=(1,))
    if done.n_before:
        print_text(f"{done.n_before:,} of them were set aside before")
    if is_dry:
        print_text("everything was verified; nothing was changed")
        return
    from lakebed.tasks.quarantine.receipt import quoted

    print_text(f"quarantine: {done.quarantine}; parents are pinned as long as tables lie there")
    print_text(f"undo: lakebed restore --all --lake {quoted(lake)}")

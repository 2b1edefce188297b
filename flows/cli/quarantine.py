"""`lakebed apply`, `lakebed restore` and `lakebed purge`: sets tables aside, brings them back, deletes them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakebed.flows.cli.confirm import DryRun, Everything, Tables, Yes, require_yes
from lakebed.flows.cli.logs import follow_config
from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, Exclude, Lake, Only, overrides
from lakebed.flows.cli.output import print_json, print_table, print_text, printable
from lakebed.words import counted, human_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakebed.tasks.quarantine.apply import Applied
    from lakebed.tasks.quarantine.purge import Purged
    from lakebed.tasks.retention.plan import Plan

PlanFile = Annotated[Path, typer.Argument(help="The plan that `lakebed plan` wrote.")]


def apply(  # noqa: PLR0913 - one argument an option
    plan: PlanFile = Path("plan.json"),
    *,
    yes: Yes = False,
    dry_run: DryRun = False,
    only: Only = None,
    exclude: Exclude = None,
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

    def confirm(going: "Plan") -> None:
        n_bytes = human_bytes(sum(table.n_bytes for table in going.deleted))
        what = f"set {counted(len(going.deleted), 'table')} ({n_bytes}) of {settings.lake.root} aside"
        require_yes(what, yes, f"lakebed apply {plan} --yes")

    done = apply_plan(read, settings, is_dry=dry_run, only=only or (), skip=exclude or (), confirm=confirm)
    if as_json:
        print_json(_facts(done, is_dry=dry_run))
        return
    _print(done, settings.lake.root, is_dry=dry_run)


def restore(  # noqa: PLR0913 - one argument an option
    tables: Tables = None,
    *,
    everything: Everything = False,
    beside: Annotated[
        str, typer.Option("--beside", help="Path in the lake for one table whose place is taken.", show_default=False)
    ] = "",
    dry_run: DryRun = False,
    lake: Lake = None,
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Bring tables back: from quarantine byte for byte, or rebuilt from their parents once they were purged."""
    from lakebed.quarantine import chosen_tables, lake_settings
    from lakebed.quarantine import restore as restore_tables

    follow_config(config)
    chosen = chosen_tables(tables, everything, "restore")
    settings = lake_settings(config, overrides(lake, artifacts))
    done = restore_tables(chosen, settings, is_dry=dry_run, beside=beside)
    if as_json:
        facts = {"n_tables": len(done.moved) + len(done.rebuilt), "n_bytes": done.n_bytes, "beside": done.beside}
        print_json({"dry_run": dry_run, **facts, "moved": list(done.moved), "rebuilt": list(done.rebuilt)})
        return
    verb = "would come" if dry_run else "came"
    print_text(f"{counted(len(done.moved), 'table')} {verb} back from quarantine: {_listed(done.moved) or 'none'}")
    if done.rebuilt:
        print_text(f"{counted(len(done.rebuilt), 'table')} {verb} back by rebuilding: {_listed(done.rebuilt)}")
    place = f", to {printable(done.beside)}" if done.beside else ""
    print_text(f"{human_bytes(done.n_bytes)} in all{place}")


def purge(  # noqa: PLR0913 - one argument an option
    tables: Tables = None,
    *,
    everything: Everything = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    lake: Lake = None,
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Delete tables in quarantine whose days of grace are over. The only verb that deletes; with --all those due."""
    from lakebed.quarantine import chosen_tables, lake_settings
    from lakebed.quarantine import purge as purge_tables

    follow_config(config)
    chosen = chosen_tables(tables, everything, "purge")
    settings = lake_settings(config, overrides(lake, artifacts))

    def confirm(due: "Purged") -> None:
        what = f"delete {counted(len(due.tables), 'table')} ({human_bytes(due.n_bytes)}) for ever"
        require_yes(what, yes, f"lakebed purge {' '.join(chosen or ['--all'])} --lake {settings.lake.root} --yes")

    done = purge_tables(chosen, settings, is_dry=dry_run, confirm=confirm)
    if as_json:
        waiting = [{"table": name, "why": why} for name, why in done.waiting]
        counts = {"n_tables": len(done.tables), "n_bytes": done.n_bytes, "tables": done.tables}
        print_json({"dry_run": dry_run, **counts, "waiting": waiting})
        return
    verb = "would be deleted" if dry_run else "deleted; their recipes stay, `lakebed restore` rebuilds them"
    print_text(
        f"{counted(len(done.tables), 'table')}, {human_bytes(done.n_bytes)}, {verb}: {_listed(done.tables)}"
        if done.tables
        else "no table is due; nothing was deleted"
    )
    _print_staying(done.waiting, "still in quarantine")


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
    left = [{"table": name, "why": why} for name, why in done.left]
    return {"dry_run": is_dry, **counts, "quarantine": done.quarantine, "tables": tables, "left": left}


def _listed(names: "Sequence[str]") -> str:
    return ", ".join(map(printable, names))


def _print_staying(staying: "Sequence[tuple[str, str]]", title: str) -> None:
    if staying:
        print_table(f"{counted(len(staying), 'table')} {title}", ("table", "why"), staying)


def _print(done: "Applied", lake: str, *, is_dry: bool) -> None:
    rows = (
        (receipt.table.name, human_bytes(receipt.n_bytes), ", ".join(receipt.table.parents), receipt.purge_not_before)
        for receipt in done.receipts
    )
    verb = "would be set aside" if is_dry else "set aside"
    title = f"{counted(len(done.receipts), 'table')} {verb}, {human_bytes(done.n_bytes)} in all"
    print_table(title, ("table", "bytes", "rebuilt from", "purge not before"), rows, right=(1,))
    _print_staying(done.left, "of the plan left in place")
    if done.n_before:
        print_text(f"{done.n_before:,} of them were set aside before")
    if is_dry:
        print_text("everything was verified; nothing was changed")
        return
    from lakebed.tasks.quarantine.receipt import quoted

    print_text(f"quarantine: {done.quarantine}; parents are pinned as long as tables lie there")
    print_text(f"undo: lakebed restore --all --lake {quoted(lake)}")

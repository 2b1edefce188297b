"""`lakebed purge`: deletes tables in quarantine after their time."""

from lakebed.flows.cli.confirm import DryRun, Everything, Tables, Yes, require_yes
from lakebed.flows.cli.logs import follow_config
from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, Lake, overrides
from lakebed.flows.cli.output import print_json, print_text, printable
from lakebed.words import human_bytes


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
    due = purge_tables(chosen, settings, is_dry=True)
    if not dry_run:
        what = f"delete {len(due.tables):,} tables ({human_bytes(due.n_bytes)}) for ever"
        require_yes(what, yes, f"lakebed purge {' '.join(chosen or ['--all'])} --lake {settings.lake.root} --yes")
    done = due if dry_run else purge_tables(chosen, settings)
    if as_json:
        print_json({"dry_run": dry_run, "n_tables": len(done.tables), "n_bytes": done.n_bytes, "tables": done.tables})
        return
    verb = "would be deleted" if dry_run else "deleted; their recipes stay, `lakebed restore` rebuilds them"
    print_text(
        f"{len(done.tables):,} tables, {human_bytes(done.n_bytes)}, {verb}: {', '.join(map(printable, done.tables))}"
    )

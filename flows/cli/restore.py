"""`lakebed restore`: brings tables back."""

from lakebed.flows.cli.confirm import DryRun, Everything, Tables
from lakebed.flows.cli.logs import follow_config
from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, Lake, overrides
from lakebed.flows.cli.output import print_json, print_text, printable
from lakebed.words import human_bytes


def restore(  # noqa: PLR0913 - one argument an option
    tables: Tables = None,
    *,
    everything: Everything = False,
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
    done = restore_tables(chosen, lake_settings(config, overrides(lake, artifacts)), is_dry=dry_run)
    if as_json:
        counts = {"n_tables": len(done.moved) + len(done.rebuilt), "n_bytes": done.n_bytes}
        print_json({"dry_run": dry_run, **counts, "moved": list(done.moved), "rebuilt": list(done.rebuilt)})
        return
    verb = "would come" if dry_run else "came"
    print_text(
        f"{len(done.moved):,} tables {verb} back from quarantine: {', '.join(map(printable, done.moved)) or 'none'}"
    )
    if done.rebuilt:
        print_text(f"{len(done.rebuilt):,} tables {verb} back by rebuilding: {', '.join(map(printable, done.rebuilt))}")
    print_text(f"{human_bytes(done.n_bytes)} in all")

"""`lakebed tables`: every table of the lake, and what was not looked at."""

from typing import TYPE_CHECKING, Annotated

import typer

from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, artifact_root, overrides
from lakebed.flows.cli.output import print_json, print_table, print_text
from lakebed.words import counted, human_bytes, others_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakebed.tables import TableRow

SHOWN = 5


def tables(
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    unreadable: Annotated[bool, typer.Option("--unreadable", help="Only those that could not be read.")] = False,
    as_json: AsJson = False,
) -> None:
    """List every table: format, rows, bytes, columns, zone, topic, and whether it was read, why not, or set aside."""
    from lakebed.artifacts import newest_run
    from lakebed.quarantine import lake_settings
    from lakebed.tables import INVENTORY, lake_tables

    newest_run(artifact_root(artifacts, config), INVENTORY)
    found = lake_tables(lake_settings(config, overrides(None, artifacts)))
    if unreadable:
        found = found.of_state("unreadable")
    if as_json:
        print_json(found.as_dict())
        return
    if not unreadable:
        title, header = (
            counted(len(found), "table"),
            ("table", "format", "rows", "bytes", "columns", "zone", "topic", "state"),
        )
        print_table(title, header, map(_cells, found), right=(2, 3, 4))
    for row in found:
        if row.notes:
            print_text(f"{row.name}: {row.notes}")
        if row.renderings:
            print_text(f"{row.name}: written as {row.renderings}")
    for row in found.of_state("unreadable"):
        print_text(_told(row))
    if others := others_text(found.n_other_files, found.other_bytes):
        print_text(others)


def print_unreadable(rows: "Sequence[TableRow]", artifacts: str) -> None:
    """The first tables that could not be read, with reasons, and how to see the rest."""
    for row in rows[:SHOWN]:
        print_text(f"  {_told(row)}")
    if len(rows) > SHOWN:
        print_text(f"  … and {len(rows) - SHOWN:,} more: lakebed tables --unreadable --artifacts {artifacts}")


def _cells(row: "TableRow") -> tuple[str, ...]:
    n_bytes = "" if row.n_bytes is None else human_bytes(row.n_bytes)
    counts = ["" if count is None else f"{count:,}" for count in (row.n_rows, row.n_columns)]
    return row.name, row.format, counts[0], n_bytes, counts[1], row.zone, row.topic, row.state


def _told(row: "TableRow") -> str:
    return f"{row.name} cannot be read: {row.reason}" + (f"; {row.hint}" if row.hint else "")

"""`lakebed links predict`: likely missing links."""

from pathlib import Path
from typing import Annotated

import typer

from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, asked
from lakebed.flows.cli.output import print_lines, print_table, print_text

links = typer.Typer(name="links", help="Likely missing links of the graph.", no_args_is_help=True)


@links.callback()
def _links() -> None:
    """Likely missing links of the graph."""


@links.command()
def predict(
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of a Delta table to write.", show_default=False)
    ] = None,
    top: Annotated[int, typer.Option("--top", help="How many, the likeliest first.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """Print the likeliest missing links of the newest run, with their chances, or write them as a Delta table."""
    found = asked(artifacts, config).links(top)
    if out is not None:
        from lakebed.connectors.delta import write_table

        write_table(str(out), found.table)
    if as_json:
        print_lines(map(vars, found))
    elif not found:
        print_text(f"no link is predicted{': ' + found.untrained if found.untrained else ''}")
    else:
        print_table(
            "likely missing links",
            ("chance", "", "source", "target", "why"),
            ((f"{row.chance:.3f}", row.kind, row.source, row.target, row.why) for row in found),
            right=(0,),
        )

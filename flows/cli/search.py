"""`lakebed similar`, `lakebed joinable` and `lakebed search`: the tables and columns that are near, with why."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, asked
from lakebed.flows.cli.output import print_lines, print_table, print_text

if TYPE_CHECKING:
    from lakebed.results import Result
    from lakebed.tasks.search.model import Neighbour

Near = Annotated[bool, typer.Option("--near", help="Also what shares no value and is only near in the graph.")]
Number = Annotated[int, typer.Option("--k", "-k", help="How many answers.", min=1, max=1_000)]
File = Annotated[Path | None, typer.Option("--file", help="A Parquet, CSV or JSON lines file that is not in the lake.")]
Union = Annotated[bool, typer.Option("--union", help="Only tables that could be put under it.")]
Novel = Annotated[bool, typer.Option("--novel", help="The same, those that would bring the most new rows first.")]


def similar(  # noqa: PLR0913 - one argument an option
    table: Annotated[str | None, typer.Argument(help="Name of the table, relative to the lake.")] = None,
    file: File = None,
    *,
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    k: Number = 10,
    near: Near = False,
    union: Union = False,
    novel: Novel = False,
    as_json: AsJson = False,
) -> None:
    """Print the tables most like a table, and which of their columns lie over its own, with why."""
    found = asked(artifacts, config).similar(table, k, file=file, near=near, union=union, novel=novel)
    _show(found, as_json=as_json)


def joinable(  # noqa: PLR0913 - one argument an option
    column: Annotated[str, typer.Argument(help="TABLE.COLUMN, or the JSON text of table and path; of a file, COLUMN.")],
    file: File = None,
    *,
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    k: Number = 10,
    near: Near = False,
    as_json: AsJson = False,
) -> None:
    """Print the columns of other tables that a column can best be joined with, with why."""
    _show(asked(artifacts, config).joinable(column, k, file=file, near=near), as_json=as_json)


def search(
    text: Annotated[str, typer.Argument(help="Part of a name, or a value.")],
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    k: Number = 10,
    as_json: AsJson = False,
) -> None:
    """Print tables and columns whose names or shared values are most like a text."""
    _show(asked(artifacts, config).search(text, k), as_json=as_json)


def _show(found: "Result[Neighbour]", *, as_json: bool) -> None:
    """One object a line, or a table."""
    if as_json:
        print_lines(row.as_dict() for row in found)
    elif not found:
        print_text("nothing is alike")
    elif any(row.share is not None for row in found):
        rows = ((row.name, f"{row.share or 0.0:.0%}", _distance(row), row.why_text()) for row in found)
        print_table(found.title, ("", "share", "distance", "why"), rows, right=(1, 2))
    else:
        print_table(
            found.title,
            ("", "distance", "why"),
            ((row.name, _distance(row), row.why_text()) for row in found),
            right=(1,),
        )


def _distance(row: "Neighbour") -> str:
    return "" if row.distance is None else f"{row.distance:.3f}"

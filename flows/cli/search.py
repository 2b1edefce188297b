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


def similar(  # noqa: PLR0913 - one argument an option
    table: Annotated[str | None, typer.Argument(help="Name of the table, relative to the lake.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A Parquet file that is not in the lake.")] = None,
    *,
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    k: Number = 10,
    near: Near = False,
    as_json: AsJson = False,
) -> None:
    """Print the tables that hold most of a table's values, with why."""
    _show(asked(artifacts, config).similar(table, k, file=file, near=near), as_json=as_json)


def joinable(
    column: Annotated[str, typer.Argument(help="TABLE.COLUMN, or the JSON text of the list of table and path.")],
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    k: Number = 10,
    near: Near = False,
    as_json: AsJson = False,
) -> None:
    """Print the columns of other tables that hold most of a column's distinct values, with why."""
    _show(asked(artifacts, config).joinable(column, k, near=near), as_json=as_json)


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

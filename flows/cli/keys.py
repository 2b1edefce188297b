"""`lakebed keys`: which columns refer to which, with chances and reasons; diagrams; ways to join two tables."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from lakebed.connectors.errors import ConfigError
from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, asked
from lakebed.flows.cli.output import print_lines, print_table, print_text

if TYPE_CHECKING:
    from lakebed.keys import Keys

SHOWN = ("child", "column", "parent", "parent_column", "chance", "why")


class Diagram(StrEnum):
    """Languages of diagrams."""

    MERMAID = "mermaid"
    DBML = "dbml"


def keys(
    table: Annotated[str | None, typer.Argument(help="Name of a table; all of the lake where none is given.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="How TABLE can be joined with this one.", show_default=False)
    ] = None,
    erd: Annotated[
        Diagram | None, typer.Option("--erd", help="Print a diagram of the tables instead.", show_default=False)
    ] = None,
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Print the foreign keys that were found, one a line: child, column, parent, its column, chance, and why."""
    found = asked(artifacts, config).keys(None if to is not None else table)
    if to is not None:
        _print_paths(found, table, to, as_json=as_json)
    elif erd is not None:
        print_text((found.mermaid() if erd is Diagram.MERMAID else found.dbml()).rstrip("\n"))
    elif as_json:
        print_lines({name: getattr(row, name) for name in SHOWN} for row in found)
    else:
        _print_keys(found)


def _print_keys(found: "Keys") -> None:
    if found.model == "rule":
        print_text("the fixed rule decided: its chances are scores")
    if not found:
        print_text("no column refers to another")
    else:
        rows = (
            (f"{row.child}.{row.column}", f"{row.parent}.{row.parent_column}", f"{row.chance:.2f}", row.why)
            for row in found
        )
        print_table(f"{len(found):,} {found.title}", ("column", "refers to", "chance", "why"), rows, right=(2,))
    if found.primary:
        primary = ((row.table, ", ".join(row.columns), f"{row.n_rows:,}") for row in found.primary)
        print_table(f"{len(found.primary):,} primary keys", ("table", "columns", "rows"), primary, right=(2,))


def _print_paths(found: "Keys", start: str | None, goal: str, *, as_json: bool) -> None:
    if start is None:
        raise ConfigError("--to needs the table to start from", value=goal, expected="lakebed keys TABLE --to OTHER")
    paths = found.paths(start, goal)
    if as_json:
        print_lines(map(vars, paths))
    elif not paths:
        print_text("no keys lead from one to the other")
    else:
        rows = ((f"{row.n_keys}", f"{row.chance:.2f}", "; ".join(row.steps)) for row in paths)
        print_table(paths.title, ("keys", "chance", "joined by"), rows, right=(0, 1))

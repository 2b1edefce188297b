"""`lakebed topics`: which tables belong together, how each group is called, and the tree above them."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, asked
from lakebed.flows.cli.output import print_json, print_lines, print_table, print_text
from lakebed.words import counted

if TYPE_CHECKING:
    from lakebed.topics import Topics

SHOWN_FOLDERS = 3


class Tree(StrEnum):
    """Formats of the tree."""

    JSON = "json"
    NEWICK = "newick"


def topics(
    table: Annotated[str | None, typer.Argument(help="Name of a table; its topic's tables are listed.")] = None,
    tree: Annotated[
        Tree | None, typer.Option("--tree", help="Print the tree of all tables instead.", show_default=False)
    ] = None,
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Print the topics: name, tables, and the folders they lie in; with --json one table a line, with its path."""
    found = asked(artifacts, config).topics(table)
    if tree is Tree.NEWICK:
        print_text(found.newick())
    elif tree is Tree.JSON:
        print_json(found.tree())
    elif as_json:
        print_lines(map(vars, found))
    elif table is not None:
        print_table(f"{found.title}: {found[0].name}", ("table", "path"), ((r.table, _path(r.path)) for r in found))
    else:
        _print_topics(found)


def _print_topics(found: "Topics") -> None:
    groups = found.groups
    together = [group for group in groups if group.n_tables > 1]
    rows = (
        (str(group.topic), group.name, f"{group.n_tables:,}", _folders(group.folders), _path(group.path[:-1]))
        for group in together
    )
    if together:
        header = ("topic", "name", "tables", "folders", "lies in")
        print_table(f"{counted(len(together), 'topic')} of several tables", header, rows, right=(0, 2))
    alone = len(groups) - len(together)
    if alone:
        print_text(f"{counted(alone, 'table')} with no likely key to another: a topic each")
    elif not groups:
        print_text("the lake has no tables")


def _folders(folders: tuple[str, ...]) -> str:
    more = len(folders) - SHOWN_FOLDERS
    return ", ".join(folders[:SHOWN_FOLDERS]) + (f" and {more:,} more" if more > 0 else "")


def _path(path: tuple[str, ...]) -> str:
    return " / ".join(path)

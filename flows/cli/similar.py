"""`lakebed similar`: the tables most like a table of the lake, or like one that is not in it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakebed.connectors.errors import ConfigError
from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, artifact_root
from lakebed.flows.cli.output import print_lines, print_table, print_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lakebed.tasks.search.lake_search import LakeSearch
    from lakebed.tasks.search.model import Neighbour

Number = Annotated[int, typer.Option("--k", "-k", help="How many answers.", min=1, max=1_000)]


def similar(
    table: Annotated[str | None, typer.Argument(help="Name of the table, relative to the lake.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A Parquet file that is not in the lake.")] = None,
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    k: Number = 10,
    as_json: AsJson = False,
) -> None:
    """Print the tables that hold most of a table's values, and those near it in the graph, with why."""
    if (table is None) == (file is None):
        raise ConfigError("one thing to compare is needed", expected="TABLE, or --file X.parquet")
    search = opened(artifact_root(artifacts, config))
    if file is not None:
        from lakebed.tasks.search.query_file import ask_file

        found = search.similar_to(*ask_file(search, file), k)
    else:
        found = search.similar(str(table), k)
    show(f"tables like {file or table}", found, as_json=as_json)


def opened(root: str) -> "LakeSearch":
    """The search over the newest index of an artifact root.

    Raises:
        ArtifactError: if no run has made one.
    """
    from lakebed.artifacts import search_refs
    from lakebed.tasks.search.lake_search import LakeSearch

    return LakeSearch(*search_refs(root))


def show(title: str, found: "Iterable[Neighbour]", *, as_json: bool) -> None:
    """One object a line, or a table."""
    rows = list(found)
    if as_json:
        print_lines(row.as_dict() for row in rows)
    elif not rows:
        print_text("nothing is near")
    else:
        print_table(
            title, ("", "distance", "why"), ((row.name, _far(row), why_text(row.why)) for row in rows), right=(1,)
        )


def why_text(why: dict[str, Any]) -> str:
    """The reasons in one line."""
    parts = [str(why["containment"])] if why.get("containment") else []
    if "columns" in why:
        parts.append(f"{why['shared']:.0%} of its values")
        parts += [f"{pair['column']} = {pair['in']} {pair['share']:.0%}" for pair in why["columns"][:3]]
    elif "shared_values" in why:
        parts.append(f"{why['shared_values']:,} shared values, {why['share']:.0%}")
    else:
        parts.append(f"{why['matched']} {why.get('value', '')}".strip())
    if why.get("predicted_link") is not None:
        parts.append(f"predicted link {why['predicted_link']:.0%}")
    parts += [f"predicted {p['column']} = {p['in']} {p['chance']:.0%}" for p in why.get("predicted_columns", [])[:1]]
    if why.get("values"):
        parts.append("such as " + ", ".join(str(value) for value in why["values"]))
    return "; ".join(parts)


def _far(row: "Neighbour") -> str:
    return "" if row.distance is None else f"{row.distance:.3f}"

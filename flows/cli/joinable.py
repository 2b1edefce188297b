"""`lakebed joinable`: the columns that hold most of a column's values."""

from typing import Annotated

import typer

from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, artifact_root
from lakebed.flows.cli.similar import Number, opened, show


def joinable(
    column: Annotated[str, typer.Argument(help="TABLE.COLUMN, or the JSON text of the list of table and path.")],
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    k: Number = 10,
    as_json: AsJson = False,
) -> None:
    """Print the columns of other tables that hold most of a column's distinct values, with why."""
    found = opened(artifact_root(artifacts, config)).joinable(column, k)
    show(f"columns to join {column} with", found, as_json=as_json)

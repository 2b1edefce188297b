"""`lakebed search`: tables and columns by a text in their names or values."""

from typing import Annotated

import typer

from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, artifact_root
from lakebed.flows.cli.similar import Number, opened, show


def search(
    text: Annotated[str, typer.Argument(help="Part of a name, or a value.")],
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    k: Number = 10,
    as_json: AsJson = False,
) -> None:
    """Print tables and columns whose names or shared values are most like a text."""
    show(f"found for {text}", opened(artifact_root(artifacts, config)).search(text, k), as_json=as_json)

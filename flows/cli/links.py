"""`lakebed links predict`: likely missing links."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakebed.connectors.errors import ArtifactError
from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, artifact_root
from lakebed.flows.cli.output import print_lines, print_table, print_text

if TYPE_CHECKING:
    import pyarrow as pa

links = typer.Typer(name="links", help="Likely missing links of the graph.", no_args_is_help=True)
SHOWN_RUNGS = 3


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
    root = artifact_root(artifacts, config)
    table, why = predictions(root)
    table = table.slice(0, top)
    if out is not None:
        from lakebed.connectors.delta import write_table

        write_table(str(out), table)
    rows = [readable(row) for row in table.to_pylist()]
    if as_json:
        print_lines(rows)
    elif not rows:
        print_text(f"no link is predicted{': ' + why if why else ''}")
    else:
        print_table(
            "likely missing links",
            ("chance", "", "source", "target", "evidence"),
            ((f"{row['chance']:.3f}", row["kind"], row["source"], row["target"], _evidence(row)) for row in rows),
            right=(0,),
        )


def predictions(root: str) -> "tuple[pa.Table, str]":
    """The PREDICTIONS of the newest run that has them, in order of their rank, and why there are none.

    Raises:
        ArtifactError: if no run has reached the links stage.
        StageError: if none has, and torch is not installed either.
    """
    from lakebed.artifacts import newest_refs
    from lakebed.tasks.links.stage import require_torch

    try:
        store, refs = newest_refs(root, "links")
    except ArtifactError as error:
        require_torch()
        error.hint = f"lakebed run --lake PATH --artifacts {root} --to links"
        raise
    table = store.read(refs["links"], "predictions").sort_by("rank")
    return table, str(store.manifest(refs["links"]).summary.get("untrained", ""))


def readable(row: dict[str, Any]) -> dict[str, Any]:
    """A row with names in the place of numbers, and its evidence parsed."""
    import json

    return {
        "rank": row["rank"],
        "kind": row["kind"],
        "source": row["source_label"],
        "target": row["target_label"],
        "chance": row["chance"],
        "evidence": json.loads(row["evidence"]),
    }


def _evidence(row: dict[str, Any]) -> str:
    scores = list(row["evidence"].items())
    return ", ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in scores[:SHOWN_RUNGS] + scores[-1:])

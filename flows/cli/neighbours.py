"""`lakebed neighbours`: the nodes that a node is joined to, read off the summary."""

from typing import Annotated

import typer

from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, asked
from lakebed.flows.cli.output import print_json, print_table

SHOWN = 50


def neighbours(
    node: Annotated[str, typer.Argument(help="Key or label of the node, or its number.")],
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    everything: Annotated[bool, typer.Option("--all", help="List every neighbour.")] = False,
    as_json: AsJson = False,
) -> None:
    """Lists what a node of the graph is joined to, from the newest summary, without decompressing it."""
    found = asked(artifacts, config).neighbours(node)
    if as_json:
        print_json({"node": vars(found.node), "n_neighbours": len(found), "neighbours": [vars(row) for row in found]})
        return
    shown = found if everything else found[:SHOWN]
    title = f"{found.node.label} ({found.node.kind}): {len(found):,} neighbours"
    if len(shown) < len(found):
        title += f", the first {SHOWN}; --all lists them"
    print_table(title, ("kind", "label", "number"), ((row.kind, row.label, row.node_id) for row in shown), right=(2,))

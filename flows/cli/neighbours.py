"""`lakebed neighbours`: the nodes that a node is joined to, read off the summary."""

from typing import TYPE_CHECKING, Annotated

import typer

from lakebed.connectors.errors import GraphError
from lakebed.flows.cli.options import Artifacts, AsJson, ConfigOption, artifact_root
from lakebed.flows.cli.output import print_json, print_table

if TYPE_CHECKING:
    import pyarrow as pa

    from lakebed.tasks.summary.kernel.model import Summary

SHOWN = 50


def neighbours(
    node: Annotated[str, typer.Argument(help="Key or label of the node, or its number.")],
    artifacts: Artifacts = None,
    config: ConfigOption = None,
    everything: Annotated[bool, typer.Option("--all", help="List every neighbour.")] = False,
    as_json: AsJson = False,
) -> None:
    """Lists what a node of the graph is joined to, from the newest summary, without decompressing it."""
    nodes, summary = newest_summary(artifact_root(artifacts, config))
    number = find_node(nodes, node)
    found = nodes.take(summary.neighbours(number)).to_pylist()
    asked = nodes.slice(number, 1).to_pylist()[0]
    if as_json:
        print_json({"node": asked, "n_neighbours": len(found), "neighbours": found})
        return
    shown = found if everything else found[:SHOWN]
    title = f"{asked['label']} ({asked['kind']}): {len(found):,} neighbours"
    if len(shown) < len(found):
        title += f", the first {SHOWN}; --all lists them"
    rows = ((row["kind"], row["label"], str(row["node_id"])) for row in shown)
    print_table(title, ("kind", "label", "number"), rows, right=(2,))


def newest_summary(root: str) -> tuple["pa.Table", "Summary"]:
    """The nodes and the summary of the newest run that has one.

    Raises:
        ArtifactError: if no run has reached the summary stage, or its files are damaged.
    """
    from lakebed.artifacts import newest_refs
    from lakebed.tasks.summary.export import load_arrays

    store, refs = newest_refs(root, "summary")
    nodes = store.read(refs["lakegraph"], "nodes", ["node_id", "kind", "key", "label"]).sort_by("node_id")
    summary = refs["summary"]
    return nodes, load_arrays(store.folder(summary.stage, summary.key), nodes.num_rows)


def find_node(nodes: "pa.Table", name: str) -> int:
    """The number of the node with this key, else with this label, else with this number.

    Raises:
        GraphError: if there is none, or several have the label.
    """
    import pyarrow.compute as pc

    for column in ("key", "label"):
        found = pc.indices_nonzero(pc.equal(nodes[column], name)).to_pylist()
        if len(found) == 1:
            return int(found[0])
        if found:
            raise _not_one(nodes, name, found)
    if name.isdecimal() and int(name) < nodes.num_rows:
        return int(name)
    similar = pc.indices_nonzero(pc.match_substring(nodes["label"], name, ignore_case=True)).to_pylist()
    raise GraphError(
        "the graph has no such node",
        value=name,
        expected=f"a key, a label, or a number below {nodes.num_rows}",
        examples=_keys(nodes, similar[:5]) if name else [],
    )


def _not_one(nodes: "pa.Table", name: str, found: list[int]) -> GraphError:
    expected = "the key of one of them"
    return GraphError("several nodes have this label", value=name, expected=expected, examples=_keys(nodes, found[:6]))


def _keys(nodes: "pa.Table", numbers: list[int]) -> list[str]:
    import pyarrow as pa

    keys: list[str] = nodes.take(pa.array(numbers, pa.int64()))["key"].to_pylist()
    return keys

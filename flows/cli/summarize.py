"""`lakebed summarize` and `lakebed decode`: a summary of any edge file, and the graph back from it."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lakebed.flows.cli.logs import follow_config
from lakebed.flows.cli.options import AsJson
from lakebed.flows.cli.output import print_json, print_text
from lakebed.words import human_bytes


class Weights(StrEnum):
    """What to do with a third column."""

    refuse = "refuse"
    drop = "drop"
    keep = "keep"


def summarize(
    edges: Annotated[Path, typer.Argument(help="Edge file: text (also .gz), Parquet, or a Delta table.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the summary.", show_default=False)] = None,
    iterations: Annotated[int, typer.Option(min=1, help="Rounds of merging.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Seed.")] = 0,
    weights: Annotated[Weights, typer.Option(help="What to do with a third column.")] = Weights.refuse,
    as_json: AsJson = False,
) -> None:
    """Summarises a graph without loss; stopped, the same command goes on where it ended."""
    from lakebed.graph import summarize as summarize_edges
    from lakebed.tasks.runtime.progress import shown

    follow_config(None)
    chosen = {"iterations": iterations, "seed": seed}
    graph = summarize_edges(edges, out=out, weights=weights.value, progress=shown(), **chosen)
    facts = dict(graph.facts)
    if as_json:
        print_json(facts)
        return
    print_text(f"{facts['n_nodes']:,} nodes, {facts['n_edges']:,} edges")
    if facts["n_self_loops"] or facts["n_duplicates"]:
        print_text(f"dropped: {facts['n_self_loops']:,} self loops, {facts['n_duplicates']:,} repeated edges")
    print_text(
        f"cost {facts['cost']:,} = {facts['p_edges']:,} plus + {facts['n_minus_edges']:,} minus "
        f"+ {facts['h_edges']:,} hierarchy"
    )
    print_text(f"ratio {facts['ratio']:.4f}, {facts['bits_per_edge']:.2f} bits an edge ({facts['stored_form']})")
    print_text(f"arrays: {human_bytes(graph.summary.n_bytes())}; decoded and compared with the input: lossless")
    if out is not None:
        print_text(f"written to {out}; `lakebed decode {out}` gives the edges back")


def decode(
    folder: Annotated[Path, typer.Argument(help="Folder that `lakebed summarize --out` wrote.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", help=".tsv, .graphml or .npz (scipy); standard output else.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Gives the edges of a summarised graph back."""
    from lakebed.tasks.summary.export import edge_text, load, write_graph

    stored = load(str(folder))
    if out is None and not as_json:
        text, _ = edge_text(stored)
        print_text(text.removesuffix("\n"))
        return
    n_edges = len(stored.summary.decode()) if out is None else write_graph(stored, str(out))
    facts = {"n_nodes": stored.summary.n_nodes, "n_edges": n_edges, "out": None if out is None else str(out)}
    if as_json:
        print_json(facts)
    else:
        print_text(f"{n_edges:,} edges written to {out}")

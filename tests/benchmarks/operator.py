"""Times products and queries on summaries beside scipy's and our own on the graph, in the same run.

`python -m tests.benchmarks.operator [--graph FILE.tsv.gz …] [--columns 16 128] [--form adjacency]` prints one JSON
object a measurement on standard output; progress goes to standard error. One thread, float32. Without `--graph`, the
graphs beside the design pages are taken, where they are found. Times are CPU seconds of the process, the least of
`--repeats`, and the ways take turns, so that what else the machine does falls on all of them.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.blocks import FORMS, Form, form_scaling
from lakebed.tasks.summary.kernel.cost_model import choose
from lakebed.tasks.summary.kernel.csr import CsrGraph
from lakebed.tasks.summary.kernel.graph import Graph, build_graph
from lakebed.tasks.summary.kernel.model import Layout, Summary, lay_out
from lakebed.tasks.summary.kernel.operator import CsrOperator, SummaryOperator
from lakebed.tasks.summary.kernel.queries import neighbours_of
from lakebed.tasks.summary.kernel.summarize import summarize_graph
from tests.benchmarks.graphs import default_graphs, read_edges

Record = dict[str, object]
Work = Callable[[], object]


def main(arguments: Sequence[str] | None = None) -> int:
    """Console entry."""
    options = _parser().parse_args(arguments)
    for path in options.graph or default_graphs():
        name = path.name.removesuffix(".gz").removesuffix(".tsv")
        print(f"{name}: summarising", file=sys.stderr, flush=True)
        graph = build_graph(read_edges(path))
        summary = summarize_graph(graph, SummaryConfig(seed=options.seed))
        for record in measure(graph, summary, options.columns, options.form, options.repeats):
            print(json.dumps({"graph": name, **record}), flush=True)
    return 0


def measure(graph: Graph, summary: Summary, columns: Sequence[int], form: Form, repeats: int) -> Iterator[Record]:
    """One record for each number of columns, one for the queries."""
    layout = lay_out(summary)
    facts: Record = {"n": graph.n_nodes, "edges": graph.n_edges, "ratio": round(summary.cost() / graph.n_edges, 4)}
    for n_columns in columns:
        yield {**facts, "measurement": "product", **_products(graph, layout, n_columns, form, repeats)}
    yield {**facts, "measurement": "neighbour_query", **_queries(graph, layout, repeats)}


def _products(graph: Graph, layout: Layout, n_columns: int, form: Form, repeats: int) -> Record:
    csr = CsrGraph(graph.indptr, graph.neighbours)
    order = np.empty(graph.n_nodes, np.int64)
    order[layout.leaves] = np.arange(graph.n_nodes)
    ordered = CsrGraph.from_edges(graph.n_nodes, order[graph.edges()])
    dense = np.random.default_rng(0).standard_normal((graph.n_nodes, n_columns)).astype(np.float32)
    dense_ordered = np.ascontiguousarray(dense[layout.leaves])
    matrix = scipy_form(csr, form)
    on_summary, on_csr, on_ordered = SummaryOperator(layout, form), CsrOperator(csr, form), CsrOperator(ordered, form)
    seconds = take_turns(
        {
            "summary": lambda: on_summary.product(dense),
            "csr": lambda: on_csr.product(dense),
            "csr_depth_first": lambda: on_ordered.product(dense_ordered),
            "scipy": lambda: matrix @ dense,
        },
        repeats,
    )
    choice = choose(layout, len(csr.indices), n_columns)
    expected = matrix @ dense
    return {
        "columns": n_columns,
        "form": form,
        **{f"{way}_s": round(value, 7) for way, value in seconds.items()},
        "summary_times_scipy": round(seconds["scipy"] / seconds["summary"], 2),
        "summary_times_csr": round(seconds["csr"] / seconds["summary"], 2),
        "summary_times_csr_depth_first": round(seconds["csr_depth_first"] / seconds["summary"], 2),
        "csr_times_scipy": round(seconds["scipy"] / seconds["csr"], 2),
        "picked": choice.way,
        "picked_times_better": round(min(seconds["summary"], seconds["csr"]) / seconds[choice.way], 3),
        "max_difference": float(np.abs(on_summary.product(dense) - expected).max(initial=0)),
        "max_value": float(np.abs(expected).max(initial=0)),
    }


def _queries(graph: Graph, layout: Layout, repeats: int) -> Record:
    wanted = np.random.default_rng(0).permutation(graph.n_nodes)
    found = neighbours_of(layout, wanted)
    rows = zip(wanted, found.start[:-1], found.start[1:], strict=True)
    is_right = all(
        np.array_equal(np.sort(found.vertex[a:b]), graph.neighbours[graph.indptr[v] : graph.indptr[v + 1]])
        for v, a, b in rows
    )
    seconds = take_turns({"query": lambda: neighbours_of(layout, wanted)}, repeats)["query"]
    return {"queries": graph.n_nodes, "query_us": round(seconds / graph.n_nodes * 1e6, 4), "is_right": is_right}


def scipy_form(graph: CsrGraph, form: Form) -> sp.csr_matrix:
    """The form as a sparse matrix of its own, float32."""
    n, scaling = graph.n_nodes, form_scaling(form, graph.degrees)
    ones = np.ones(len(graph.indices), np.float32)
    matrix = sp.csr_matrix((ones, graph.indices, graph.indptr.astype(np.int32)), shape=(n, n))
    if scaling.own is not None:
        matrix = matrix + sp.diags_array(scaling.own)
    for diagonal, is_left in ((scaling.left, True), (scaling.right, False)):
        if diagonal is not None:
            matrix = sp.diags_array(diagonal) @ matrix if is_left else matrix @ sp.diags_array(diagonal)
    return sp.csr_matrix(matrix, dtype=np.float32)


def take_turns(ways: Mapping[str, Work], repeats: int) -> dict[str, float]:
    """The least CPU seconds of each way; calls too short for the clock are made several times at once."""
    calls = {name: max(1, int(0.02 / max(1e-9, _seconds(work, 1, is_first=True)))) for name, work in ways.items()}
    least = dict.fromkeys(ways, np.inf)
    for _ in range(repeats):
        for name, work in ways.items():
            least[name] = min(least[name], _seconds(work, calls[name]))
    return least


def _seconds(work: Work, n_calls: int, *, is_first: bool = False) -> float:
    if is_first:
        work()
    begun = time.process_time()
    for _ in range(n_calls):
        work()
    return (time.process_time() - begun) / n_calls


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.operator", description=__doc__)
    parser.add_argument("--graph", type=Path, nargs="*", default=[], help="edge lists, .tsv or .tsv.gz")
    parser.add_argument("--columns", type=int, nargs="*", default=[16, 128], help="of the dense matrix")
    parser.add_argument("--form", choices=FORMS, default="adjacency", help="of the product")
    parser.add_argument("--repeats", type=int, default=20, help="of which the least is taken")
    parser.add_argument("--seed", type=int, default=1, help="of the summary")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""Fills numba's disk cache with this stage's kernels, by summarising one tiny graph."""

import numpy as np

from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.algorithms import components, count_triangles, distances, page_rank
from lakebed.tasks.summary.kernel.blocks import NARROW, SINGLE, WIDE
from lakebed.tasks.summary.kernel.csr import CsrGraph
from lakebed.tasks.summary.kernel.graph import build_graph
from lakebed.tasks.summary.kernel.model import SignedEdges, Summary, lay_out
from lakebed.tasks.summary.kernel.operator import CsrOperator, SummaryOperator
from lakebed.tasks.summary.kernel.profile import level_profile
from lakebed.tasks.summary.kernel.queries import has_edge, neighbours
from lakebed.tasks.summary.kernel.rewriting import carried_over
from lakebed.tasks.summary.kernel.summarize import summarize


def compile_kernels() -> None:
    """Compiles every kernel for the types it is called with, or loads it from the disk cache."""
    edges = np.array([[u, v] for u in range(6) for v in range(u)] + [[5, 6], [6, 7]], np.int64)
    config = SummaryConfig(iterations=2, group_size=4, threads=1)
    summary = summarize(edges, 9, config)
    level_profile(summary)
    graph = build_graph(np.concatenate([edges[3:], [[2, 8]]]), 10)
    carried_over(summary, graph, np.arange(9, dtype=np.int32), config)
    for kind in (np.int32, np.int64):
        build_graph(summary.decode().astype(kind), 9)
    compile_products()


def compile_products() -> None:
    """Compiles every kernel for the types it is called with, or loads it from the disk cache."""
    ends = np.array([2], np.int32)
    parent, signed = np.array([2, 2, -1], np.int32), SignedEdges(ends, ends, np.ones(1, np.int8))
    layout = lay_out(Summary(2, parent, signed))
    # as files give it: what may not be written is another type
    parent.flags.writeable = False
    lay_out(Summary(2, parent, signed))
    edge, weight = np.array([[0, 1]]), np.ones(1, np.float32)
    graphs = [CsrGraph.from_edges(2, edge), CsrGraph.from_edges(2, edge, weight)]
    for operator in (SummaryOperator(layout), *(CsrOperator(graph) for graph in graphs)):
        for width in (WIDE, NARROW, SINGLE):
            for dtype in (np.float32, np.float64):
                operator.product(np.zeros((2, width), dtype))
    neighbours(layout, 0)
    has_edge(layout, 0, 1)
    distances(layout, 0)
    components(layout)
    count_triangles(layout)
    page_rank(layout)

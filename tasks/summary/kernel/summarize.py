"""A graph's lossless hierarchical summary, from its edges."""

from collections.abc import Callable

from numpy.typing import ArrayLike

from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.contraction import contract
from lakebed.tasks.summary.kernel.encoding import encode_forest
from lakebed.tasks.summary.kernel.forest import binary_forest
from lakebed.tasks.summary.kernel.graph import Graph, build_graph
from lakebed.tasks.summary.kernel.merging import MergeLog, merge_graph
from lakebed.tasks.summary.kernel.model import Summary


def summarize(edges: ArrayLike, n_nodes: int | None = None, config: SummaryConfig | None = None) -> Summary:
    """The summary of the graph of these edges; self loops and repetitions are dropped (`build_graph` counts them).

    Shapes: edges (m, 2) integers in 0 ... n_nodes - 1.
    Source: Lee, Ko, Shin 2022 (SLUGGER); the pair state, the frozen groups and the encoding are our own.

    Raises:
        GraphError: if an id is out of range or there are more than 2^30 nodes.
    """
    return summarize_graph(build_graph(edges, n_nodes), config or SummaryConfig())


def summarize_graph(
    graph: Graph,
    config: SummaryConfig,
    log: MergeLog | None = None,
    on_iteration: Callable[[MergeLog], None] = lambda _: None,
) -> Summary:
    """The same of a graph that is built already, from the iterations in `log` on.

    `on_iteration` gets the log after each iteration: what a later call needs to go on from there.
    """
    log = merge_graph(graph, config, log, on_iteration)
    return encode_log(graph, log, config)


def encode_log(graph: Graph, log: MergeLog, config: SummaryConfig) -> Summary:
    """The best summary on the trees of these merges."""
    forest = binary_forest(graph.n_nodes, log)
    return contract(forest, encode_forest(forest, graph, config.threads), graph.n_nodes)

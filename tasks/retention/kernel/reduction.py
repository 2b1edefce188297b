"""What of the problem decides itself, so that the solvers see only the rest.

Three facts: an edge that costs no less than keeping its child is never used; a table without a usable edge is kept;
and a kept table is a parent that everybody has, so an edge to a doubtful parent that costs no less is never used.
"""

from dataclasses import dataclass

import numpy as np

from lakebed.tasks.retention.kernel.model import Bool, Float64, Int64, RetentionGraph


@dataclass(frozen=True)
class Reduced:
    """The rest of the problem.

    Attributes:
        is_fixed: tables that are kept in any case.
        sure_cost: of rebuilding each table from a fixed parent; infinite where it has none.
        edges: the edges that can matter between tables that are not fixed, by place in the graph.

    Shapes: is_fixed, sure_cost (n,); edges (k,).
    """

    is_fixed: Bool
    sure_cost: Float64
    edges: Int64


def reduce_graph(graph: RetentionGraph) -> Reduced:
    """Fixes what is sure. O(n + m)."""
    is_useful = ~graph.is_pinned[graph.child] & (graph.edge_cost < graph.keep_cost[graph.child])
    has_edge = np.zeros(graph.n_tables, np.bool_)
    has_edge[graph.child[is_useful]] = True
    is_fixed = ~has_edge
    sure_cost = np.full(graph.n_tables, np.inf)
    to_fixed = np.flatnonzero(is_useful & is_fixed[graph.parent])
    np.minimum.at(sure_cost, graph.child[to_fixed], graph.edge_cost[to_fixed])
    is_open = is_useful & ~is_fixed[graph.parent] & (graph.edge_cost < sure_cost[graph.child])
    return Reduced(is_fixed, sure_cost, np.flatnonzero(is_open).astype(np.int64))


def local_choice(graph: RetentionGraph, reduced: Reduced) -> Bool:
    """Whether each table is kept if it is looked at alone: it is not where a sure parent makes it cheaper."""
    return reduced.is_fixed | (graph.keep_cost <= reduced.sure_cost)

"""The retention model: tables with the cost of keeping them, edges with the cost of rebuilding over them.

x_v is 1 where table v is kept; y_pv is 1 where a deleted v is rebuilt from p. Minimise
Σ x_v · keep_v + Σ y_pv · rebuild_pv subject to Σ_p y_pv = 1 - x_v, y_pv ≤ x_p (a parent is kept), x_v = 1 where pinned.
Set cover is a special case, so the problem is NP-hard.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakebed.connectors.errors import GraphError

Bool = NDArray[np.bool_]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

NOTHING = -1


@dataclass(frozen=True)
class RetentionGraph:
    """Tables and the edges over which they can be rebuilt, ordered by child, then cost, then the parent's rank.

    Attributes:
        keep_cost: a period's cost of keeping each table, in money.
        is_pinned: tables that are kept whatever it costs.
        child, parent: tables of each edge.
        edge_cost: a period's cost of rebuilding the child from the parent whenever it is accessed.
        rank: which of equally good tables is rather kept: the lower. A permutation.
        number: the place of each edge in what the graph was made from.

    Shapes: keep_cost, is_pinned, rank (n,); child, parent, edge_cost, number (m,).
    """

    keep_cost: Float64
    is_pinned: Bool
    child: Int64
    parent: Int64
    edge_cost: Float64
    rank: Int64
    number: Int64

    @property
    def n_tables(self) -> int:
        """Number of tables."""
        return len(self.keep_cost)


@dataclass(frozen=True)
class Component:
    """How one connected component was solved: `gap` is (cost - bound) / cost.

    `method`: `local` (no choice hangs on another), `tree`, `ilp`, `greedy`.
    """

    method: str
    n_tables: int
    n_edges: int
    cost: float
    bound: float
    seconds: float

    @property
    def gap(self) -> float:
        """Relative distance to the lower bound, 0 where the optimum is proven."""
        return max(0.0, self.cost - self.bound) / self.cost if self.cost > 0 else 0.0


@dataclass(frozen=True)
class Retention:
    """What is kept.

    Attributes:
        keep: whether each table is kept.
        edge: the edge over which a deleted table is rebuilt, by its `number`; NOTHING where the table is kept.
        cost: a period's cost of all tables together; `bound` is below every possible cost.
        components: how the parts were solved.
        component: number of each table's part.

    Shapes: keep, edge, component (n,).
    """

    keep: Bool
    edge: Int64
    cost: float
    bound: float
    components: tuple[Component, ...]
    component: Int64

    @property
    def gap(self) -> float:
        """Relative distance to the lower bound, 0 where the optimum is proven."""
        return max(0.0, self.cost - self.bound) / self.cost if self.cost > 0 else 0.0


def retention_graph(
    keep_cost: Float64, is_pinned: Bool, edges: tuple[Int64, Int64, Float64], rank: Int64 | None = None
) -> RetentionGraph:
    """Checks and orders the parts of a graph; edges are (child, parent, cost).

    Raises:
        GraphError: if shapes disagree, a table is unknown, an edge is a loop, or a cost is negative or not finite.
    """
    child, parent, cost = edges
    n = len(keep_cost)
    ranks = np.arange(n, dtype=np.int64) if rank is None else rank
    _check_shapes(n, is_pinned, ranks, edges)
    _check_costs(keep_cost, "keeping")
    _check_costs(cost, "rebuilding")
    ends = np.concatenate([child, parent])
    if len(ends) and (ends.min() < 0 or ends.max() >= n):
        raise GraphError(
            "an edge names a table that is not there", value=f"{ends.min()} to {ends.max()}", expected=f"0 to {n - 1}"
        )
    if (child == parent).any():
        raise GraphError("a table is its own parent", value=int(child[child == parent][0]), expected="two tables")
    order = np.lexsort((ranks[parent], cost, child)).astype(np.int64)
    order = order[_is_first(child[order] * n + parent[order])]
    return RetentionGraph(
        np.asarray(keep_cost, np.float64), is_pinned.astype(np.bool_), child[order].astype(np.int64),
        parent[order].astype(np.int64), np.asarray(cost, np.float64)[order], ranks.astype(np.int64), order,
    )  # fmt: skip


def cheapest_edges(graph: RetentionGraph, keep: Bool) -> Int64:
    """The cheapest edge of each table to a kept parent, by place in the graph; NOTHING where there is none. O(m)."""
    found = np.full(graph.n_tables, NOTHING, np.int64)
    usable = np.flatnonzero(keep[graph.parent])
    children, first = np.unique(graph.child[usable], return_index=True)
    found[children] = usable[first]
    return found


def total_cost(graph: RetentionGraph, keep: Bool) -> float:
    """The cost of a choice, each deleted table rebuilt over its cheapest edge; infinite where one cannot be."""
    edges = cheapest_edges(graph, keep)[~keep]
    if (edges == NOTHING).any():
        return float("inf")
    return float(graph.keep_cost[keep].sum() + graph.edge_cost[edges].sum())


def _is_first(pairs: Int64) -> Bool:
    """Whether a pair is the first of its kind: of parallel edges the cheapest counts."""
    is_first = np.zeros(len(pairs), np.bool_)
    is_first[np.unique(pairs, return_index=True)[1]] = True
    return is_first


def _check_shapes(n: int, is_pinned: Bool, rank: Int64, edges: tuple[Int64, Int64, Float64]) -> None:
    if len(is_pinned) != n or len(rank) != n or len({len(part) for part in edges}) != 1:
        raise GraphError(
            "the parts of the graph differ in length",
            value=f"{n} tables, {len(is_pinned)} pins, {len(rank)} ranks, edges {[len(part) for part in edges]}",
            expected="one value per table, one per edge",
        )
    if not np.array_equal(np.sort(rank), np.arange(n)):
        raise GraphError("the ranks are no permutation", value=rank[:5].tolist(), expected=f"each of 0 to {n - 1} once")


def _check_costs(costs: Float64, what: str) -> None:
    is_bad = ~np.isfinite(costs) | (costs < 0)
    if is_bad.any():
        raise GraphError(
            f"a cost of {what} is negative or not finite",
            value=float(costs[is_bad][0]),
            expected="a number of at least 0",
            hint="check the prices in the retention section of the config",
        )

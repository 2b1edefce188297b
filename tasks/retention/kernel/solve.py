"""The whole problem: reduced, cut into connected components, each solved by what fits it."""

import time
from dataclasses import dataclass, field

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from lakebed.tasks.encoding.distinct import distinct
from lakebed.tasks.retention.kernel.greedy import greedy_choice
from lakebed.tasks.retention.kernel.ilp import Programme, linear_bound, solve_ilp
from lakebed.tasks.retention.kernel.model import (
    NOTHING,
    Bool,
    Component,
    Float64,
    Int64,
    Retention,
    RetentionGraph,
    cheapest_edges,
    total_cost,
)
from lakebed.tasks.retention.kernel.polish import polish
from lakebed.tasks.retention.kernel.tree import solve_forest

# the greedy choice's bound gets this share of the time, so that it can be stated at all
_BOUND_SHARE = 0.5
_LEAST_BOUND_SECONDS = 10.0
_ROUNDING = 1e-9


@dataclass
class Effort:
    """How long the integer programmes may take together, in seconds of this process's clock; nothing else counts.

    With `seconds` of 0 every component that is no tree is solved greedily, and its bound is the linear relaxation's.
    `known` holds the components solved so far: one that comes again as it was is not solved again.
    """

    seconds: float
    has_bounds: bool = True
    known: dict[bytes, tuple[Bool, Component]] = field(default_factory=dict)
    spent: float = 0.0

    def left(self) -> float:
        """Seconds left, 0 at least."""
        return max(0.0, self.seconds - self.spent)


@dataclass(frozen=True)
class _Part:
    """A component: its tables and edges, by number and by place in the graph."""

    number: int
    tables: Int64
    edges: Int64


def solve(graph: RetentionGraph, effort: Effort) -> Retention:
    """Which tables to keep, and over which edge each other one is rebuilt.

    Exact unless the time runs out; `gap` then says how far the choice may be from the optimum.
    Cost: O(n + m) where components are trees; else that of the integer programmes.
    """
    reduced = reduce_graph(graph)
    number = _components(graph, reduced)
    keep = local_choice(graph, reduced)
    components = [_local_component(graph, reduced, keep, number)]
    is_tree = _are_trees(graph, reduced, number)
    components += _solve_trees(graph, reduced, keep, number, is_tree)
    parts = [part for part in _parts(graph, reduced, number) if not is_tree[part.number]]
    components += [_solve_part(graph, reduced, keep, part, effort) for part in parts]
    keep = polish(graph, keep)
    edges = cheapest_edges(graph, keep)
    edges = np.where(keep | (edges == NOTHING), NOTHING, graph.number[edges] if len(graph.number) else NOTHING)
    cost = total_cost(graph, keep)
    bound = _closed(cost, sum(component.bound for component in components))
    return Retention(keep, edges, cost, bound, tuple(c for c in components if c.n_tables), number)


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


def _components(graph: RetentionGraph, reduced: Reduced) -> Int64:
    """The number of each table's component; tables without a doubtful edge are components of their own."""
    child, parent = graph.child[reduced.edges], graph.parent[reduced.edges]
    links = csr_array((np.ones(len(child), np.int8), (child, parent)), shape=(graph.n_tables, graph.n_tables))
    return np.asarray(connected_components(links, directed=False)[1], np.int64)


def _are_trees(graph: RetentionGraph, reduced: Reduced, number: Int64) -> Bool:
    """Whether each component has one undirected pair less than tables; one table alone counts as none."""
    child, parent = graph.child[reduced.edges], graph.parent[reduced.edges]
    low, high = np.minimum(child, parent), np.maximum(child, parent)
    pairs = distinct(low * graph.n_tables + high)
    n_parts = int(number.max(initial=-1)) + 1
    n_pairs = np.bincount(number[pairs // max(graph.n_tables, 1)], minlength=n_parts)
    return np.asarray((n_pairs == np.bincount(number, minlength=n_parts) - 1) & (n_pairs > 0), np.bool_)


def _local_component(graph: RetentionGraph, reduced: Reduced, keep: Bool, number: Int64) -> Component:
    """All tables on which nothing hangs but themselves, as one entry."""
    alone = np.flatnonzero(np.bincount(number, minlength=1)[number] == 1)
    cost = float(np.where(keep[alone], graph.keep_cost[alone], reduced.sure_cost[alone]).sum())
    return Component("local", len(alone), 0, cost, cost, 0.0)


def _solve_trees(graph: RetentionGraph, reduced: Reduced, keep: Bool, number: Int64, is_tree: Bool) -> list[Component]:
    """All trees in one call, which writes into `keep`; an entry each."""
    edges = reduced.edges[is_tree[number[graph.child[reduced.edges]]]]
    tables = np.flatnonzero(is_tree[number])
    if not len(tables):
        return []
    started = time.monotonic()
    part = _Part(NOTHING, tables, edges)
    forest = _programme(graph, reduced, part)
    keep[tables] = solve_forest(forest.keep_cost, forest.sure_cost, forest.child, forest.parent, forest.edge_cost)
    paid = np.bincount(number[tables], _paid(forest, keep[tables]))
    n_tables = np.bincount(number[tables])
    n_edges = np.bincount(number[graph.child[edges]], minlength=len(n_tables))
    seconds = (time.monotonic() - started) / len(tables)
    return [
        Component(
            "tree", int(n_tables[one]), int(n_edges[one]), float(paid[one]), float(paid[one]), seconds * n_tables[one]
        )
        for one in np.flatnonzero(is_tree).tolist()
    ]


def _parts(graph: RetentionGraph, reduced: Reduced, number: Int64) -> list[_Part]:
    """The components with edges, the smallest first, so that the time that is left goes to the largest."""
    of_edge = number[graph.child[reduced.edges]]
    by_part = np.argsort(of_edge, kind="stable")
    names, starts = np.unique(of_edge[by_part], return_index=True)
    edges = np.split(reduced.edges[by_part], starts[1:]) if len(names) else []
    by_table = np.argsort(number, kind="stable")
    first, last = (np.searchsorted(number[by_table], names, side) for side in ("left", "right"))
    parts = [
        _Part(int(name), by_table[low:high], own)
        for name, low, high, own in zip(names, first, last, edges, strict=True)
    ]
    return sorted(parts, key=lambda part: (len(part.tables), len(part.edges), part.number))


def _solve_part(graph: RetentionGraph, reduced: Reduced, keep: Bool, part: _Part, effort: Effort) -> Component:
    """The component's choice, written into `keep`."""
    programme = _programme(graph, reduced, part)
    name = programme.digest()
    if name not in effort.known:
        started = time.monotonic()
        effort.known[name] = _choose(programme, effort)
        effort.spent += time.monotonic() - started
    choice, component = effort.known[name]
    keep[part.tables] = choice
    return component


def _choose(programme: Programme, effort: Effort) -> tuple[Bool, Component]:
    """The integer programme while time is left, and the greedy choice where it found none or a worse one."""
    started = time.monotonic()
    edges = (programme.child, programme.parent, programme.edge_cost)
    choice = greedy_choice(programme.keep_cost, programme.sure_cost, edges)
    cost, method, bound = _cost(programme, choice), "greedy", 0.0
    if (seconds := effort.left()) > 0:
        result = solve_ilp(programme, seconds * (1 - _BOUND_SHARE))
        bound = max(bound, result.bound)
        if result.keep is not None and (found := _cost(programme, result.keep)) <= cost:
            choice, cost, method = result.keep, found, "ilp"
    if method == "greedy" and effort.has_bounds and bound < cost:
        seconds = max(effort.left(), effort.seconds * _BOUND_SHARE, _LEAST_BOUND_SECONDS)
        bound = max(bound, linear_bound(programme, seconds))
    n_tables, n_edges = len(programme.keep_cost), len(programme.child)
    spent = time.monotonic() - started
    return choice, Component(method, n_tables, n_edges, cost, _closed(cost, bound), spent)


def _programme(graph: RetentionGraph, reduced: Reduced, part: _Part) -> Programme:
    local = np.searchsorted(part.tables, np.stack([graph.child[part.edges], graph.parent[part.edges]]))
    tables = part.tables
    return Programme(
        graph.keep_cost[tables], reduced.sure_cost[tables], local[0], local[1], graph.edge_cost[part.edges]
    )


def _cost(programme: Programme, keep: Bool) -> float:
    return float(_paid(programme, keep).sum())


def _paid(programme: Programme, keep: Bool) -> Float64:
    """What each table costs under a choice; infinite where it can neither be read nor rebuilt."""
    cheapest = programme.sure_cost.copy()
    usable = keep[programme.parent]
    np.minimum.at(cheapest, programme.child[usable], programme.edge_cost[usable])
    return np.where(keep, programme.keep_cost, cheapest)


def _closed(cost: float, bound: float) -> float:
    """The bound, or the cost itself where only rounding lies between them."""
    return cost if cost - bound <= _ROUNDING * cost else bound


def reduce_graph(graph: RetentionGraph) -> Reduced:
    """Fixes what decides itself, so that the solvers see only the rest. O(n + m).

    Three facts: an edge that costs no less than keeping its child is never used; a table without a usable edge is kept;
    and a kept table is a parent that everybody has, so an edge to a doubtful parent that costs no less is never used.
    """
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

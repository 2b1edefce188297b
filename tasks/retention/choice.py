"""The choice of what to keep, over edges whose recipes were run: recipes are tried for what is chosen, not for all.

The problem is solved as if every usable edge had a recipe. Those of the edges chosen are then made and compared, all in
one job; an edge whose rebuild does not equal is dropped, and what hangs together with it is solved again. When every
chosen edge has its recipe, the choice is optimal over all edges, because those not tried were taken to be usable, and
to need as many row numbers as the best edge of their child that was tried.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from lakebed.tasks.retention.kernel.model import NOTHING, Bool, Float64, Int64, Retention
from lakebed.tasks.retention.kernel.solve import Effort, solve
from lakebed.tasks.retention.problem import USABLE, Problem
from lakebed.tasks.retention.recipes.model import Outcome
from lakebed.tasks.runtime.progress import shown

# an edge, as (child, parent), to the recipe that was run for it, in the same order; None where time was over before
RecipeMaker = Callable[[Sequence[tuple[int, int]]], Sequence[Outcome | None]]
# after a refusal the child's next best edges are tried together with the one chosen: 4, then 16, …
_WIDENING = 4


@dataclass(frozen=True)
class Choice:
    """What is kept, and what came of each edge that was tried, by the edge's number.

    `retention.edge` holds numbers of edges of the problem; `stored_cost` a month's storage of a recipe's row numbers;
    `postponed` are edges that were to be tried and for which there was no time: the choice is among those tried then.
    """

    retention: Retention
    outcomes: dict[int, Outcome]
    n_rounds: int
    stored_cost: dict[int, float] = field(default_factory=dict)
    postponed: frozenset[int] = frozenset()

    @property
    def chosen(self) -> list[int]:
        """The edges over which deleted tables are rebuilt, ascending."""
        return sorted(edge for edge in self.retention.edge.tolist() if edge != NOTHING)

    def extra_cost(self, n_edges: int) -> Float64:
        """(m,) storage of the row numbers of each edge's recipe, where it is known."""
        extra = np.zeros(n_edges)
        extra[list(self.stored_cost)] = list(self.stored_cost.values())
        return extra

    def allowed_at_any_speed(self, problem: Problem) -> Int64:
        """The edges against which nothing stands but perhaps the time that a rebuild takes."""
        refused = {edge for edge, outcome in self.outcomes.items() if outcome.recipe is None}
        statuses = enumerate(problem.edges.status)
        allowed = [edge for edge, status in statuses if status in (USABLE, "latency") and edge not in refused]
        return np.array(allowed, np.int64)

    @property
    def bytes_read(self) -> int:
        """Of lake data, for all recipes."""
        return sum(outcome.bytes_read for outcome in self.outcomes.values())


@dataclass
class _Tried:
    """What is known of the edges. Shapes: is_open (m,) not refused; is_tried (m,); extra_cost (m,)."""

    is_open: Bool
    is_tried: Bool
    extra_cost: Float64
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    postponed: set[int] = field(default_factory=set)

    def close(self, edges: Int64) -> None:
        """Notes that time was over before these edges were tried; no other one is tried either."""
        self.postponed |= set(edges[~self.is_tried[edges]].tolist())
        if self.postponed:
            self.is_open &= self.is_tried


def choose(problem: Problem, make: RecipeMaker, effort: Effort, storage_per_byte: float) -> Choice:
    """Solves, makes the recipes of what was chosen, and solves again until every chosen edge has one.

    Args:
        problem: tables and edges.
        make: makes and compares recipes.
        effort: time for the integer programmes, of all rounds together.
        storage_per_byte: price of a month of the row numbers that recipes keep.
    """
    m = len(problem.edges.child)
    tried = _Tried(problem.is_usable.copy(), np.zeros(m, np.bool_), np.zeros(m))
    n_rounds = 0
    while True:
        usable = np.flatnonzero(tried.is_open)
        with shown().step(f"Choosing among {len(usable):,} edges"):
            found = solve(problem.graph(usable, tried.extra_cost), effort)
        chosen = np.where(found.edge == NOTHING, NOTHING, usable[found.edge] if len(usable) else NOTHING)
        wanted = chosen[chosen != NOTHING]
        if tried.is_tried[wanted].all():
            retention = Retention(found.keep, chosen, found.cost, found.bound, found.components, found.component)
            known = np.flatnonzero(tried.is_tried & (tried.extra_cost > 0))
            stored = {edge: float(tried.extra_cost[edge]) for edge in known.tolist()}
            return Choice(retention, tried.outcomes, n_rounds, stored, frozenset(tried.postponed))
        n_rounds += 1
        _try(problem, np.union1d(wanted, _next_best(problem, wanted, tried)), tried, make, storage_per_byte)


def _try(problem: Problem, edges: Int64, tried: _Tried, make: RecipeMaker, storage_per_byte: float) -> None:
    """Makes the recipes of the edges that have none yet, those that save most first."""
    new = edges[~tried.is_tried[edges]]
    saving = problem.tables.costs.total[problem.edges.child[new]] - problem.edges.cost[new]
    new = new[np.argsort(-saving, kind="stable")]
    pairs = list(zip(problem.edges.child[new].tolist(), problem.edges.parent[new].tolist(), strict=True))
    for edge, outcome in zip(new.tolist(), make(pairs), strict=True):
        if outcome is None:
            continue
        tried.outcomes[edge] = outcome
        tried.is_tried[edge] = True
        tried.is_open[edge] = outcome.recipe is not None
        tried.extra_cost[edge] = storage_per_byte * outcome.recipe.stored_bytes if outcome.recipe else 0.0
    _expect(problem, tried)
    tried.close(new)


def _expect(problem: Problem, tried: _Tried) -> None:
    """Row numbers of a child are taken to cost as little over untried edges as over the cheapest tried one.

    Without that, each of a thousand copies of a parent would be tried in turn, for the hope that it needs none.
    """
    least = np.full(len(problem.tables.names), np.inf)
    good = np.flatnonzero(tried.is_tried & tried.is_open)
    np.minimum.at(least, problem.edges.child[good], tried.extra_cost[good])
    untried = np.flatnonzero(~tried.is_tried)
    expected = least[problem.edges.child[untried]]
    tried.extra_cost[untried] = np.where(np.isfinite(expected), expected, 0.0)


def _next_best(problem: Problem, wanted: Int64, tried: _Tried) -> Int64:
    """Further edges of the children that were refused before: the cheapest, four times as many at each refusal."""
    child, cost = problem.edges.child, problem.edges.cost
    is_refused = tried.is_tried & ~tried.is_open
    n_refused = np.bincount(child[is_refused], minlength=len(problem.tables.names))
    unsure = child[wanted[~tried.is_tried[wanted]]]
    candidates = np.flatnonzero(tried.is_open & ~tried.is_tried & np.isin(child, unsure[n_refused[unsure] > 0]))
    order = candidates[np.lexsort((cost[candidates], child[candidates]))]
    place = np.arange(len(order)) - np.searchsorted(child[order], child[order])
    return np.asarray(order[place < _WIDENING * n_refused[child[order]]], np.int64)

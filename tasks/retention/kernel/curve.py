"""Savings against the time that a rebuild may take."""

from dataclasses import dataclass

import numpy as np

from lakebed.tasks.retention.kernel.model import NOTHING, Float64, Int64, RetentionGraph, retention_graph
from lakebed.tasks.retention.kernel.solve import Effort, solve


@dataclass(frozen=True)
class CurvePoint:
    """What may be saved where no rebuild takes longer than `budget_s`.

    `slowest_s` is the longest rebuild of the choice; `gap` is the solver's, relative to the cost.
    """

    budget_s: float
    saving: float
    n_deleted: int
    bytes_deleted: int
    slowest_s: float
    gap: float


def savings_curve(
    graph: RetentionGraph, seconds: Float64, n_bytes: Int64, budgets: Float64, effort: Effort
) -> tuple[CurvePoint, ...]:
    """The best saving at each budget; a budget's choice holds for larger ones too, so savings never fall.

    Shapes: seconds (m,) by the edges' `number`; n_bytes (n,); budgets (b,) ascending.
    """
    points: list[CurvePoint] = []
    for budget in budgets.tolist():
        point = _point(graph, seconds, n_bytes, budget, effort)
        if points and points[-1].saving > point.saving:
            last = points[-1]
            point = CurvePoint(budget, last.saving, last.n_deleted, last.bytes_deleted, last.slowest_s, point.gap)
        points.append(point)
    return tuple(points)


def curve_budgets(seconds: Float64, n_points: int) -> Float64:
    """Budgets from none to the slowest edge, at the quantiles of the edges' seconds.

    Shapes: seconds (m,); result (≤ n_points,), ascending.
    """
    if not len(seconds):
        return np.zeros(1)
    shares = np.linspace(0.0, 1.0, n_points - 1)
    quantiles = np.quantile(seconds, shares, method="higher")
    return np.unique(np.concatenate([np.zeros(1), quantiles]))


def _point(graph: RetentionGraph, seconds: Float64, n_bytes: Int64, budget: float, effort: Effort) -> CurvePoint:
    fast = np.flatnonzero(seconds[graph.number] <= budget)
    edges = (graph.child[fast], graph.parent[fast], graph.edge_cost[fast])
    found = solve(retention_graph(graph.keep_cost, graph.is_pinned, edges, graph.rank), effort)
    deleted = np.flatnonzero(found.edge != NOTHING)
    own = graph.number[fast][found.edge[deleted]]
    return CurvePoint(
        budget_s=budget,
        saving=float(graph.keep_cost.sum()) - found.cost,
        n_deleted=len(deleted),
        bytes_deleted=int(n_bytes[deleted].sum()),
        slowest_s=float(seconds[own].max(initial=0.0)),
        gap=found.gap,
    )

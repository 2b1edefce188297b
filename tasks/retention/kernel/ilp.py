"""One connected component as an integer programme, solved by HiGHS."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csc_array, csr_array

from lakebed.tasks.retention.kernel.model import Bool, Float64, Int64

# HiGHS stops at an absolute gap of 1e-6: costs are scaled so that this is nothing beside the largest
_LARGEST_COST = 100.0
_OPTIMAL = 0
_TOLERANCE = 1e-7


@dataclass(frozen=True)
class Programme:
    """A component: tables 0 … n-1, edges between them, and sure parents outside.

    Shapes: keep_cost, sure_cost (n,), sure_cost infinite where there is none; child, parent, edge_cost (m,).
    """

    keep_cost: Float64
    sure_cost: Float64
    child: Int64
    parent: Int64
    edge_cost: Float64

    def digest(self) -> bytes:
        """SHA-256 of all parts: equal problems have equal ones."""
        parts = (self.keep_cost, self.sure_cost, self.child, self.parent, self.edge_cost)
        digest = hashlib.sha256(len(self.keep_cost).to_bytes(8, "little"))
        for part in parts:
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.digest()


@dataclass(frozen=True)
class IlpResult:
    """The best choice found, if any, and a lower bound of every choice's cost (minus infinity if none is known)."""

    keep: Bool | None
    bound: float


@dataclass(frozen=True)
class _Matrices:
    """Variables: x (n), then y (m), then z for sure parents (k). Σ over a table's variables = 1; y - x_parent ≤ 0."""

    cost: Float64
    scale: float
    sums: csr_array
    links: csr_array


def solve_ilp(programme: Programme, seconds: float) -> IlpResult:
    """Solves a component exactly, or as far as the time goes; one thread, so equal input gives equal output.

    Only x must be whole: given x, the cheapest kept parent is an optimal y.
    """
    matrices, n = _matrices(programme), len(programme.keep_cost)
    result = _run(matrices, n, seconds)
    keep = None if result.x is None else np.asarray(result.x[:n] > 0.5)
    bound = result.mip_dual_bound
    is_known = bound is not None and np.isfinite(bound)
    return IlpResult(keep, float(bound or 0.0) * matrices.scale if is_known else -np.inf)


def linear_bound(programme: Programme, seconds: float) -> float:
    """The optimum of the linear relaxation, which is below every choice's cost; 0 if the time runs out before.

    By the interior point method: these programmes are so degenerate that the simplex takes many times as long.
    """
    matrices = _matrices(programme)
    options: Any = {"time_limit": max(seconds, 0.01)}
    links: Any = csc_array(matrices.links)
    sums: Any = csc_array(matrices.sums)
    result = linprog(
        matrices.cost,
        A_ub=links,
        b_ub=np.zeros(links.shape[0]),
        A_eq=sums,
        b_eq=np.ones(sums.shape[0]),
        bounds=(0.0, 1.0),
        method="highs-ipm",
        options=options,
    )
    # the dual objective of an interior point is off by its tolerance
    return float(result.fun or 0.0) * matrices.scale * (1.0 - _TOLERANCE) if result.status == _OPTIMAL else 0.0


def _run(matrices: _Matrices, n_whole: int, seconds: float) -> Any:
    """HiGHS on the matrices; the first `n_whole` variables must be whole."""
    integrality = np.zeros(len(matrices.cost), np.uint8)
    integrality[:n_whole] = 1
    sums = LinearConstraint(matrices.sums, 1.0, 1.0)
    links = LinearConstraint(matrices.links, -np.inf, 0.0)
    options: Any = {"time_limit": max(seconds, 0.01), "mip_rel_gap": 0.0}
    bounds = Bounds(0.0, 1.0)
    return milp(matrices.cost, integrality=integrality, bounds=bounds, constraints=[sums, links], options=options)


def _matrices(programme: Programme) -> _Matrices:
    n, m = len(programme.keep_cost), len(programme.child)
    sure = np.flatnonzero(np.isfinite(programme.sure_cost))
    cost = np.concatenate([programme.keep_cost, programme.edge_cost, programme.sure_cost[sure]])
    scale = float(cost.max(initial=0.0)) / _LARGEST_COST or 1.0
    rows = np.concatenate([np.arange(n), programme.child, sure])
    sums = csr_array((np.ones(len(cost)), (rows, np.arange(len(cost)))), shape=(n, len(cost)))
    edges = np.arange(m)
    places = (np.concatenate([edges, edges]), np.concatenate([n + edges, programme.parent]))
    links = csr_array((np.concatenate([np.ones(m), -np.ones(m)]), places), shape=(m, len(cost)))
    return _Matrices(cost / scale, scale, sums, links)

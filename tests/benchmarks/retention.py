"""How long the choice of what to keep takes: `python -m tests.benchmarks.retention`, a JSON line a case.

Graphs are random and seeded: `shape` says which. Seconds are of this process's CPU, wall-clock seconds beside them.
"""

import json
import resource
import sys
import time
from collections.abc import Callable

import numpy as np

from lakebed.tasks.retention.kernel.compile import compile_kernels
from lakebed.tasks.retention.kernel.model import RetentionGraph, retention_graph
from lakebed.tasks.retention.kernel.solve import Effort, solve

SECONDS = 45.0


def uniform(n_tables: int, n_edges: int, seed: int) -> RetentionGraph:
    """Edges between random tables, from the smaller number to the larger: one large component, no cycles."""
    rng = np.random.default_rng(seed)
    ends = np.sort(rng.integers(0, n_tables, (2, int(n_edges * 1.02))), axis=0)
    ends = np.unique(ends[:, ends[0] != ends[1]], axis=1)
    ends = ends[:, np.sort(rng.permutation(ends.shape[1])[:n_edges])]
    return _priced(rng, n_tables, ends[0], ends[1])


def families(n_tables: int, n_edges: int, seed: int) -> RetentionGraph:
    """Families of tables cut from each other, some of them copies: small components, as lakes have them."""
    rng = np.random.default_rng(seed)
    family = np.sort(rng.integers(0, n_tables // 12, n_tables))
    child = rng.integers(0, n_tables, n_edges * 3)
    starts, counts = np.searchsorted(family, family[child]), np.bincount(family)[family[child]]
    parent = starts + rng.integers(0, 1 << 30, len(child)) % counts
    pairs = np.unique(np.stack([child, parent])[:, child != parent], axis=1)
    pairs = pairs[:, np.sort(rng.permutation(pairs.shape[1])[:n_edges])]
    return _priced(rng, n_tables, pairs[0], pairs[1])


def line(n_tables: int, n_edges: int, seed: int) -> RetentionGraph:
    """Each table in the next: the special case of the paper; `n_edges` is one less than the tables."""
    child = np.arange(min(n_edges, n_tables - 1))
    return _priced(np.random.default_rng(seed), n_tables, child, child + 1)


def equal(n_tables: int, n_edges: int, seed: int) -> RetentionGraph:
    """Random edges in any direction, tables of nearly equal cost, rebuilds for nearly nothing: a hard set cover."""
    rng = np.random.default_rng(seed)
    pairs = np.unique(rng.integers(0, n_tables, (2, int(n_edges * 1.02))), axis=1)
    pairs = pairs[:, pairs[0] != pairs[1]]
    pairs = pairs[:, np.sort(rng.permutation(pairs.shape[1])[:n_edges])]
    keep_cost = rng.uniform(0.95, 1.05, n_tables)
    cost = rng.uniform(0.0, 0.1, (pairs.shape[1],))
    return retention_graph(keep_cost, np.zeros(n_tables, np.bool_), (pairs[0], pairs[1], cost))


def _priced(
    rng: np.random.Generator, n_tables: int, child: np.ndarray[tuple[int], np.dtype[np.int64]],
    parent: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> RetentionGraph:  # fmt: skip
    """Sizes over four orders of magnitude; a rebuild costs about what the parent's size and the accesses say."""
    size = 10 ** rng.uniform(0, 4, n_tables)
    accesses = rng.gamma(1.0, 1.0, n_tables)
    cost = accesses[child] * (0.1 * size[parent] + 0.1 * size[child]) * rng.uniform(0.5, 1.5, len(child))
    return retention_graph(size, rng.random(n_tables) < 0.02, (child, parent, cost))


CASES: tuple[tuple[str, Callable[[int, int, int], RetentionGraph], int, int, float], ...] = (
    ("line", line, 1_000_000, 999_999, SECONDS),
    ("families", families, 1_000, 3_000, SECONDS),
    ("families", families, 10_000, 30_000, SECONDS),
    ("uniform", uniform, 1_000, 3_000, SECONDS),
    ("uniform", uniform, 10_000, 30_000, SECONDS),
    ("uniform, greedy alone", uniform, 10_000, 30_000, 0.0),
    ("equal", equal, 10_000, 30_000, SECONDS),
    ("equal, greedy alone", equal, 10_000, 30_000, 0.0),
)


def measure(shape: str, graph: RetentionGraph, seconds: float) -> dict[str, object]:
    """Solves one graph; gap and bound are the solver's own."""
    wall, cpu = time.monotonic(), time.process_time()
    found = solve(graph, Effort(seconds))
    methods = sorted({component.method for component in found.components})
    return {
        "shape": shape,
        "n_tables": graph.n_tables,
        "n_edges": len(graph.child),
        "largest_component": max(component.n_tables for component in found.components if component.method != "local"),
        "methods": methods,
        "n_deleted": int((~found.keep).sum()),
        "cost": round(found.cost, 6),
        "bound": round(found.bound, 6),
        "gap": found.gap,
        "keep_all_cost": round(float(graph.keep_cost.sum()), 6),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "seconds": round(time.monotonic() - wall, 3),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Prints a line a case."""
    compile_kernels()
    for shape, make, n_tables, n_edges, seconds in CASES:
        sys.stdout.write(json.dumps(measure(shape, make(n_tables, n_edges, 0), seconds)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

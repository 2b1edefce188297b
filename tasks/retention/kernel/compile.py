"""Compiles the kernels once, at set-up, so that no run waits for it."""

import numpy as np

from lakebed.tasks.retention.kernel.greedy import greedy_choice
from lakebed.tasks.retention.kernel.model import retention_graph
from lakebed.tasks.retention.kernel.solve import Effort, solve


def compile_kernels() -> None:
    """Calls each compiled kernel once, with the types that runs call it with."""
    child, parent = np.array([1, 2, 3]), np.array([0, 1, 2])
    costs = np.array([0.1, 0.1, 0.1])
    keep_cost = np.array([1.0, 1.0, 1.0, 1.0])
    solve(retention_graph(keep_cost, np.array([True, False, False, False]), (child, parent, costs)), Effort(1.0))
    greedy_choice(keep_cost, np.full(4, np.inf), (child, parent, costs))

"""Fills numba's disk cache with this stage's kernels, by summarising one tiny graph."""

import numpy as np

from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.compile_products import compile_products
from lakebed.tasks.summary.kernel.graph import build_graph
from lakebed.tasks.summary.kernel.profile import level_profile
from lakebed.tasks.summary.kernel.summarize import summarize


def compile_kernels() -> None:
    """Compiles every kernel for the types it is called with, or loads it from the disk cache."""
    edges = np.array([[u, v] for u in range(6) for v in range(u)] + [[5, 6], [6, 7]], np.int64)
    config = SummaryConfig(iterations=2, group_size=4, threads=1)
    summary = summarize(edges, 9, config)
    level_profile(summary)
    for kind in (np.int32, np.int64):
        build_graph(summary.decode().astype(kind), 9)
    compile_products()

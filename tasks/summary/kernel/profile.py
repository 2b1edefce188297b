"""Where in the hierarchy nodes and edges are."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from lakebed.tasks.summary.kernel.model import Int32, Int64, Summary


@dataclass(frozen=True)
class LevelProfile:
    """Counts by distance from the root. Shapes: (n_levels,) each."""

    level: Int32
    n_vertices: Int64
    n_internal: Int64
    n_plus: Int64
    n_minus: Int64


def level_profile(summary: Summary) -> LevelProfile:
    """The profile; an edge counts once at each of its two ends."""
    depth = depths(summary.parent)
    n_levels = int(depth.max(initial=-1)) + 1
    edges = summary.signed_edges
    ends = np.concatenate([edges.source, edges.target])
    is_plus = np.concatenate([edges.sign, edges.sign]) > 0

    def count(of: Int32) -> Int64:
        return np.bincount(of, minlength=n_levels).astype(np.int64)

    return LevelProfile(
        np.arange(n_levels, dtype=np.int32),
        count(depth[: summary.n_nodes]),
        count(depth[summary.n_nodes :]),
        count(depth[ends[is_plus]]),
        count(depth[ends[~is_plus]]),
    )


@njit(cache=True, nogil=True)
def depths(parent):  # type: ignore[no-untyped-def]
    """Nodes above each node. Shapes: parent, result (n_forest,) int32."""
    depth = np.zeros(len(parent), np.int32)
    for x in range(len(parent) - 1, -1, -1):
        if parent[x] >= 0:
            depth[x] = depth[parent[x]] + 1
    return depth

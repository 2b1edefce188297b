"""A summary laid out depth first: a node comes right before everything below it."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from lakebed.tasks.summary.kernel.model import Int8, Int32, Int64, Summary


@dataclass(frozen=True)
class Layout:
    """The forest in depth-first order with the signed edges of each node; what operator and queries walk over.

    A place is a number of that order; what is below place p are the places p ... end[p] - 1.

    Attributes:
        n_nodes: vertices.
        parent: place of the parent, -1 at a root.
        depth: edges to the root.
        vertex: the vertex at a place, -1 at an internal node.
        place: the place of a vertex.
        leaf_start: vertices before a place; those below p are leaves[leaf_start[p] : leaf_start[end[p]]].
        end: first place that is not below any more.
        leaves: the vertices in this order.
        child_start, child: places of the children of each place.
        plus_start, minus_start: the partners of p-edges are partner[plus_start[p] : minus_start[p]], those of
            n-edges partner[minus_start[p] : plus_start[p + 1]], both ascending; a self edge names its own place.
        partner: places.
        self_sum: by vertex, the sum of the signs of the self edges above it.

    Shapes: by place (n_forest,), starts (n_forest + 1,); starts int64, signs int8, the rest int32.
    """

    n_nodes: int
    parent: Int32
    depth: Int32
    vertex: Int32
    place: Int32
    end: Int32
    leaf_start: Int64
    leaves: Int32
    child_start: Int64
    child: Int32
    plus_start: Int64
    minus_start: Int64
    partner: Int32
    self_sum: Int32

    @property
    def n_forest(self) -> int:
        """Leaves and internal nodes."""
        return len(self.parent)

    @property
    def n_levels(self) -> int:
        """The greatest depth, and one."""
        return int(self.depth.max(initial=0)) + 1


def lay_out(summary: Summary) -> Layout:
    """The layout of a summary, O(n_forest + k log k) for k signed edges."""
    place, end = _places(summary.parent)
    n_forest = summary.n_forest
    parent, vertex = np.full(n_forest, -1, np.int32), np.full(n_forest, -1, np.int32)
    has_parent = summary.parent >= 0
    parent[place[has_parent]] = place[summary.parent[has_parent]]
    vertex[place[: summary.n_nodes]] = np.arange(summary.n_nodes, dtype=np.int32)
    below = np.flatnonzero(parent >= 0)
    child = below[np.argsort(parent[below], kind="stable")].astype(np.int32)
    edges = summary.signed_edges
    plus_start, minus_start, partner = _partners(place[edges.source], place[edges.target], edges.sign, n_forest)
    is_self = edges.source == edges.target
    own = np.zeros(n_forest, np.int32)
    own[place[edges.source[is_self]]] = edges.sign[is_self]
    depth, self_sum = _push_down(parent, own)
    return Layout(
        n_nodes=summary.n_nodes,
        parent=parent,
        depth=depth,
        vertex=vertex,
        place=place[: summary.n_nodes].copy(),
        end=end,
        leaf_start=_starts(vertex >= 0),
        leaves=vertex[vertex >= 0],
        child_start=_starts(np.bincount(parent[below], minlength=n_forest)),
        child=child,
        plus_start=plus_start,
        minus_start=minus_start,
        partner=partner,
        self_sum=self_sum[place[: summary.n_nodes]],
    )


def _starts(counts: np.ndarray) -> Int64:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def _partners(source: Int32, target: Int32, sign: Int8, n_forest: int) -> tuple[Int64, Int64, Int32]:
    """Each edge at both its ends, a self edge once; p-edges first, then by partner."""
    is_cross = source != target
    node = np.concatenate([source, target[is_cross]])
    partner = np.concatenate([target, source[is_cross]])
    signs = np.concatenate([sign, sign[is_cross]])
    order = np.lexsort((partner, signs < 0, node))
    plus_start = _starts(np.bincount(node, minlength=n_forest))
    n_plus = np.bincount(node[signs > 0], minlength=n_forest)
    return plus_start, plus_start[:-1] + n_plus, partner[order].astype(np.int32)


@njit(cache=True)
def _places(parent: Int32) -> tuple[Int32, Int32]:
    """Depth-first places, and the end of what is below each; parents have higher numbers than their children."""
    n = len(parent)
    size = np.ones(n, np.int32)
    for node in range(n):
        if parent[node] >= 0:
            size[parent[node]] += size[node]
    place, end, free = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
    after = 0
    for node in range(n - 1, -1, -1):
        above = parent[node]
        if above >= 0:
            at = free[above]
            free[above] += size[node]
        else:
            at = after
            after += size[node]
        place[node] = at
        free[node] = at + 1
        end[at] = at + size[node]
    return place, end


@njit(cache=True)
def _push_down(parent: Int32, own: Int32) -> tuple[Int32, Int32]:
    """Depth of each place, and the sum of `own` over it and what is above it."""
    depth, total = np.zeros(len(parent), np.int32), own.copy()
    for at in range(len(parent)):
        if parent[at] >= 0:
            depth[at] = depth[parent[at]] + 1
            total[at] += total[parent[at]]
    return depth, total

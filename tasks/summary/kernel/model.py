"""What a summary is, as arrays: stored, laid out depth first, and decoded."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.tasks.encoding.pairs import pair_order

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

STORED_FORM = "npy: parent, source, target int32, sign int8"
"""What `Summary.bits_per_edge` counts."""


@dataclass(frozen=True)
class SignedEdges:
    """The p-edges (+1) and n-edges (-1) between nodes of the forest.

    An edge {X, Y} adds its sign to every pair of a vertex below X and another below Y; X = Y means all unordered
    pairs inside X. No edge joins an ancestor with its own descendant.

    Shapes: source, target (k,) int32 with source <= target, ascending by (source, target), no pair twice;
    sign (k,) int8, +1 or -1.
    """

    source: Int32
    target: Int32
    sign: Int8


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
    def n_added(self) -> int:
        """Rows that a product adds up: each child's, and each edge's at both its ends."""
        return len(self.child) + len(self.partner)

    @property
    def n_levels(self) -> int:
        """The greatest depth, and one."""
        return int(self.depth.max(initial=0)) + 1


@dataclass(frozen=True)
class Summary:
    """A forest over the vertices and signed edges between its nodes, which together give the graph back exactly.

    The leaves 0 ... n_nodes - 1 are the vertices, isolated ones included; internal nodes follow, each with a higher
    number than all of its children.

    Shapes: parent (n_forest,) int32, -1 at a root.
    """

    n_nodes: int
    parent: Int32
    signed_edges: SignedEdges

    @property
    def n_forest(self) -> int:
        """Leaves and internal nodes."""
        return len(self.parent)

    @property
    def n_hierarchy(self) -> int:
        """|H|: nodes that have a parent."""
        return int(np.count_nonzero(self.parent >= 0))

    @property
    def n_added(self) -> int:
        """Rows that a product adds up, as its layout counts them."""
        edges = self.signed_edges
        return self.n_hierarchy + len(edges.sign) + int(np.count_nonzero(edges.source != edges.target))

    def cost(self) -> int:
        """|P+| + |P-| + |H|."""
        return len(self.signed_edges.sign) + self.n_hierarchy

    def decode(self) -> Int32:
        """Every edge of the graph, lower id first, ascending. Shapes: result (n_edges, 2).

        Cost: O(Σ over vertices of the sizes of the nodes that a signed edge joins with one of its ancestors).
        """
        order, start, end = _leaf_slices(self.parent, self.n_nodes)
        edges: Int32 = _decode(self.n_nodes, self.parent, order, start, end, *_incidence(self))
        return edges

    @cached_property
    def layout(self) -> Layout:
        """The forest as products and queries walk over it."""
        return lay_out(self)

    def n_bytes(self) -> int:
        """Size of the stored arrays (`STORED_FORM`), without the files' headers."""
        edges = self.signed_edges
        return self.parent.nbytes + edges.source.nbytes + edges.target.nbytes + edges.sign.nbytes

    def bits_per_edge(self, n_edges: int) -> float:
        """Bits of the stored arrays for each of the graph's edges; 0 for a graph without edges."""
        return 8 * self.n_bytes() / n_edges if n_edges else 0.0


def lay_out(summary: Summary) -> Layout:
    """The layout of a summary, O(n_forest + k log k) for k signed edges."""
    place, end = places(summary.parent)
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
    order = pair_order(2 * node.astype(np.int64) + (signs < 0), partner)
    plus_start = _starts(np.bincount(node, minlength=n_forest))
    n_plus = np.bincount(node[signs > 0], minlength=n_forest)
    return plus_start, plus_start[:-1] + n_plus, partner[order].astype(np.int32)


@njit(cache=True, nogil=True)
def places(parent: Int32) -> tuple[Int32, Int32]:
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


@njit(cache=True, nogil=True)
def _push_down(parent: Int32, own: Int32) -> tuple[Int32, Int32]:
    """Depth of each place, and the sum of `own` over it and what is above it."""
    depth, total = np.zeros(len(parent), np.int32), own.copy()
    for at in range(len(parent)):
        if parent[at] >= 0:
            depth[at] = depth[parent[at]] + 1
            total[at] += total[parent[at]]
    return depth, total


def _incidence(summary: Summary) -> tuple[Int64, Int32, Int8]:
    """The signed edges by node, an edge of a node with itself once: (indptr, partner, sign)."""
    edges = summary.signed_edges
    is_other = edges.source != edges.target
    node = np.concatenate([edges.source, edges.target[is_other]])
    order = np.argsort(node, kind="stable")
    indptr = np.zeros(summary.n_forest + 1, np.int64)
    np.cumsum(np.bincount(node, minlength=summary.n_forest), out=indptr[1:])
    partner = np.concatenate([edges.target, edges.source[is_other]])[order]
    return indptr, partner, np.concatenate([edges.sign, edges.sign[is_other]])[order]


@njit(cache=True, nogil=True)
def _leaf_slices(parent, n):  # type: ignore[no-untyped-def]
    n_all = len(parent)
    size = np.zeros(n_all, np.int32)
    size[:n] = 1
    for x in range(n_all):
        if parent[x] >= 0:
            size[parent[x]] += size[x]
    start, free = np.empty(n_all, np.int32), np.empty(n_all, np.int32)
    order = np.empty(n, np.int32)
    at = 0
    for x in range(n_all - 1, -1, -1):
        if parent[x] < 0:
            start[x] = at
            at += size[x]
        else:
            start[x] = free[parent[x]]
            free[parent[x]] += size[x]
        free[x] = start[x]
        if x < n:
            order[start[x]] = x
    return order, start, start + size


@njit(cache=True, nogil=True)
def _decode(n, parent, order, start, end, indptr, partner, sign):  # type: ignore[no-untyped-def]
    count, touched = np.zeros(n, np.int32), np.empty(n, np.int32)
    out, used = np.empty((1024, 2), np.int32), 0
    for u in range(n):
        n_touched, x = 0, np.int32(u)
        while x >= 0:
            for k in range(indptr[x], indptr[x + 1]):
                for i in range(start[partner[k]], end[partner[k]]):
                    w = order[i]
                    if w > u:
                        touched[n_touched] = w
                        n_touched += count[w] == 0
                        count[w] += sign[k]
            x = parent[x]
        found = touched[:n_touched]
        found.sort()
        if used + n_touched > len(out):
            larger = np.empty((used + max(used // 2, n_touched), 2), np.int32)
            larger[:used] = out[:used]
            out = larger
        for w in found:
            if count[w] == 1:
                out[used, 0], out[used, 1] = u, w
                used += 1
            count[w] = 0
    return out[:used].copy()

"""The tree of tables as it is told: merges, topics, and the levels that are far enough apart to be worth a step."""

from dataclasses import dataclass

import numba as nb
import numpy as np

from lakebed.tasks.keys.kernel.columns import Bool, Float64, Int64
from lakebed.tasks.topics.kernel.cut import Cut, Inside, cut
from lakebed.tasks.topics.kernel.graph import TableGraph
from lakebed.tasks.topics.kernel.linkage import Merges, link
from lakebed.tasks.topics.kernel.spectral import spectral_groups

# a step down the levels is to a density at least so many times greater
STEP = 2.0

# parent, height and whether it lies in the cut, of each node
Linked = tuple[Int64, Float64, Bool]


@dataclass(frozen=True)
class Tree:
    """N nodes: the n tables first, then what they were merged to, children before parents, the root last.

    Shapes: parent, size, topic (N,) int64; height (N,) float64; is_level (N,) bool.

    Attributes:
        parent: node above; -1 of the root.
        height: density at which what lies below was merged; never more than that of a node below; 1 of tables, 0 of
            the root of a graph that does not hang together.
        size: tables below.
        topic: number of the topic that the node is, by size and then by first table; -1 of other nodes.
        is_level: which nodes are left where a step down at least doubles the density: topics and tables among them.
        gamma: density at which the tree was cut.
        start: `tables` or `groups`, what the tree began with.
    """

    n: int
    parent: Int64
    height: Float64
    size: Int64
    topic: Int64
    is_level: Bool
    gamma: float
    start: str

    @property
    def topic_of(self) -> Int64:
        """The topic of each table, (n,)."""
        found = _inherited(self.parent, self.topic)
        return found[: self.n]

    @property
    def level_parent(self) -> Int64:
        """The nearest level above each node, (N,); -1 of the root."""
        return _nearest_level(self.parent, self.is_level)


def tree_of(graph: TableGraph, copy_of: Int64 | None = None) -> Tree:
    """Links single tables, and spectral groups where there are few large ones; of both the likelier partition stays.

    Args:
        graph: of the distinct tables.
        copy_of: (n,) which of them each table is, numbered by first table; all are distinct without it.
    """
    merges = link(graph)
    best, start, group = (cut(merges, graph.n), merges), "tables", np.arange(graph.n)
    groups = spectral_groups(graph)
    if groups is not None:
        inside, coarse, sizes = contracted(graph, groups)
        merges = link(coarse, sizes)
        found = cut(merges, graph.n, inside)
        if found.likelihood > best[0].likelihood:
            best, start, group = (found, merges), "groups", groups
    linked = _grouped(graph, group, *best) if start == "groups" else _linked(*best)
    linked = _with_copies(linked, graph.n, copy_of) if copy_of is not None else linked
    n = graph.n if copy_of is None else len(copy_of)
    parent, height, is_cut = _rooted(linked)
    size = _sizes(parent, n)
    topic = _numbered(parent, size, is_cut)
    is_level = _levels(parent, height, topic >= 0, n, STEP)
    return Tree(n, parent, height, size, topic, is_level, best[0].gamma, start)


def contracted(graph: TableGraph, group: Int64) -> tuple[Inside, TableGraph, Int64]:
    """What lies inside groups, the graph between them, and their sizes. Shapes: group (n,), numbered from 0."""
    sizes = np.bincount(group)
    a, b = group[graph.a], group[graph.b]
    is_in = a == b
    low, high = np.minimum(a, b)[~is_in], np.maximum(a, b)[~is_in]
    key, place = np.unique(low * len(sizes) + high, return_inverse=True)
    weight = np.asarray(np.bincount(place, graph.weight[~is_in], minlength=len(key)), np.float64)
    inside = Inside(float(graph.weight[is_in].sum()), float((sizes * (sizes - 1) / 2).sum()))
    one, other = np.divmod(key, len(sizes))
    return inside, TableGraph(len(sizes), one, other, weight), sizes


def _linked(found: Cut, merges: Merges) -> Linked:
    """Clusters, and what they were merged to."""
    n_nodes = merges.n + len(merges.left)
    parent, height, is_cut = np.full(n_nodes, -1, np.int64), np.ones(n_nodes), np.zeros(n_nodes, np.bool_)
    made = np.arange(merges.n, n_nodes)
    parent[merges.left], parent[merges.right] = made, made
    height[made] = merges.height
    is_cut[: merges.n + found.n_merges] = True
    return parent, height, is_cut


def _grouped(graph: TableGraph, group: Int64, found: Cut, merges: Merges) -> Linked:
    """The same of groups, with their tables before them."""
    parent, height, is_cut = _linked(found, merges)
    height[: merges.n] = _group_heights(graph, group, merges.n, merges)
    parent = np.where(parent >= 0, parent + graph.n, -1)
    return (
        np.concatenate([graph.n + group, parent]),
        np.concatenate([np.ones(graph.n), height]),
        np.concatenate([np.zeros(graph.n, np.bool_), is_cut]),
    )


def _with_copies(linked: Linked, n_distinct: int, copy_of: Int64) -> Linked:
    """Every table in the place of the distinct ones; copies lie below a node of their own, of height 1."""
    parent, height, is_cut = linked
    n, n_copies = len(copy_of), np.bincount(copy_of, minlength=n_distinct)
    many = np.flatnonzero(n_copies > 1)
    moved = np.arange(len(parent)) + n + len(many) - n_distinct
    _, first = np.unique(copy_of, return_index=True)
    moved[:n_distinct] = first
    moved[many] = n + np.arange(len(many))
    above = np.where(parent >= 0, moved[parent], -1)
    tables = np.where(n_copies[copy_of] > 1, moved[copy_of], above[copy_of])
    return (
        np.concatenate([tables, above[many], above[n_distinct:]]),
        np.concatenate([np.ones(n + len(many)), height[n_distinct:]]),
        np.concatenate([is_cut[copy_of] & (n_copies[copy_of] == 1), is_cut[many], is_cut[n_distinct:]]),
    )


def _rooted(linked: Linked) -> Linked:
    """With a root above what is left beside the last merge."""
    parent, height, is_cut = linked
    if (parent < 0).sum() <= 1:
        return linked
    above = np.append(np.where(parent < 0, len(parent), parent), -1)
    return above, np.append(height, 0.0), np.append(is_cut, False)


def _group_heights(graph: TableGraph, group: Int64, n_groups: int, merges: Merges) -> Float64:
    """The density inside each group; that of its merge, where that is greater."""
    sizes = np.bincount(group, minlength=n_groups)
    is_in = group[graph.a] == group[graph.b]
    weight = np.bincount(group[graph.a[is_in]], graph.weight[is_in], minlength=n_groups)
    found = weight / np.maximum(sizes * (sizes - 1) / 2, 1)
    for side in (merges.left, merges.right):
        own = side < n_groups
        found[side[own]] = np.maximum(found[side[own]], merges.height[own])
    return found


def _numbered(parent: Int64, size: Int64, is_cut: Bool) -> Int64:
    """Topics are the highest nodes of the cut: the largest is number 0, of equals that of the first table."""
    above = np.where(parent >= 0, is_cut[parent], False)
    nodes = np.flatnonzero(is_cut & ~above)
    first = _first_tables(parent)
    order = nodes[np.lexsort((first[nodes], -size[nodes]))]
    found = np.full(len(parent), -1, np.int64)
    found[order] = np.arange(len(order))
    return found


@nb.njit(cache=True)
def _sizes(parent: Int64, n: int) -> Int64:
    size = np.zeros(len(parent), np.int64)
    size[:n] = 1
    for node in range(len(parent)):
        if parent[node] >= 0:
            size[parent[node]] += size[node]
    return size


@nb.njit(cache=True)
def _first_tables(parent: Int64) -> Int64:
    first = np.arange(len(parent))
    for node in range(len(parent)):
        if parent[node] >= 0:
            first[parent[node]] = min(first[parent[node]], first[node])
    return first


@nb.njit(cache=True)
def _levels(parent: Int64, height: Float64, is_topic: Bool, n: int, step: float) -> Bool:
    found, above = np.zeros(len(parent), np.bool_), np.zeros(len(parent))
    for node in range(len(parent) - 1, -1, -1):
        is_far = parent[node] < 0 or height[node] >= step * above[parent[node]]
        found[node] = node < n or is_topic[node] or is_far
        above[node] = height[node] if found[node] else above[parent[node]]
    return found


@nb.njit(cache=True)
def _inherited(parent: Int64, topic: Int64) -> Int64:
    found = topic.copy()
    for node in range(len(parent) - 1, -1, -1):
        if found[node] < 0 and parent[node] >= 0:
            found[node] = found[parent[node]]
    return found


@nb.njit(cache=True)
def _nearest_level(parent: Int64, is_level: Bool) -> Int64:
    found = parent.copy()
    for node in range(len(parent) - 1, -1, -1):
        if parent[node] >= 0 and not is_level[parent[node]]:
            found[node] = found[parent[node]]
    return found

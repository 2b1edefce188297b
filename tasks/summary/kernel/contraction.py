"""From binary trees with their edges to the summary: nodes that pay for nothing are taken out."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lakebed.tasks.encoding.pairs import pair_order
from lakebed.tasks.summary.kernel.encoding import Placed
from lakebed.tasks.summary.kernel.forest import Forest
from lakebed.tasks.summary.kernel.model import Int8, Int32, Int64, SignedEdges, Summary

GONE = -2


class Trees(NamedTuple):
    """The trees while they shrink. Shapes: (N,) each.

    parent int32, GONE at a node that was taken out; vertex int32; n_edges int32 at each node; edge int64, the
    exclusive or of the numbers of these edges, so that a single one is known without a list.
    """

    parent: Int32
    vertex: Int32
    n_edges: Int32
    edge: Int64


class Edges(NamedTuple):
    """Signed edges, sign 0 where one was taken out; the first `n_sorted[0]` ascend by (source, target)."""

    source: Int32
    target: Int32
    sign: Int8
    n_sorted: Int64


def contract(forest: Forest, placed: Placed, n: int) -> Summary:
    """The summary of the forest's trees and the edges placed on them.

    Internal nodes without an edge give their children to the next ancestor; a root with one edge, not with itself,
    gives the edge to each of its children, where it may meet one of the other sign.

    Source: Lee, Ko, Shin 2022, pruning steps 1 and 2; step 3 is what the exact encoding replaces.
    Cost: O(N + edges · log edges).
    """
    order = pair_order(placed.source, placed.target, may_repeat=True)
    edges = Edges(
        placed.source[order], placed.target[order], placed.sign[order], np.full(1, len(order), dtype=np.int64)
    )
    parent, source, target, sign = _contract(forest.parent.copy(), forest.vertex, edges)
    return _numbered(forest, parent, source, target, sign, n)


def _numbered(forest: Forest, parent: Int32, source: Int32, target: Int32, sign: Int8, n: int) -> Summary:
    """Places become numbers: vertices first, then what is left of the internal nodes, by age."""
    is_left = parent != GONE
    by_age = np.zeros(len(parent), np.bool_)
    by_age[forest.node] = is_left
    number_of_age = (np.cumsum(by_age) - 1).astype(np.int32)
    number = number_of_age[forest.node]
    numbered = np.full(int(is_left.sum()), -1, np.int32)
    has_parent = np.flatnonzero(parent >= 0)
    numbered[number[has_parent]] = number[parent[has_parent]]
    return Summary(n, numbered, canonical_edges(number[source], number[target], sign))


def canonical_edges(source: Int32, target: Int32, sign: Int8) -> SignedEdges:
    """Lower number first, ascending; edges at the same two nodes are added up."""
    low, high = np.minimum(source, target), np.maximum(source, target)
    order = pair_order(low, high, may_repeat=True)
    low, high, sign = low[order], high[order], sign[order]
    if not len(low):
        return SignedEdges(low, high, sign)
    starts = np.flatnonzero(np.append(True, (low[1:] != low[:-1]) | (high[1:] != high[:-1])))
    total = np.add.reduceat(sign, starts, dtype=np.int8)
    kept = starts[total != 0]
    return SignedEdges(low[kept], high[kept], total[total != 0])


@njit(cache=True, nogil=True)
def _contract(parent, vertex, edges):  # type: ignore[no-untyped-def]
    n = len(parent)
    trees = Trees(parent, vertex, np.zeros(n, np.int32), np.zeros(n, np.int64))
    for i in range(len(edges.sign)):
        _attach(trees, edges.source[i], edges.target[i], i, 1)
    used = len(edges.sign)
    is_changed = True
    while is_changed:
        _take_out(trees)
        edges, used, is_changed = _push_down(trees, edges, used)
    is_left = edges.sign[:used] != 0
    return trees.parent, edges.source[:used][is_left], edges.target[:used][is_left], edges.sign[:used][is_left]


@njit(cache=True, nogil=True)
def _attach(trees, x, y, i, step):  # type: ignore[no-untyped-def]
    """Counts edge i at its ends, or takes it off with step -1."""
    trees.n_edges[x] += step
    trees.edge[x] ^= i
    if x != y:
        trees.n_edges[y] += step
        trees.edge[y] ^= i


@njit(cache=True, nogil=True)
def _take_out(trees):  # type: ignore[no-untyped-def]
    """Takes out internal nodes without edges; parents come before children, so one pass reaches all."""
    for x in range(len(trees.parent)):
        up = trees.parent[x]
        if up == GONE:
            continue
        # a parent that is gone handed over its own parent before it went
        if up >= 0 and trees.parent[up] == GONE:
            up = np.int32(trees.edge[up])
            trees.parent[x] = up
        if trees.vertex[x] < 0 and trees.n_edges[x] == 0:
            trees.edge[x] = up
            trees.parent[x] = GONE


@njit(cache=True, nogil=True)
def _child_lists(parent):  # type: ignore[no-untyped-def]
    first, following = np.full(len(parent), -1, np.int32), np.full(len(parent), -1, np.int32)
    for x in range(len(parent) - 1, -1, -1):
        up = parent[x]
        if up >= 0:
            following[x] = first[up]
            first[up] = x
    return first, following


@njit(cache=True, nogil=True)
def _push_down(trees, edges, used):  # type: ignore[no-untyped-def]
    """Takes out each root with a single edge, and hands the edge to its children."""
    first, following = _child_lists(trees.parent)
    is_changed = False
    for x in range(len(trees.parent)):
        if trees.parent[x] != -1 or trees.vertex[x] >= 0 or trees.n_edges[x] != 1:
            continue
        i = trees.edge[x]
        if edges.source[i] == edges.target[i]:
            continue
        y = edges.target[i] if edges.source[i] == x else edges.source[i]
        sign = edges.sign[i]
        _drop(trees, edges, i)
        child = first[x]
        while child >= 0:
            trees.parent[child] = -1
            edges, used = _add(trees, edges, used, child, y, sign)
            child = following[child]
        trees.edge[x] = -1
        trees.parent[x] = GONE
        is_changed = True
    return edges, used, is_changed


@njit(cache=True, nogil=True)
def _drop(trees, edges, i):  # type: ignore[no-untyped-def]
    edges.sign[i] = 0
    _attach(trees, edges.source[i], edges.target[i], i, -1)


@njit(cache=True, nogil=True)
def _add(trees, edges, used, x, y, sign):  # type: ignore[no-untyped-def]
    """Adds an edge, or takes out the one of the other sign."""
    met = _find(edges, min(x, y), max(x, y))
    if met >= 0 and edges.sign[met] == -sign:
        _drop(trees, edges, met)
        return edges, used
    if used >= len(edges.sign):
        edges = _larger(edges, used)
    edges.source[used], edges.target[used], edges.sign[used] = x, y, sign
    _attach(trees, x, y, used, 1)
    return edges, used + 1


@njit(cache=True, nogil=True)
def _find(edges, x, y):  # type: ignore[no-untyped-def]
    """The number of edge (x, y) among the sorted ones; -1 if there is none."""
    low, high = 0, edges.n_sorted[0]
    while low < high:
        middle = (low + high) >> 1
        if edges.source[middle] < x or (edges.source[middle] == x and edges.target[middle] < y):
            low = middle + 1
        else:
            high = middle
    if low < edges.n_sorted[0] and edges.source[low] == x and edges.target[low] == y:
        return low
    return np.int64(-1)


@njit(cache=True, nogil=True)
def _larger(edges, used):  # type: ignore[no-untyped-def]
    size = used + used // 2 + 64
    source, target, sign = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int8)
    source[:used], target[:used], sign[:used] = edges.source[:used], edges.target[:used], edges.sign[:used]
    return Edges(source, target, sign, edges.n_sorted)

"""The binary forest that merging leaves, in preorder."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lakebed.tasks.summary.kernel.merging import MergeLog
from lakebed.tasks.summary.kernel.model import Int32


class Forest(NamedTuple):
    """Trees in preorder: a node comes before its descendants, which are the nodes up to `end`.

    Every internal node x has two children, x + 1 and end[x + 1].

    Shapes: parent (N,) int32 place, -1 at a root; end (N,) int32; vertex (N,) int32, -1 at an internal node;
    node (N,) int32, the node's number by age: vertices, then merges; place (N,) int32, the reverse of node.
    """

    parent: Int32
    end: Int32
    vertex: Int32
    node: Int32
    place: Int32


def binary_forest(n: int, log: MergeLog) -> Forest:
    """The forest of the merges over n vertices. Cost: O(N)."""
    return Forest(*_preorder(n, *children(n, log)))


def children(n: int, log: MergeLog) -> tuple[Int32, Int32]:
    """The children of the nodes n, n + 1, …, by age, the older one first. Shapes: (n_merges,) int32 each."""
    return _children(n, log.absorbed, log.kept)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def _children(n, absorbed, kept):  # type: ignore[no-untyped-def]
    node = np.arange(n).astype(np.int32)
    first, second = np.empty(len(kept), np.int32), np.empty(len(kept), np.int32)
    for k in range(len(kept)):
        a, b = node[absorbed[k]], node[kept[k]]
        first[k], second[k] = min(a, b), max(a, b)
        node[kept[k]] = n + k
    return first, second


@njit(cache=True, nogil=True)
def _preorder(n, first, second):  # type: ignore[no-untyped-def]
    n_all = n + len(first)
    size, is_root = np.ones(n_all, np.int32), np.ones(n_all, np.bool_)
    for k in range(len(first)):
        size[n + k] = 1 + size[first[k]] + size[second[k]]
        is_root[first[k]] = is_root[second[k]] = False
    place, parent = np.empty(n_all, np.int32), np.full(n_all, -1, np.int32)
    end, vertex = np.empty(n_all, np.int32), np.full(n_all, -1, np.int32)
    node = np.empty(n_all, np.int32)
    at = 0
    for x in range(n_all):
        if is_root[x]:
            place[x] = at
            at += size[x]
    for x in range(n_all - 1, -1, -1):
        p = place[x]
        end[p], node[p] = p + size[x], x
        if x < n:
            vertex[p] = x
            continue
        left, right = first[x - n], second[x - n]
        place[left], place[right] = p + 1, p + 1 + size[left]
        parent[p + 1] = parent[p + 1 + size[left]] = p
    return parent, end, vertex, node, place

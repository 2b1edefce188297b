"""Average linkage on edge densities: the tree of a graph's nodes."""

from dataclasses import dataclass
from heapq import heappop, heappush

import numba as nb
import numpy as np

from lakebed.tasks.keys.kernel.columns import Float64, Int64
from lakebed.tasks.topics.kernel.graph import TableGraph


@dataclass(frozen=True)
class Merges:
    """Merges in the order in which they were made: the k-th makes cluster n + k.

    Shapes: left, right (k,) int64, clusters before it, left < right; height (k,) float64, never rising; pairs (k,)
    float64, pairs of nodes that it brings together. k is n minus the number of connected components.

    Attributes:
        height: density between the two: weight of the edges between them over the number of pairs.
    """

    n: int
    left: Int64
    right: Int64
    height: Float64
    pairs: Float64


def link(graph: TableGraph, size: Int64 | None = None) -> Merges:
    """Merges the two clusters of the greatest density between them, until no edge is left.

    Dreveton, Kuroda, Grossglauser and Thiran 2023, "When does bottom-up beat top-down in hierarchical community
    detection?": p(ab, c) = (|a| p(a, c) + |b| p(b, c)) / (|a| + |b|), so heights never rise. Of equal densities the
    one with the least cluster number is taken.

    Args:
        graph: the clusters to begin with, and the weight between them.
        size: (n,) nodes in each of them; one without it.

    Note:
        The heap holds one entry a cluster, its nearest neighbour when it was last looked at. A density to a cluster
        never rises by other merges, so an entry is a bound, and the greatest whose neighbour still stands is exact.

    Complexity: O(m log n) for trees that are balanced; O(m · depth) list steps at worst.
    """
    adjacency = graph.adjacency
    sizes = np.ones(graph.n, np.int64) if size is None else size
    owner = np.repeat(np.arange(graph.n), np.diff(adjacency.indptr))
    found = _merge(owner, adjacency.indices.astype(np.int64), adjacency.data.astype(np.float64), sizes.astype(np.int64))
    return Merges(graph.n, *found)


@nb.njit(cache=True)
def _merge(owner: Int64, to: Int64, weight: Float64, size: Int64) -> tuple[Int64, Int64, Float64, Float64]:
    n = len(size)
    root, count = np.arange(2 * n), np.zeros(2 * n, np.int64)
    count[:n] = size
    head, after = np.full(2 * n, -1, np.int64), np.full(len(to), -1, np.int64)
    for slot in range(len(to) - 1, -1, -1):
        after[slot], head[owner[slot]] = head[owner[slot]], slot
    seen, nearest = np.full(2 * n, -1, np.int64), np.full(2 * n, -1, np.int64)
    left, right = np.empty(n, np.int64), np.empty(n, np.int64)
    height, pairs = np.empty(n), np.empty(n)
    heap = [(0.0, 0) for _ in range(0)]
    for one in range(n):
        _push(heap, one, _look(one, head, after, to, weight, root, count, seen, nearest))
    made = 0
    while heap:
        negative, one = heappop(heap)
        if root[one] != one:
            continue
        other = nearest[one]
        if root[other] != other:
            _push(heap, one, _look(one, head, after, to, weight, root, count, seen, nearest))
            continue
        new = n + made
        left[made], right[made] = min(one, other), max(one, other)
        # rounding may lift a density by its last digit
        height[made] = min(-negative, height[made - 1]) if made else -negative
        pairs[made] = float(count[one]) * float(count[other])
        root[one], root[other], count[new] = new, new, count[one] + count[other]
        head[new] = _joined(head[one], head[other], after)
        made += 1
        _push(heap, new, _look(new, head, after, to, weight, root, count, seen, nearest))
    return left[:made], right[:made], height[:made], pairs[:made]


@nb.njit(cache=True)
def _push(heap: list[tuple[float, int]], one: int, density: float) -> None:
    if density > 0:
        heappush(heap, (-density, one))


@nb.njit(cache=True)
def _joined(first: int, second: int, after: Int64) -> int:
    """One list of two."""
    if first < 0:
        return second
    last = first
    while after[last] >= 0:
        last = after[last]
    after[last] = second
    return first


@nb.njit(cache=True)
def _look(
    one: int,
    head: Int64,
    after: Int64,
    to: Int64,
    weight: Float64,
    root: Int64,
    count: Int64,
    seen: Int64,
    nearest: Int64,
) -> float:
    """Tidies the list of a cluster, so that each neighbour stands in it once, and finds the nearest: its density."""
    slot, kept = head[one], -1
    head[one] = -1
    while slot >= 0:
        following, other = after[slot], to[slot]
        while root[other] != other:
            root[other] = root[root[other]]
            other = root[other]
        if other != one:
            if seen[other] >= 0:
                weight[seen[other]] += weight[slot]
            else:
                seen[other], to[slot], after[slot] = slot, other, -1
                if kept < 0:
                    head[one] = slot
                else:
                    after[kept] = slot
                kept = slot
        slot = following
    best, slot = 0.0, head[one]
    while slot >= 0:
        other = to[slot]
        density = weight[slot] / (float(count[one]) * float(count[other]))
        if density > best or (density == best and other < nearest[one]):
            best, nearest[one] = density, other
        seen[other] = -1
        slot = after[slot]
    return best

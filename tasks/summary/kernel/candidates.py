"""Groups of roots worth trying with each other: recursive min-hash over closed neighbourhoods."""

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.graph import Graph
from lakebed.tasks.summary.kernel.hashing import hash_ids, stream_key
from lakebed.tasks.summary.kernel.model import Int32, Int64
from lakebed.tasks.summary.kernel.threads import spread

UInt32 = NDArray[np.uint32]
NONE = np.uint32(0xFFFFFFFF)


@dataclass(frozen=True)
class Groups:
    """Disjoint groups of at least two roots. Shapes: roots (k,) int32; bounds (n_groups + 1,) int64 into roots.

    Groups ascend by their lowest root, the roots of one by (shingle, root) of its last split.
    """

    roots: Int32
    bounds: Int64


def candidate_groups(
    graph: Graph, root_of: Int32, roots: Int32, iteration: int, config: SummaryConfig, threads: Executor
) -> Groups:
    """Splits the roots by the least hash among their vertices and these vertices' neighbours.

    Runs of one hash value that fit `group_size` are groups; longer ones are split again by another hash, and what
    `levels` hashes leave is cut into pieces.

    Shapes: root_of (n,) int32; roots (r,) int32 ascending.
    Source: Lee, Ko, Shin 2022, "candidate generation". Cost: O(levels · (n + m)) at most.
    """
    split = Split(roots)
    for level in range(config.levels):
        if not len(split.roots):
            break
        key = stream_key(config.seed, iteration, level)
        split.by(shingles(graph, root_of, split.roots, key, threads), config.group_size)
    return split.finish(config.group_size)


def shingles(graph: Graph, root_of: Int32, roots: Int32, key: np.uint64, threads: Executor) -> UInt32:
    """The least hash of each root's closed neighbourhood. Shapes: result (len(roots),) uint32."""
    n = graph.n_nodes
    is_wanted = np.zeros(n, np.bool_)
    is_wanted[roots] = True
    hashes, least = np.empty(n, np.uint32), np.empty(n, np.uint32)
    for start, part in spread(threads, n, lambda a, b: hash_ids(key, a, b)):
        hashes[start : start + len(part)] = part
    arguments = (graph.indptr, graph.neighbours, root_of, is_wanted, hashes, least)
    spread(threads, n, lambda a, b: _least_near(a, b, *arguments))
    return _least_of_roots(root_of, is_wanted, least, roots)  # type: ignore[no-any-return]


class Split:
    """Roots that are still to be split, in segments, and the groups found so far."""

    def __init__(self, roots: Int32) -> None:
        self.roots = roots
        self._bounds = np.array([0, len(roots)], np.int64)
        self._found: list[tuple[Int32, Int64]] = []

    def by(self, shingle: UInt32, group_size: int) -> None:
        """Splits each segment by the roots' shingles, (len(self.roots),) uint32."""
        roots, sizes, self.roots, self._bounds = _split(self.roots, self._bounds, shingle, group_size)
        self._found.append((roots, sizes))

    def finish(self, group_size: int) -> Groups:
        """Cuts what is left into pieces of `group_size`."""
        self._found.append((self.roots, _cut(self._bounds, group_size)))
        roots = np.concatenate([roots for roots, _ in self._found])
        sizes = np.concatenate([sizes for _, sizes in self._found])
        return Groups(*_order(roots, sizes))


@njit(cache=True, nogil=True)
def _least_near(start, end, indptr, neighbours, root_of, is_wanted, hashes, least):  # type: ignore[no-untyped-def]
    for v in range(start, end):
        if is_wanted[root_of[v]]:
            low = hashes[v]
            for k in range(indptr[v], indptr[v + 1]):
                low = min(low, hashes[neighbours[k]])
            least[v] = low


@njit(cache=True, nogil=True)
def _least_of_roots(root_of, is_wanted, least, roots):  # type: ignore[no-untyped-def]
    of_root = np.full(len(root_of), NONE, np.uint32)
    for v in range(len(root_of)):
        root = root_of[v]
        if is_wanted[root] and least[v] < of_root[root]:
            of_root[root] = least[v]
    return of_root[roots]


@njit(cache=True, nogil=True)
def _split(roots, bounds, shingle, group_size):  # type: ignore[no-untyped-def]
    """(roots of groups, sizes of groups, roots left, their segments)."""
    done, left = np.empty(len(roots), np.int32), np.empty(len(roots), np.int32)
    sizes, segments = np.empty(len(roots), np.int64), np.zeros(len(roots) + 1, np.int64)
    n_done, n_left, n_sizes, n_segments = 0, 0, 0, 0
    for s in range(len(bounds) - 1):
        keys = np.empty(bounds[s + 1] - bounds[s], np.uint64)
        for i in range(len(keys)):
            at = bounds[s] + i
            keys[i] = (np.uint64(shingle[at]) << np.uint64(32)) | np.uint64(roots[at])
        keys.sort()
        i = 0
        while i < len(keys):
            j = i + 1
            while j < len(keys) and keys[j] >> np.uint64(32) == keys[i] >> np.uint64(32):
                j += 1
            if j - i > group_size:
                for k in range(i, j):
                    left[n_left + k - i] = np.int32(keys[k] & np.uint64(0x7FFFFFFF))
                n_left += j - i
                n_segments += 1
                segments[n_segments] = n_left
            elif j - i > 1:
                for k in range(i, j):
                    done[n_done + k - i] = np.int32(keys[k] & np.uint64(0x7FFFFFFF))
                n_done += j - i
                sizes[n_sizes] = j - i
                n_sizes += 1
            i = j
    return done[:n_done].copy(), sizes[:n_sizes].copy(), left[:n_left].copy(), segments[: n_segments + 1].copy()


@njit(cache=True, nogil=True)
def _cut(bounds, group_size):  # type: ignore[no-untyped-def]
    n_left = bounds[len(bounds) - 1]
    sizes = np.empty(n_left // group_size + len(bounds), np.int64)
    n_sizes = 0
    for s in range(len(bounds) - 1):
        at = bounds[s]
        while at < bounds[s + 1]:
            sizes[n_sizes] = min(group_size, bounds[s + 1] - at)
            at += sizes[n_sizes]
            n_sizes += 1
    return sizes[:n_sizes]


@njit(cache=True, nogil=True)
def _order(roots, sizes):  # type: ignore[no-untyped-def]
    """Groups by their lowest root."""
    starts = np.zeros(len(sizes) + 1, np.int64)
    lowest = np.empty(len(sizes), np.int64)
    for g in range(len(sizes)):
        starts[g + 1] = starts[g] + sizes[g]
        lowest[g] = roots[starts[g] : starts[g + 1]].min()
    order = np.argsort(lowest)
    out, bounds = np.empty(len(roots), np.int32), np.zeros(len(sizes) + 1, np.int64)
    for i in range(len(order)):
        g = order[i]
        bounds[i + 1] = bounds[i] + sizes[g]
        out[bounds[i] : bounds[i + 1]] = roots[starts[g] : starts[g + 1]]
    return out, bounds

"""Equal vectors collapsed into one before the index is built, and expanded after the search.

HNSW links each vector to near ones; where many are equal, all links go to the twins and the graph falls apart: recall
sticks whatever the width of the search. So one of each group is indexed.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.tasks.index.kernel.flat import Float32, Int64, Neighbours


@dataclass(frozen=True)
class Twins:
    """Groups of equal vectors.

    Shapes: first (g,) position of each group's first member, ascending; indptr (g + 1,) into member (n,): the members
    of each group, ascending.
    """

    first: Int64
    indptr: Int64
    member: Int64

    @property
    def is_trivial(self) -> bool:
        """Whether every vector is alone."""
        return len(self.first) == len(self.member)


def collapse(vectors: Float32, tolerance: float) -> Twins:
    """Vectors no coordinate of which differs by more than the tolerance from a group's first form a group.

    Vectors are sorted by their projection on a fixed direction; equal ones lie within a window of it, where each is
    compared with the groups' firsts only. O(n log n + n·w·dim) for w groups in a window.

    Shapes: vectors (n, dim).
    """
    n, dim = vectors.shape
    if not n:
        return Twins(np.empty(0, np.int64), np.zeros(1, np.int64), np.empty(0, np.int64))
    direction: NDArray[np.float64] = np.random.default_rng(20_160_330).standard_normal(size=(dim,))
    shadow = np.asarray(vectors @ direction.astype(np.float32), np.float64)
    order = np.lexsort((np.arange(n), shadow)).astype(np.int64)
    rounding = 4 * float(np.finfo(np.float32).eps) * float(np.abs(direction).sum()) * float(np.abs(vectors).max())
    window = float(np.abs(direction).sum()) * tolerance + rounding
    group = group_sorted(vectors, order, shadow[order], window, tolerance)
    # groups are numbered by their least member, so that the sort's direction leaves no trace
    least = np.full(n, n, np.int64)
    np.minimum.at(least, group, np.arange(n))
    labels = least[group]
    first, place = np.unique(labels, return_inverse=True)
    member = np.argsort(place, kind="stable").astype(np.int64)
    indptr = np.zeros(len(first) + 1, np.int64)
    np.cumsum(np.bincount(place, minlength=len(first)), out=indptr[1:])
    return Twins(first.astype(np.int64), indptr, member)


def expand(found: Neighbours, twins: Twins, k: int, *, is_whole: bool = True) -> Neighbours:
    """The k nearest vectors from the nearest groups: every member at its group's distance.

    Args:
        found: (q, ≥ min(k, g)), positions of groups.
        twins: the groups.
        k: neighbours of each row.
        is_whole: whether members are all vectors; False where some were filtered out, and numbers do not match.

    Returns: (q, k).
    """
    if is_whole and twins.is_trivial:
        return found
    position, distance = expand_groups(found.position, found.distance, twins.indptr, twins.member, k)
    return Neighbours(position, distance)


@njit("int64[::1](float32[:,::1], int64[::1], float64[::1], float64, float64)", cache=True, nogil=True)
def group_sorted(vectors: Float32, order: Int64, shadow: NDArray[np.float64], window: float, tolerance: float) -> Int64:
    """For each vector the first, in sorted order, of its group."""
    n, dim = vectors.shape
    group = np.empty(n, np.int64)
    firsts = np.empty(n, np.int64)
    begin, end = 0, 0
    for place in range(n):
        mine = order[place]
        while begin < end and shadow[place] - shadow[firsts[begin]] > window:
            begin += 1
        group[mine] = mine
        for candidate in range(begin, end):
            other, is_equal = order[firsts[candidate]], True
            for column in range(dim):
                if abs(vectors[mine, column] - vectors[other, column]) > tolerance:
                    is_equal = False
                    break
            if is_equal:
                group[mine] = other
                break
        if group[mine] == mine:
            firsts[end] = place
            end += 1
    return group


@njit(
    "Tuple((int64[:,::1], float32[:,::1]))(int64[:,::1], float32[:,::1], int64[::1], int64[::1], int64)",
    cache=True,
    nogil=True,
)
def expand_groups(position: Int64, distance: Float32, indptr: Int64, member: Int64, k: int) -> tuple[Int64, Float32]:
    """Members of the groups of each row, until there are k; -1 and inf where there are fewer."""
    n_queries = position.shape[0]
    out = np.full((n_queries, k), -1, np.int64)
    out_distance = np.full((n_queries, k), np.inf, np.float32)
    for query in range(n_queries):
        n_out = 0
        for place in range(position.shape[1]):
            found = position[query, place]
            if found < 0 or n_out >= k:
                break
            for at in range(indptr[found], indptr[found + 1]):
                if n_out >= k:
                    break
                out[query, n_out] = member[at]
                out_distance[query, n_out] = distance[query, place]
                n_out += 1
    return out, out_distance

"""Proof that a summary is lossless, by a decoder that shares no code with the kernels.

Vertices are laid out so that each node's are one interval; a signed edge is then a rectangle of pairs. Rows of the
triangle of pairs are added up block by block and compared with the input edge by edge.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lakebed.connectors.errors import StageError
from lakebed.tasks.summary.kernel.model import Summary

Ints = NDArray[np.int64]

_MAX_PAIRS = 1 << 22


def require_lossless(summary: Summary, edges: NDArray[np.integer]) -> int:
    """Compares the decoded summary with the input, pair by pair; returns the number of edges compared.

    Shapes: edges (m, 2), each undirected edge once. Memory: about 40 bytes for each of 2^22 pairs, and O(n + m).

    Raises:
        StageError: if a pair is an edge on one side only, or adds up to neither 0 nor 1.
    """
    layout = Layout(summary)
    n_compared = compare_blocks(layout, np.array([0, *(last for _, last in layout.blocks())]), edges)
    if n_compared != len(edges):
        raise _not_lossless(f"{len(edges) - n_compared:,} edges lie in no block", ())
    return n_compared


def compare_blocks(layout: "Layout", bounds: Ints, edges: NDArray[np.integer]) -> int:
    """Compares the blocks between the bounds with the edges that lie in them; returns the number of edges.

    Raises:
        StageError: as `require_lossless`.
    """
    wanted, n_compared = layout.keys(edges), 0
    for first, last in pairwise(bounds.tolist()):
        low, high = np.searchsorted(wanted, (first * layout.n, last * layout.n))
        n_compared += _compare(layout, layout.block(first, last), wanted[low:high])
    return n_compared


class Layout:
    """The vertices' places, and the signed edges as rectangles of places."""

    def __init__(self, summary: Summary) -> None:
        self.n = summary.n_nodes
        self.vertex, low, high = _intervals(np.asarray(summary.parent, np.int64), self.n)
        self.place = np.empty(self.n, np.int64)
        self.place[self.vertex] = np.arange(self.n)
        edges = summary.signed_edges
        is_swapped = low[edges.source] > low[edges.target]
        row = np.where(is_swapped, edges.target, edges.source)
        column = np.where(is_swapped, edges.source, edges.target)
        self._top, self._bottom, self._left, self._right = low[row], high[row], low[column], high[column]
        self._sign = edges.sign.astype(np.int64)

    def keys(self, edges: NDArray[np.integer]) -> Ints:
        """The input's edges as sorted numbers of pairs of places."""
        a, b = self.place[edges[:, 0]], self.place[edges[:, 1]]
        return np.sort(np.minimum(a, b) * self.n + np.maximum(a, b))

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Ranges of rows that hold about `_MAX_PAIRS` pairs each."""
        if not self.n:
            return
        change = np.zeros(self.n + 1, np.int64)
        np.add.at(change, self._top, self._right - self._left)
        np.add.at(change, self._bottom, self._left - self._right)
        n_pairs = np.cumsum(np.cumsum(change[:-1]))
        cuts = np.flatnonzero(np.diff(n_pairs // _MAX_PAIRS)) + 1
        bounds = [0, *cuts.tolist(), self.n]
        yield from pairwise(bounds)

    def block(self, first: int, last: int) -> tuple[Ints, Ints]:
        """(pairs, their sums) of rows first ... last - 1 where the sum is not 0, ascending."""
        inside = np.flatnonzero((self._top < last) & (self._bottom > first))
        top, bottom = np.maximum(self._top[inside], first), np.minimum(self._bottom[inside], last)
        which, row = _ranges(top, bottom)
        which = inside[which]
        pair, column = _ranges(self._left[which], self._right[which])
        row, sign = row[pair], self._sign[which[pair]]
        is_upper = column > row
        return _add_up(row[is_upper] * self.n + column[is_upper], sign[is_upper])


def _intervals(parent: Ints, n: int) -> tuple[Ints, Ints, Ints]:
    """(vertex at each place, first place and end of each node's interval), level by level."""
    levels = list(_levels(parent))
    size = (np.arange(len(parent)) < n).astype(np.int64)
    for nodes, _ in levels[:0:-1]:
        np.add.at(size, parent[nodes], size[nodes])
    low = np.zeros(len(parent), np.int64)
    for nodes, sibling in levels:
        before = np.cumsum(size[nodes]) - size[nodes]
        first = np.flatnonzero(np.append(True, sibling[1:] != sibling[:-1]))
        up = parent[nodes]
        low[nodes] = before - before[first][sibling] + np.where(up >= 0, low[up], 0)
    vertex = np.empty(n, np.int64)
    vertex[low[:n]] = np.arange(n)
    return vertex, low, low + size


def _levels(parent: Ints) -> Iterator[tuple[Ints, Ints]]:
    """(nodes, number of their parent within the level above), from the roots down; siblings stand together."""
    order = np.argsort(parent, kind="stable")
    start, end = (np.searchsorted(parent[order], np.arange(len(parent)), side) for side in ("left", "right"))
    nodes = np.flatnonzero(parent < 0)
    sibling = np.zeros(len(nodes), np.int64)
    while len(nodes):
        yield nodes, sibling
        which, at = _ranges(start[nodes], end[nodes])
        nodes, sibling = order[at], np.unique(which, return_inverse=True)[1]


def _ranges(start: Ints, end: Ints) -> tuple[Ints, Ints]:
    """(which range, value) of all values of the ranges."""
    length = end - start
    which = np.repeat(np.arange(len(start)), length)
    first = np.cumsum(length) - length
    return which, np.arange(len(which)) - first[which] + start[which]


def _add_up(keys: Ints, signs: Ints) -> tuple[Ints, Ints]:
    order = np.argsort(keys)
    keys, signs = keys[order], signs[order]
    if not len(keys):
        return keys, signs
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    sums = np.add.reduceat(signs, starts)
    return keys[starts][sums != 0], sums[sums != 0]


def _compare(layout: Layout, found: tuple[Ints, Ints], wanted: Ints) -> int:
    keys, sums = found
    if len(keys) == len(wanted) and (keys == wanted).all() and (sums == 1).all():
        return len(keys)
    wrong = np.concatenate([np.setxor1d(keys, wanted), keys[sums != 1]])
    pairs = [(int(layout.vertex[key // layout.n]), int(layout.vertex[key % layout.n])) for key in wrong[:6]]
    raise _not_lossless(f"{len(wrong):,} pairs of vertices", pairs)


def _not_lossless(value: str, pairs: "list[tuple[int, int]] | tuple[()]") -> StageError:
    return StageError(
        "the summary does not decode to the graph; nothing was published",
        value=value,
        expected="the same edges",
        hint="run the same command again; if it fails again, report it with the graph and the seed",
        examples=pairs,
    )

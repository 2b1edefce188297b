"""Parts of an iteration on parts of the graph: what a Spark task computes, equal to the whole run bit for bit.

The state of two roots depends on the edges between their trees and on the merges of these trees only, so any part that
holds all edges between its trees finds it by replaying their merges from the vertices on.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.candidates import Groups
from lakebed.tasks.summary.kernel.encoding import Placed, encode, new_work
from lakebed.tasks.summary.kernel.forest import Forest
from lakebed.tasks.summary.kernel.groups import Merges, Rule, merge_groups
from lakebed.tasks.summary.kernel.hashing import stream_key
from lakebed.tasks.summary.kernel.merging import DRAWS, MergeLog, draw_keys, threshold
from lakebed.tasks.summary.kernel.model import Int32, Int64
from lakebed.tasks.summary.kernel.pair_states import EDGE, state_tables
from lakebed.tasks.summary.kernel.rows import FREE, Rows, empty_view, new_scratch, replay


class Pairs(NamedTuple):
    """Pairs of neighbouring roots; a pair of a root with itself holds δ of its inner block as state, plus one.

    Shapes: (k,) each; a <= b int32; state uint8 as a sees it; cost int32.
    """

    a: Int32
    b: Int32
    state: "np.ndarray[tuple[int], np.dtype[np.uint8]]"
    cost: Int32


@dataclass(frozen=True)
class Found:
    """Merges of some groups. Shapes: group, sequence int64, absorbed, kept int32, (k,) each; work (n_groups,)."""

    group: Int64
    sequence: Int64
    absorbed: Int32
    kept: Int32
    work: Int64


def pairs_of_edges(source: Int32, target: Int32, log: MergeLog, n: int) -> Pairs:
    """The pairs of roots of a part of the edges, which holds all edges between any two of its trees.

    Shapes: source < target (m,), each edge once. Cost: O(m + n + merges).
    """
    ids, absorbed, kept = _relabelled(source, target, log.absorbed, log.kept, n)
    place = np.full(n, FREE, np.int32)
    place[ids] = np.arange(len(ids), dtype=np.int32)
    ones = np.ones(len(source), np.int32)
    vertices = Pairs(place[source], place[target], np.full(len(source), EDGE, np.uint8), ones)
    tables = state_tables()
    rows: Rows = pair_rows(vertices, tables.transposed, len(ids), len(ids))
    rows = replay(rows, new_scratch(len(ids)), tables, absorbed, kept)
    root = roots_of(absorbed, kept, len(ids))
    is_inner = np.zeros(len(ids), np.bool_)
    is_inner[root[vertices.a][root[vertices.a] == root[vertices.b]]] = True
    a, b, state, cost = _dump(rows, is_inner)
    return _oriented(ids[a], ids[b], state, cost)


def _oriented(a: Int32, b: Int32, state: "np.ndarray[tuple[int], np.dtype[np.uint8]]", cost: Int32) -> Pairs:
    is_first = a <= b
    return Pairs(a[is_first], b[is_first], state[is_first], cost[is_first])


def merge_part(
    pairs: Pairs, groups: Groups, chosen: Int64, heights: Int32, iteration: int, config: SummaryConfig
) -> Found:
    """The merges inside the chosen groups; `pairs` are all pairs of the groups' roots, each once."""
    members = np.concatenate([groups.roots[groups.bounds[g] : groups.bounds[g + 1]] for g in chosen])
    sizes = np.diff(groups.bounds)[chosen]
    bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    is_self = pairs.a == pairs.b
    place, n_ids = _places(members, pairs.a, pairs.b, len(heights))
    ends = Pairs(place[pairs.a], place[pairs.b], pairs.state, pairs.cost)
    tables = state_tables()
    rows: Rows = pair_rows(_taken(ends, ~is_self), tables.transposed, len(members), n_ids)
    rows.height[:] = heights[members]
    rows.loop[:] = np.where(heights[members] > 0, -1, 0)
    inner = _taken(ends, is_self & (ends.a < len(members)))
    rows.loop[inner.a] = inner.state.astype(np.int8) - 1
    rows.total[inner.a] += inner.cost
    keys = draw_keys(stream_key(config.seed, iteration, DRAWS), members, bounds)
    empty = np.empty(len(members), np.int32)
    merges = Merges(empty, empty.copy(), np.zeros(len(chosen), np.int64), np.zeros(len(chosen), np.int64))
    rule = Rule(threshold(iteration, config), config.max_height)
    local, which = np.arange(len(members), dtype=np.int32), np.arange(len(chosen), dtype=np.int64)
    view, scratch = empty_view(n_ids, config.group_size), new_scratch(n_ids)
    merge_groups(rows, view, scratch, tables, local, bounds, which, keys, rule, merges)
    group = np.repeat(which, merges.n)
    sequence = np.arange(len(group)) - np.repeat(np.cumsum(merges.n) - merges.n, merges.n)
    at = bounds[group] + sequence
    absorbed, kept = members[merges.absorbed[at]], members[merges.kept[at]]
    return Found(chosen[group], sequence, absorbed, kept, merges.work)


def encode_part(forest: Forest, source: Int32, target: Int32, first: int, last: int) -> Placed:
    """The signed edges of the trees in places first ... last - 1 with themselves and all trees behind.

    Shapes: source, target (m,) vertices of all edges whose lower root lies there, each once.
    """
    a, b = forest.place[source], forest.place[target]
    low, high = np.where(a < b, source, target), np.where(a < b, target, source)
    order = np.argsort(low, kind="stable")
    indptr = np.zeros(int(forest.vertex.max(initial=-1)) + 2, np.int64)
    np.cumsum(np.bincount(low, minlength=len(indptr) - 1), out=indptr[1:])
    neighbours = high[order].astype(np.int32)
    return encode(forest, indptr, neighbours, new_work(len(forest.parent)), first, last)  # type: ignore[no-any-return]


def _taken(pairs: Pairs, which: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> Pairs:
    return Pairs(pairs.a[which], pairs.b[which], pairs.state[which], pairs.cost[which])


@njit(cache=True, nogil=True)
def heights_of(absorbed, kept, n):  # type: ignore[no-untyped-def]
    """The height of each root's tree, by the vertex that the root goes by. Shapes: result (n,) int32."""
    heights = np.zeros(n, np.int32)
    for k in range(len(kept)):
        heights[kept[k]] = max(heights[kept[k]], heights[absorbed[k]]) + 1
    return heights


@njit(cache=True, nogil=True)
def roots_of(absorbed, kept, n):  # type: ignore[no-untyped-def]
    """The root of each vertex. Shapes: result (n,) int32."""
    root = np.arange(n).astype(np.int32)
    for k in range(len(kept) - 1, -1, -1):
        # later merges first, so that what b goes by is final
        root[absorbed[k]] = root[kept[k]]
    return root


@njit(cache=True, nogil=True)
def pair_rows(pairs, transposed, n_rows, n_ids):  # type: ignore[no-untyped-def]
    """Rows of the roots 0 ... n_rows - 1 from pairs of different roots; ids beyond are outside the view."""
    start, length = _row_starts(pairs, n_rows)
    used = np.int64(length.sum())
    other, cost, mirror = np.empty(used, np.int32), np.empty(used, np.int32), np.full(used, -1, np.int32)
    state, total, filled = np.empty(used, np.uint8), np.zeros(n_rows, np.int64), np.zeros(n_rows, np.int32)
    for i in range(len(pairs.a)):
        a, b, c = pairs.a[i], pairs.b[i], pairs.cost[i]
        at_a, at_b = np.int64(-1), np.int64(-1)
        if a < n_rows:
            at_a = start[a] + filled[a]
            other[at_a], state[at_a], cost[at_a] = b, pairs.state[i], c
            total[a] += c
        if b < n_rows:
            at_b = start[b] + filled[b]
            other[at_b], state[at_b], cost[at_b] = a, transposed[pairs.state[i]], c
            total[b] += c
        if at_a >= 0 and at_b >= 0:
            mirror[at_a], mirror[at_b] = filled[b], filled[a]
        if at_a >= 0:
            filled[a] += 1
        if at_b >= 0:
            filled[b] += 1
    slot_of = np.full(n_ids, FREE, np.int32)
    slot_of[:n_rows] = np.arange(n_rows)
    return Rows(
        other,
        state,
        cost,
        mirror,
        start,
        length,
        length.copy(),
        total,
        np.zeros(n_rows, np.int8),
        np.zeros(n_rows, np.int32),
        np.arange(n_rows).astype(np.int32),
        slot_of,
        np.full(1, used, np.int64),
    )


@njit(cache=True, nogil=True)
def _row_starts(pairs, n_rows):  # type: ignore[no-untyped-def]
    length = np.zeros(n_rows, np.int32)
    for i in range(len(pairs.a)):
        if pairs.a[i] < n_rows:
            length[pairs.a[i]] += 1
        if pairs.b[i] < n_rows:
            length[pairs.b[i]] += 1
    start, used = np.zeros(n_rows, np.int64), np.int64(0)
    for slot in range(n_rows):
        start[slot] = used
        used += length[slot]
    return start, length


@njit(cache=True, nogil=True)
def _relabelled(source, target, absorbed, kept, n):  # type: ignore[no-untyped-def]
    """(ids of all vertices that matter, ascending; their merges as places in ids).

    These are the edges' ends, what they were merged into, and what was merged into that.
    """
    is_inside = np.zeros(n, np.bool_)
    is_inside[source] = True
    is_inside[target] = True
    for k in range(len(kept)):
        if is_inside[absorbed[k]]:
            is_inside[kept[k]] = True
    is_trunk = is_inside.copy()
    n_merges = 0
    for k in range(len(kept)):
        if is_trunk[kept[k]]:
            is_inside[absorbed[k]] = True
            n_merges += 1
    ids = np.flatnonzero(is_inside).astype(np.int32)
    place = np.cumsum(is_inside) - 1
    a, b = np.empty(n_merges, np.int32), np.empty(n_merges, np.int32)
    at = 0
    for k in range(len(kept)):
        if is_trunk[kept[k]]:
            a[at], b[at] = place[absorbed[k]], place[kept[k]]
            at += 1
    return ids, a, b


@njit(cache=True, nogil=True)
def _dump(rows, is_inner):  # type: ignore[no-untyped-def]
    """All entries, and one of each root with inner edges."""
    n = is_inner.sum()
    for length in rows.length:
        n += length
    a, b, cost = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32)
    state = np.empty(n, np.uint8)
    at = 0
    for slot in range(len(rows.length)):
        inner = rows.total[slot]
        for k in range(rows.start[slot], rows.start[slot] + rows.length[slot]):
            a[at], b[at], state[at], cost[at] = slot, rows.other[k], rows.state[k], rows.cost[k]
            inner -= rows.cost[k]
            at += 1
        if is_inner[slot]:
            a[at], b[at], state[at], cost[at] = slot, slot, rows.loop[slot] + 1, inner
            at += 1
    return a, b, state, cost


@njit(cache=True, nogil=True)
def _places(members, a, b, n):  # type: ignore[no-untyped-def]
    """Members keep their order as 0, 1, …; roots outside follow. (place (n,) int32, number of places)."""
    place = np.full(n, FREE, np.int32)
    used = np.int32(0)
    for root in members:
        place[root] = used
        used += 1
    for ends in (a, b):
        for root in ends:
            if place[root] < 0:
                place[root] = used
                used += 1
    return place, used

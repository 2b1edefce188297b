"""Rows of neighbouring roots with mirrored offsets, and how two of them become one.

Each entry of A's row names a root U, the pair's state (see `pair_states`), its number of edges, and where A stands in
U's row; so an entry is removed or changed on both sides without search. A view holds all roots (the run's state), or
those of one group: its rows then also name roots outside, which have no slot and are taken as they were.

All compiled functions of merging stand in this file: numba's disk cache notices changes of a kernel's own file only.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.tasks.summary.kernel.model import Int8, Int32, Int64
from lakebed.tasks.summary.kernel.pair_states import EDGE

FREE, MERGED = -1, -2


class Rows(NamedTuple):
    """The rows of a view.

    Shapes, entries: other (c,) int32 root, state (c,) uint8, cost (c,) int32, mirror (c,) int32.
    Slots: start (s,) int64, length, capacity (s,) int32; total (s,) int64 edges at the root; loop (s,) int8, δ of the
    root's block with itself; height (s,) int32; root (s,) int32. slot_of (n,) int32, -1 outside the view.
    used (1,) int64: entries taken.
    """

    other: Int32
    state: NDArray[np.uint8]
    cost: Int32
    mirror: Int32
    start: Int64
    length: Int32
    capacity: Int32
    total: Int64
    loop: Int8
    height: Int32
    root: Int32
    slot_of: Int32
    used: Int64


class Scratch(NamedTuple):
    """One row laid out by root. Shapes: state (n,) uint8, 0 if absent; position (n,) int32, -1 if absent."""

    state: NDArray[np.uint8]
    position: Int32


def new_scratch(n: int) -> Scratch:
    """No row."""
    return Scratch(np.zeros(n, np.uint8), np.full(n, FREE, np.int32))


def empty_view(n: int, n_slots: int) -> Rows:
    """A view of no root yet, with room for `n_slots`. Shapes: slot_of (n,)."""
    return Rows(
        other=np.empty(0, np.int32),
        state=np.empty(0, np.uint8),
        cost=np.empty(0, np.int32),
        mirror=np.empty(0, np.int32),
        start=np.zeros(n_slots, np.int64),
        length=np.zeros(n_slots, np.int32),
        capacity=np.zeros(n_slots, np.int32),
        total=np.zeros(n_slots, np.int64),
        loop=np.zeros(n_slots, np.int8),
        height=np.zeros(n_slots, np.int32),
        root=np.zeros(n_slots, np.int32),
        slot_of=np.full(n, FREE, np.int32),
        used=np.zeros(1, np.int64),
    )


@njit(cache=True, nogil=True)
def graph_rows(indptr, neighbours):  # type: ignore[no-untyped-def]
    """The rows of single vertices. Shapes: indptr (n + 1,); neighbours (2m,), rows ascending."""
    n, m = len(indptr) - 1, len(neighbours)
    size = m + m // 8 + 1024
    other, cost, mirror = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32)
    state = np.empty(size, np.uint8)
    filled = np.zeros(n, np.int32)
    for v in range(n):
        for k in range(indptr[v], indptr[v + 1]):
            u = neighbours[k]
            other[k], state[k], cost[k] = u, EDGE, 1
            # rows ascend and v does too, so v is the next entry of u's row
            mirror[indptr[u] + filled[u]] = k - indptr[v]
            filled[u] += 1
    length = np.diff(indptr).astype(np.int32)
    ids = np.arange(n).astype(np.int32)
    return Rows(
        other,
        state,
        cost,
        mirror,
        indptr[:n].copy(),
        length,
        length.copy(),
        length.astype(np.int64),
        np.zeros(n, np.int8),
        np.zeros(n, np.int32),
        ids,
        ids.copy(),
        np.full(1, m, np.int64),
    )


@njit(cache=True, nogil=True)
def scatter(rows, scratch, slot):  # type: ignore[no-untyped-def]
    """Lays a row out by root."""
    start = rows.start[slot]
    for i in range(rows.length[slot]):
        u = rows.other[start + i]
        scratch.state[u] = rows.state[start + i]
        scratch.position[u] = i


@njit(cache=True, nogil=True)
def gather(rows, scratch, slot):  # type: ignore[no-untyped-def]
    """Takes a row that was laid out away again."""
    for k in range(rows.start[slot], rows.start[slot] + rows.length[slot]):
        scratch.state[rows.other[k]] = 0
        scratch.position[rows.other[k]] = FREE


@njit(cache=True, nogil=True)
def resized(rows, need):  # type: ignore[no-untyped-def]
    """The rows packed into new arrays with room for `need` more entries."""
    live = np.int64(0)
    for slot in range(len(rows.length)):
        live += rows.length[slot]
    size = (live + need) * 3 // 2 + 1024
    other, cost, mirror = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32)
    state = np.empty(size, np.uint8)
    used = 0
    for slot in range(len(rows.length)):
        start, length = rows.start[slot], rows.length[slot]
        other[used : used + length] = rows.other[start : start + length]
        state[used : used + length] = rows.state[start : start + length]
        cost[used : used + length] = rows.cost[start : start + length]
        mirror[used : used + length] = rows.mirror[start : start + length]
        rows.start[slot], rows.capacity[slot] = used, length
        used += length
    rows.used[0] = used
    return Rows(
        other,
        state,
        cost,
        mirror,
        rows.start,
        rows.length,
        rows.capacity,
        rows.total,
        rows.loop,
        rows.height,
        rows.root,
        rows.slot_of,
        rows.used,
    )


@njit(cache=True, nogil=True)
def merge_rows(rows, scratch, tables, a, b):  # type: ignore[no-untyped-def]
    """Makes the roots of slots a and b one that stands in b's slot, and returns the rows, perhaps in new arrays.

    a's row must be laid out in the scratch; it is taken away. Cost: O(length of both rows).
    """
    _merge_loops(rows, scratch, tables, a, b)
    rows = _make_room(rows, scratch, a, b)
    _take_common(rows, scratch, tables, a, b)
    _append_rest(rows, scratch, tables, a, b)
    rows.height[b] = max(rows.height[a], rows.height[b]) + 1
    rows.length[a], rows.capacity[a] = 0, 0
    return rows


@njit(cache=True, nogil=True)
def remove_entry(rows, slot, offset):  # type: ignore[no-untyped-def]
    """Takes one entry out of a row; the last one takes its place."""
    start, last = rows.start[slot], rows.length[slot] - 1
    if offset != last:
        k, end = start + offset, start + last
        u, mirror = rows.other[end], rows.mirror[end]
        rows.other[k], rows.state[k], rows.cost[k], rows.mirror[k] = u, rows.state[end], rows.cost[end], mirror
        if rows.slot_of[u] >= 0:
            rows.mirror[rows.start[rows.slot_of[u]] + mirror] = offset
    rows.length[slot] = last


@njit(cache=True, nogil=True)
def _merge_loops(rows, scratch, tables, a, b):  # type: ignore[no-untyped-def]
    """The pair (a, b) becomes a part of the new root's block with itself."""
    between, delta = 0, -1
    position = scratch.position[rows.root[b]]
    if position >= 0:
        k = rows.start[a] + position
        between, delta = rows.cost[k], tables.delta[rows.state[k]]
        remove_entry(rows, b, rows.mirror[k])
    whole = rows.loop[a] + rows.loop[b] + delta
    rows.total[b] += rows.total[a] - between - max(whole - 1, 0)
    rows.loop[b] = min(max(whole, -1), 1)


@njit(cache=True, nogil=True)
def _make_room(rows, scratch, a, b):  # type: ignore[no-untyped-def]
    """Moves b's row to where the entries that only a has fit behind it."""
    need = rows.length[a] + rows.length[b]
    if need <= rows.capacity[b]:
        return rows
    for k in range(rows.start[b], rows.start[b] + rows.length[b]):
        if scratch.position[rows.other[k]] >= 0:
            need -= 1
    if need <= rows.capacity[b]:
        return rows
    room = need + (need >> 2)
    if rows.used[0] + room > len(rows.other):
        rows = resized(rows, room)
    used, start, length = rows.used[0], rows.start[b], rows.length[b]
    for i in range(length):
        rows.other[used + i] = rows.other[start + i]
        rows.state[used + i] = rows.state[start + i]
        rows.cost[used + i] = rows.cost[start + i]
        rows.mirror[used + i] = rows.mirror[start + i]
    rows.start[b], rows.capacity[b] = used, room
    rows.used[0] = used + room
    return rows


@njit(cache=True, nogil=True)
def _take_common(rows, scratch, tables, a, b):  # type: ignore[no-untyped-def]
    """B's entries as those of the new root; an entry that both have is removed from the other root's row once."""
    start_a = rows.start[a]
    for k in range(rows.start[b], rows.start[b] + rows.length[b]):
        u = rows.other[k]
        slot, position = rows.slot_of[u], scratch.position[u]
        if position < 0:
            after = tables.after[rows.state[k]]
        else:
            at = start_a + position
            states = (np.int64(rows.state[at]) << 8) | rows.state[k]
            gain, after = tables.gain[states], tables.after[states]
            rows.cost[k] += rows.cost[at] - gain
            rows.total[b] -= gain
            scratch.position[u] = MERGED
            if slot >= 0:
                rows.total[slot] -= gain
                remove_entry(rows, slot, rows.mirror[at])
        rows.state[k] = after
        if slot >= 0:
            mirror = rows.start[slot] + rows.mirror[k]
            rows.state[mirror], rows.cost[mirror] = tables.transposed[after], rows.cost[k]


@njit(cache=True, nogil=True)
def _append_rest(rows, scratch, tables, a, b):  # type: ignore[no-untyped-def]
    """The entries that only a has; empties the scratch."""
    start_a, end, root = rows.start[a], rows.start[b] + rows.length[b], rows.root[b]
    for at in range(start_a, start_a + rows.length[a]):
        u = rows.other[at]
        if u != root and scratch.position[u] != MERGED:
            after = tables.after[np.int64(rows.state[at]) << 8]
            rows.other[end], rows.state[end], rows.cost[end] = u, after, rows.cost[at]
            rows.mirror[end] = rows.mirror[at]
            slot = rows.slot_of[u]
            if slot >= 0:
                mirror = rows.start[slot] + rows.mirror[at]
                rows.other[mirror], rows.state[mirror] = root, tables.transposed[after]
                rows.mirror[mirror] = end - rows.start[b]
            end += 1
        scratch.state[u] = 0
        scratch.position[u] = FREE
    rows.length[b] = end - rows.start[b]


@njit(cache=True, nogil=True)
def replay(rows, scratch, tables, absorbed, kept):  # type: ignore[no-untyped-def]
    """Applies merges to all roots, in order; a root that is outside the view changes nothing.

    Shapes: absorbed, kept (k,) int32 roots.
    """
    for i in range(len(absorbed)):
        a, b = rows.slot_of[absorbed[i]], rows.slot_of[kept[i]]
        if a >= 0 and b >= 0:
            scatter(rows, scratch, a)
            rows = merge_rows(rows, scratch, tables, a, b)
    return rows

"""Merging inside one group, with all other groups as they were when the iteration began."""

from typing import NamedTuple

import numpy as np
from numba import njit

from lakebed.tasks.summary.kernel.hashing import hashed
from lakebed.tasks.summary.kernel.model import Int32, Int64
from lakebed.tasks.summary.kernel.rows import FREE, Rows, gather, merge_rows, scatter

MIN_SAVING = 2.0
"""A merge adds two edges to the hierarchy, so it must save two elsewhere."""


class Rule(NamedTuple):
    """When a merge is taken: a relative saving of `threshold` or more, a tree not higher than `max_height` (0: any)."""

    threshold: float
    max_height: int


class Merges(NamedTuple):
    """What groups decided. Shapes: absorbed, kept (k,) int32 roots at their groups' places; n (n_groups,) int64.

    work (n_groups,) int64: row entries compared.
    """

    absorbed: Int32
    kept: Int32
    n: Int64
    work: Int64


@njit(cache=True, nogil=True)
def merge_groups(rows, view, scratch, tables, groups, bounds, chosen, keys, rule, merges):  # type: ignore[no-untyped-def]
    """Merges inside each chosen group and writes what was merged to `merges`; returns the view for the next call.

    Shapes: groups (k,) int32 roots, bounds (n_groups + 1,); chosen (c,) int64 groups; keys (c,) uint64 of their draws.
    """
    for c in range(len(chosen)):
        g = chosen[c]
        start = bounds[g]
        members = groups[start : bounds[g + 1]]
        view = _load(rows, view, members)
        view, n, work = _merge_group(view, scratch, tables, keys[c], rule, merges, start, len(members))
        merges.n[g], merges.work[g] = n, work
        for root in members:
            view.slot_of[root] = FREE
    return view


@njit(cache=True, nogil=True)
def _load(rows, view, members):  # type: ignore[no-untyped-def]
    """Copies the members' rows into the view, in order."""
    size = np.int64(0)
    for root in members:
        size += rows.length[root]
    if len(view.other) < size or len(view.length) < len(members):
        view = _grown(view, size, len(members))
    view.length[:] = 0
    used = np.int64(0)
    for slot in range(len(members)):
        root = members[slot]
        start, length = rows.start[root], rows.length[root]
        view.other[used : used + length] = rows.other[start : start + length]
        view.state[used : used + length] = rows.state[start : start + length]
        view.cost[used : used + length] = rows.cost[start : start + length]
        view.mirror[used : used + length] = rows.mirror[start : start + length]
        view.start[slot], view.length[slot], view.capacity[slot] = used, length, length
        view.total[slot], view.loop[slot] = rows.total[root], rows.loop[root]
        view.height[slot], view.root[slot], view.slot_of[root] = rows.height[root], root, slot
        used += length
    view.used[0] = used
    return view


@njit(cache=True, nogil=True)
def _grown(view, size, n_slots):  # type: ignore[no-untyped-def]
    """An empty view with room for `size` entries and some more, and `n_slots` slots."""
    size, n_slots = size + size // 4 + 1024, max(n_slots, len(view.length))
    ints = np.zeros(n_slots, np.int32)
    return Rows(
        np.empty(size, np.int32),
        np.empty(size, np.uint8),
        np.empty(size, np.int32),
        np.empty(size, np.int32),
        np.zeros(n_slots, np.int64),
        ints,
        ints.copy(),
        np.zeros(n_slots, np.int64),
        np.zeros(n_slots, np.int8),
        ints.copy(),
        ints.copy(),
        view.slot_of,
        view.used,
    )


@njit(cache=True, nogil=True)
def _merge_group(view, scratch, tables, key, rule, merges, place, n_left):  # type: ignore[no-untyped-def]
    """Draws a root, tries it with all others, merges it into the best or lays it aside, until one is left."""
    left = np.arange(n_left).astype(np.int32)
    n_merges, n_draws, work = 0, 0, np.int64(0)
    while n_left > 1:
        drawn = np.int64(hashed(key, n_draws) % np.uint64(n_left))
        n_draws += 1
        a = left[drawn]
        n_left -= 1
        left[drawn] = left[n_left]
        scatter(view, scratch, a)
        best, walked = _best_partner(view, scratch, tables, rule, a, left[:n_left])
        work += walked
        if best < 0:
            gather(view, scratch, a)
        else:
            view = merge_rows(view, scratch, tables, a, np.int32(best))
            merges.absorbed[place + n_merges], merges.kept[place + n_merges] = view.root[a], view.root[best]
            n_merges += 1
    return view, n_merges, work


@njit(cache=True, nogil=True)
def _best_partner(view, scratch, tables, rule, a, left):  # type: ignore[no-untyped-def]
    """(the slot with which a saves the largest share of both roots' edges, or -1; row entries walked).

    A partner whose row is too short to save enough is passed over without walking it.
    """
    best, share, walked = -1, -1.0, np.int64(0)
    length_a, total_a, loop_a = view.length[a], view.total[a], view.loop[a]
    for b in left:
        between, delta = 0, -1
        position = scratch.position[view.root[b]]
        if position >= 0:
            k = view.start[a] + position
            between, delta = view.cost[k], tables.delta[view.state[k]]
        before = total_a + view.total[b] - between
        saved = max(loop_a + view.loop[b] + delta - 1, 0)
        needed = max(max(rule.threshold, share) * before, MIN_SAVING)
        length = view.length[b]
        if min(length_a, length) + saved < needed:
            continue
        if rule.max_height > 0 and max(view.height[a], view.height[b]) >= rule.max_height:
            continue
        start = view.start[b]
        for k in range(start, start + length):
            saved += tables.gain[(np.int64(scratch.state[view.other[k]]) << 8) | view.state[k]]
        walked += length
        if saved >= needed and saved > share * before:
            best, share = b, saved / before
    return best, walked

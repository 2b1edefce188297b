"""Samples of distinct hashes: those below 2^(64 - level), at the lowest level at which at most 256 are kept.

Hashes are taken in one by one, into a small table in the processor's cache; where more than 256 would be kept the level
rises, and half of them go. So nothing is sorted but the few that are kept, however often values repeat.
"""

import numpy as np
from numba import njit

from lakebed.tasks.containment.kernel.schema_graph import Int64
from lakebed.tasks.relations.kernel.columns import MAX_VALUES, UInt64

# four times as many as are kept, so that the first place looked at is mostly free
_SLOTS = 4 * MAX_VALUES


def add_hashes(held: UInt64, level: int, hashes: UInt64) -> tuple[UInt64, int]:
    """The sample with more hashes, (k,) ascending, and its level. Cost: O(n), and O(k log k).

    Args:
        held: (k,) the sample so far, distinct.
        level: of it.
        hashes: (n,) in any order, with repeats.
    """
    both = np.concatenate([held, hashes])
    found, _, levels = _samples(both, np.array([0, len(both)], np.int64), level)
    return found, int(levels[0])


def sample_segments(hashes: UInt64, starts: Int64) -> tuple[UInt64, Int64, Int64]:
    """The samples of many columns: hashes (m,) ascending in each, starts (k + 1,), levels (k,). O(n).

    Shapes: hashes (n,), starts (k + 1,): where each column begins among them.
    """
    return _samples(hashes, starts, 0)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def _samples(hashes, starts, level):  # type: ignore[no-untyped-def]
    n = len(starts) - 1
    ends, levels = np.zeros(n + 1, np.int64), np.empty(n, np.int64)
    room = 0
    for column in range(n):
        room += min(starts[column + 1] - starts[column], MAX_VALUES)
    found = np.empty(room, np.uint64)
    slots, is_held = np.empty(_SLOTS, np.uint64), np.zeros(_SLOTS, np.bool_)
    for column in range(n):
        levels[column] = _fill(slots, is_held, hashes[starts[column] : starts[column + 1]], level)
        at = ends[column]
        for slot in range(_SLOTS):
            if is_held[slot]:
                found[at] = slots[slot]
                at += 1
        is_held[:] = False
        found[ends[column] : at].sort()
        ends[column + 1] = at
    return found[: ends[n]].copy(), ends, levels


@njit(nogil=True)
def _fill(slots, is_held, hashes, level):  # type: ignore[no-untyped-def]
    """Takes the hashes in, and says at which level in the end."""
    n_held = 0
    for value in hashes:
        if level > 0 and value >> np.uint64(64 - level) != 0:
            continue
        slot = _slot_of(slots, is_held, value)
        if is_held[slot]:
            continue
        slots[slot], is_held[slot] = value, True
        n_held += 1
        while n_held > MAX_VALUES:
            level += 1
            n_held = _thin(slots, is_held, level)
    return level


@njit(nogil=True)
def _slot_of(slots, is_held, value):  # type: ignore[no-untyped-def]
    """Where a hash is, or may be put."""
    slot = np.int64(value & np.uint64(_SLOTS - 1))
    while is_held[slot] and slots[slot] != value:
        slot = (slot + 1) & (_SLOTS - 1)
    return slot


@njit(nogil=True)
def _thin(slots, is_held, level):  # type: ignore[no-untyped-def]
    """Keeps those below 2^(64 - level), and says how many these are."""
    kept = slots[is_held]
    is_held[:] = False
    n_held = 0
    for value in kept:
        if value >> np.uint64(64 - level) == 0:
            slot = _slot_of(slots, is_held, value)
            slots[slot], is_held[slot] = value, True
            n_held += 1
    return n_held

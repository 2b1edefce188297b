"""What merging has to know of two neighbouring trees, in one byte, and the tables that say how merges change it.

Let f0 and f1 be the least number of edges that finish the block of two nodes when the sum inherited from above is 0 or
1, and δ = f0 - f1, which is -1, 0 or 1: how much the block would gain from an edge placed above it. The state of two
roots keeps δ of each pair of their children (a leaf stands for its own only child): four cells of two bits,
(A0,U0), (A0,U1), (A1,U0), (A1,U1).

SLUGGER keeps patterns of eight bits over grandchildren and children instead (Lee, Ko, Shin 2022, section III); this
state is smaller, and what it forgets the exact re-encoding finds again.
"""

from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Delta = int | None
Cells = tuple[Delta, Delta, Delta, Delta]

_ABSENT = 3
EMPTY = 0
"""The state of two roots without an edge between them, as a row of a table; no stored pair has it."""


class StateTables(NamedTuple):
    """Shapes: gain (65536,) int8 and after (65536,) uint8, by state of (A,U) · 256 + state of (B,U).

    transposed (256,) uint8 is the state seen from the other side; delta (256,) int8 is δ of the two roots themselves,
    -1 where there is no such state.
    """

    gain: NDArray[np.int8]
    after: NDArray[np.uint8]
    transposed: NDArray[np.uint8]
    delta: NDArray[np.int8]


@lru_cache(maxsize=256)
def pack(cells: Cells) -> int:
    """The byte of four cells."""
    return sum((_ABSENT if cell is None else cell + 1) << (2 * i) for i, cell in enumerate(cells))


EDGE = pack((1, None, None, None))
"""The state of two neighbouring vertices."""


@lru_cache(maxsize=1)
def state_tables() -> StateTables:
    """The tables, computed once a process."""
    deltas: tuple[Delta, ...] = (-1, 0, 1, None)
    states = {pack(cells): cells for cells in product(deltas, deltas, deltas, deltas) if _is_possible(cells)}
    tables = StateTables(
        np.zeros(1 << 16, np.int8), np.zeros(1 << 16, np.uint8), np.zeros(256, np.uint8), np.full(256, -1, np.int8)
    )
    saved = {state: _finish(cells) for state, cells in states.items()}
    halves = {state: _one_child(cells) for state, cells in states.items()}
    for state, cells in states.items():
        tables.transposed[state] = pack((cells[0], cells[2], cells[1], cells[3]))
        tables.delta[state] = saved[state][1]
    for a, b in product(states, states):
        if _fit(states, a, b):
            total, after = _best_merge(halves[a], halves[b], _is_narrow(states, a, b))
            tables.gain[a << 8 | b] = total - saved[a][0] - saved[b][0]
            tables.after[a << 8 | b] = after
    return tables


def _is_possible(cells: Cells) -> bool:
    """Whether the absent cells are those of an absent second child on either side."""
    absent = tuple(cell is None for cell in cells)
    return absent in {(False, False, False, False), (False, True, False, True), (False, False, True, True)} | {
        (False, True, True, True)
    }


def _fit(states: dict[int, Cells], a: int, b: int) -> bool:
    """Whether both can be states towards the same root; an empty block fits any."""
    return EMPTY in (a, b) or (states[a][1] is None) == (states[b][1] is None)


def _is_narrow(states: dict[int, Cells], a: int, b: int) -> bool:
    """Whether the third root is a leaf."""
    return states[b if a == EMPTY else a][1] is None


def _sum(a: Delta, b: Delta) -> tuple[Delta, int]:
    """δ of two blocks side by side, and what one edge above both saves."""
    if a is None or b is None:
        return (b if a is None else a), 0
    return max(-1, min(1, a + b)), int(a + b == 2)


@lru_cache(maxsize=256)
def _finish(cells: Cells) -> tuple[int, int]:
    """(edges saved by placing edges at the two roots or one level below either, δ of the two roots)."""
    ways = []
    for a, b, c, d in (cells, (cells[0], cells[2], cells[1], cells[3])):
        (upper, saved_upper), (lower, saved_lower) = _sum(a, b), _sum(c, d)
        whole, saved = _sum(upper, lower)
        saved += saved_upper + saved_lower
        assert whole is not None  # noqa: S101 - the first cell is never absent
        ways.append((saved, saved + whole))
    best_zero, best_one = max(way[0] for way in ways), max(way[1] for way in ways)
    return best_zero, best_one - best_zero


def _one_child(cells: Cells) -> dict[tuple[Delta, Delta], int]:
    """A becomes a child: δ of (A,U0) and (A,U1) with what is saved below, for each choice of edges at A's children."""
    if cells[2] is None:
        return {(cells[0], cells[1]): 0}
    found: dict[tuple[Delta, Delta], int] = {}
    choices = (False,) if cells[1] is None else (False, True)
    for flips in product(choices, choices):
        row, saved = list(cells), 0
        for is_flipped, first in zip(flips, (0, 2), strict=True):
            if is_flipped:
                pair = [row[first] or 0, row[first + 1] or 0]
                saved += sum(pair) - 1
                row[first], row[first + 1] = -pair[0], -pair[1]
        left, saved_left = _sum(row[0], row[2])
        right, saved_right = _sum(row[1], row[3])
        saved += saved_left + saved_right
        found[left, right] = max(found.get((left, right), saved), saved)
    return found


def _best_merge(
    a: dict[tuple[Delta, Delta], int], b: dict[tuple[Delta, Delta], int], is_narrow: bool
) -> tuple[int, int]:
    """(edges saved, state) of A and B below a new root; among the best, the one that promises most for later."""
    best: tuple[int, int, int] | None = None
    for (left_a, saved_a), (left_b, saved_b) in product(a.items(), b.items()):
        cells = (left_a[0], None if is_narrow else left_a[1], left_b[0], None if is_narrow else left_b[1])
        total = saved_a + saved_b + _finish(cells)[0]
        promise = sum(cell for cell in cells if cell is not None)
        if best is None or (total, promise) > best[:2]:
            best = (total, promise, pack(cells))
    assert best is not None  # noqa: S101 - every state offers at least one choice
    return best[0], best[2]

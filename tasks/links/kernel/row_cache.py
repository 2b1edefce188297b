"""Feature rows that lie outside memory, and which of them stay inside while batches are trained on.

A batch's sampled neighbours follow from (seed, epoch, step), so those of the next batches are known while this one is
gathered. What they need stays, the nearest first; of the rest the rows of high degree, which a random edge or walk
meets most often.

Source: LSM-GNN (Park et al. 2024, arXiv 2407.15264), a cache by static degree and dynamic recency, beside it a buffer
of evicted rows that the next batches need. Departs: both are one order here; recency is left out, since it saved less
than degree wherever it was tried (docs/links.md), and a row goes in only if it is worth more than what goes out.
"""

from collections.abc import Sequence
from typing import Protocol

import numba
import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]


class RowSource(Protocol):
    """Where the rows lie. Shapes: (n, d) float32."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    def gather(self, nodes: Int64, out: Float32, places: Int64) -> None:
        """Reads the rows of ascending nodes into those places of `out`; raises what its medium calls for."""


class RowCache:
    """As many rows of a source as a number of bytes has room for.

    Beside the rows it holds 12 bytes a node. `n_taken` and `n_read` count rows asked for, and read from the source.
    """

    def __init__(self, source: RowSource, degrees: Int64, n_bytes: int) -> None:
        n, d = source.shape
        self.capacity = min(n, n_bytes // max(4 * d, 1))
        self.n_taken = self.n_read = 0
        self._source = source
        self._rank = np.empty(n, np.int32)
        self._rank[np.argsort(-np.asarray(degrees), kind="stable")] = np.arange(n, dtype=np.int32)
        self._slot_of = np.full(n, -1, np.int32)
        self._due, self._turn = np.zeros(n, np.int32), 0
        self._node_at = np.empty(0, np.int64)
        self._rows = np.empty((self.capacity, d), np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the source."""
        return self._source.shape

    def take(self, nodes: Int64, following: Sequence[Int64] = ()) -> Float32:
        """The rows of ascending, distinct nodes; `following` are those of the next takes, as far as they are known.

        O(k · d + capacity).
        """
        rows, missing = self._gathered(nodes)
        self._admit(nodes[missing], rows, missing, following)
        return rows

    def block(self, start: int, stop: int) -> Float32:
        """The rows of a range, on a pass over all: what is held is not read again, and only free room is filled."""
        nodes = np.arange(start, stop, dtype=np.int64)
        rows, missing = self._gathered(nodes)
        some = missing[: self.capacity - len(self._node_at)]
        self._put(nodes[some], rows[some], np.arange(len(self._node_at), len(self._node_at) + len(some)))
        return rows

    def _gathered(self, nodes: Int64) -> tuple[Float32, Int64]:
        """The rows, and the places of those that were read."""
        rows = np.empty((len(nodes), self.shape[1]), np.float32)
        missing = _copy_held(self._slot_of, self._rows, nodes, rows)
        self._source.gather(nodes[missing], rows, missing)
        self.n_taken += len(nodes)
        self.n_read += len(missing)
        return rows, missing

    def _admit(self, fresh: Int64, rows: Float32, places: Int64, following: Sequence[Int64]) -> None:
        """Keeps the first of those held and those read, in the order that the module tells of."""
        both, n_held = np.concatenate([self._node_at, fresh]), len(self._node_at)
        for steps, nodes in reversed(list(enumerate(following, 1))):
            self._due[nodes] = self._turn + steps
        steps_to = self._due[both].astype(np.int64) - self._turn
        steps_to[steps_to <= 0] = len(following) + 1
        self._turn += len(following)
        order = steps_to * len(self._rank) + self._rank[both]
        is_kept = np.ones(len(both), np.bool_)
        if len(both) > self.capacity:
            is_kept[:] = False
            is_kept[np.argpartition(order, self.capacity)[: self.capacity]] = True
        out, come = np.flatnonzero(~is_kept[:n_held]), np.flatnonzero(is_kept[n_held:])
        self._slot_of[self._node_at[out]] = -1
        slots = np.concatenate([out, np.arange(n_held, n_held + len(come) - len(out))])
        self._put(fresh[come], rows[places[come]], slots)

    def _put(self, nodes: Int64, rows: Float32, slots: Int64) -> None:
        """Puts rows into slots, of which those beyond the held ones are in their order."""
        n_new = max(0, int(slots[-1]) + 1 - len(self._node_at)) if len(slots) else 0
        self._node_at = np.concatenate([self._node_at, np.empty(n_new, np.int64)])
        self._node_at[slots] = nodes
        self._slot_of[nodes] = slots
        self._rows[slots] = rows


@numba.njit(cache=True, nogil=True)
def _copy_held(slot_of, held, nodes, out):  # type: ignore[no-untyped-def]
    """Copies the rows that are held into their places of `out`; returns the places of the others, ascending."""
    missing = np.empty(len(nodes), np.int64)
    n_missing = 0
    for place in range(len(nodes)):
        slot = slot_of[nodes[place]]
        if slot < 0:
            missing[n_missing] = place
            n_missing += 1
        else:
            out[place] = held[slot]
    return missing[:n_missing]


@numba.njit(cache=True, nogil=True)
def _check(row):  # type: ignore[no-untyped-def]
    """32 bits over the words of a row, in their order (multiplicative hashing, Knuth 1973)."""
    found = np.uint64(0x9E3779B97F4A7C15)
    for word in row:
        found = (found ^ np.uint64(word)) * np.uint64(0xD1342543DE82EF95)
        found ^= found >> np.uint64(32)
    return np.uint32(found & np.uint64(0xFFFFFFFF))


@numba.njit(cache=True, nogil=True)
def row_checks(rows, checks):  # type: ignore[no-untyped-def]
    """The check of each row. Shapes: rows (n, d) uint32, the bits of the numbers; checks (n,) uint32 is filled."""
    for place in range(len(rows)):
        checks[place] = _check(rows[place])


@numba.njit(cache=True, nogil=True)
def copy_checked(rows, checks, nodes, out, places):  # type: ignore[no-untyped-def]
    """Copies rows into their places; returns the first node whose row is not what it was, -1 without any."""
    for place in range(len(nodes)):
        node = nodes[place]
        row = out[places[place]]
        row[:] = rows[node]
        if _check(row) != checks[node]:
            return node
    return -1

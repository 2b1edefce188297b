"""Feature rows that lie outside memory, and which of them stay inside while batches are trained on.

What batches read follows from (seed, epoch, step), so it is told ahead, beyond the end of an epoch too. Of the rows
that are held and those just read the ones stay that are read again the soonest (Belady 1966), and of those whose next
read is too far away to be known the rows of high degree, which a random edge or walk meets most often.

Source: LSM-GNN (Park et al. 2024, arXiv 2407.15264), a cache by static degree and dynamic recency, beside it a buffer
of evicted rows that the next batches need. Departs: one order in place of three (docs/links.md).
"""

from collections import deque
from collections.abc import Iterator
from typing import Protocol

import numba
import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
NEVER = np.iinfo(np.int32).max
# bytes of what is told ahead, at most, over those of the rows that are held; a read takes 8
AHEAD_SHARE, READ_BYTES = 0.25, 8


class RowSource(Protocol):
    """Where the rows lie. Shapes: (n, d) float32."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""

    def gather(self, nodes: Int64, out: Float32, places: Int64) -> None:
        """Reads the rows of ascending nodes into those places of `out`; raises what its medium calls for."""


class Forecast:
    """When each row is read next, as far as that is known. Shapes: due (n,) int32, a step, `NEVER` where it is not.

    It knows of at most `n_rows` reads after the step that it is in, and those of one step more.
    """

    def __init__(self, n: int, reads: Iterator[Int64], n_rows: int) -> None:
        self.due = np.full(n, NEVER, np.int32)
        self._reads, self._n_rows = reads, n_rows
        self._step = 0
        # of the steps to come: nodes, the ends of the steps among them, and when each is read after that
        self._nodes, self._after = np.empty(0, np.int32), np.empty(0, np.int32)
        self._ends = deque[int]()
        self._at = 0

    def advance(self) -> None:
        """Goes on to the next step, which is over for what is due from now on. O(its rows), on average."""
        this = self._ends[0] if self._ends else self._at
        if 2 * (len(self._nodes) - this) <= self._n_rows:
            self._look_ahead()
        if not self._ends:
            return
        step = slice(self._at, self._ends.popleft())
        self.due[self._nodes[step]] = self._after[step]
        self._at, self._step = step.stop, self._step + 1

    def _look_ahead(self) -> None:
        """Takes in what the next steps read until so many rows are known."""
        parts, at = [self._nodes[self._at :]], self._at
        n_known = len(parts[0])
        ends = deque(end - at for end in self._ends)
        # those of the step that begins are over before they count
        while n_known - (ends[0] if ends else 0) < self._n_rows and (nodes := next(self._reads, None)) is not None:
            parts.append(nodes.astype(np.int32))
            n_known += len(nodes)
            ends.append(n_known)
        self._nodes, self._ends, self._at = np.concatenate(parts), ends, 0
        self._after = np.empty(n_known, np.int32)
        _read_after(self._nodes, np.array(ends, np.int64), self._step, self.due, self._after)


class RowCache:
    """As many rows of a source as a number of bytes has room for.

    Beside the rows it holds 12 bytes a node, and what it is told ahead. `n_taken` and `n_read` count rows asked for,
    and read from the source. Shapes: degrees (n,); rows (n, d), the source's where they are in memory as yet: then it
    begins with those of the highest degrees.
    """

    def __init__(self, source: RowSource, degrees: Int64, n_bytes: int, rows: Float32 | None = None) -> None:
        n, d = source.shape
        self.capacity = min(n, n_bytes // max(4 * d, 1))
        self.n_taken = self.n_read = 0
        self._source = source
        by_degree = np.argsort(-np.asarray(degrees), kind="stable")
        self._rank = np.empty(n, np.int32)
        self._rank[by_degree] = np.arange(n, dtype=np.int32)
        self._slot_of = np.full(n, -1, np.int32)
        self._forecast = Forecast(n, iter(()), 0)
        self._node_at = np.empty(0, np.int64)
        self._rows = np.empty((self.capacity, d), np.float32)
        if rows is not None:
            self._node_at = np.sort(by_degree[: self.capacity])
            self._slot_of[self._node_at] = np.arange(self.capacity)
            np.take(rows, self._node_at, axis=0, out=self._rows, mode="clip")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the source."""
        return self._source.shape

    def follow(self, reads: Iterator[Int64]) -> None:
        """Tells what the next takes will ask for, in their order; if they ask for other rows, more are read."""
        n, d = self.shape
        self._forecast = Forecast(n, reads, int(AHEAD_SHARE * 4 * d * self.capacity / READ_BYTES))

    def take(self, nodes: Int64) -> Float32:
        """The rows of ascending, distinct nodes. O(k · d + capacity)."""
        rows, missing = self._gathered(nodes)
        self._forecast.advance()
        self._admit(nodes[missing], rows, missing)
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

    def _admit(self, fresh: Int64, rows: Float32, places: Int64) -> None:
        """Keeps the first of those held and those read, in the order that the module tells of."""
        both, n_held = np.concatenate([self._node_at, fresh]), len(self._node_at)
        is_kept = np.ones(len(both), np.bool_)
        if len(both) > self.capacity:
            order = self._forecast.due[both].astype(np.int64) * len(self._rank) + self._rank[both]
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
def _read_after(nodes, ends, step, due, after):  # type: ignore[no-untyped-def]
    """From steps' nodes, one step after the other: when each is read first (`due`), and when after each read."""
    for node in nodes:
        due[node] = NEVER
    place = len(nodes) - 1
    for later in range(len(ends) - 1, -1, -1):
        first = ends[later - 1] if later > 0 else 0
        while place >= first:
            after[place] = due[nodes[place]]
            due[nodes[place]] = step + later
            place -= 1


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

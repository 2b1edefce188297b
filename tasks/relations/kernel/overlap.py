"""How many sampled rows two items share, found through posting lists: no pair is listed that shares none.

Samples are coordinated: every item keeps the row hashes below a power of two of its own. Of a child's sampled rows
those below the other's threshold are in the other's sample too, if the other has them; so the shares are of a simple
random sample of the child's distinct rows.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64

UInt64 = NDArray[np.uint64]
Bools = NDArray[np.bool_]
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class ItemSamples:
    """Row samples of items (tables and parts of tables) under projections, sorted by (projection, item).

    Items below `n_tables` are tables.

    Shapes: projection, item, level (k,); is_child (k,), whether the projection is the item's own schema; indptr
    (k + 1,), high (Σ,) the high words of its sampled distinct rows, ascending, below 2^(64 - level).
    """

    projection: Int32
    item: Int32
    level: Int32
    is_child: Bools
    indptr: Int64
    high: UInt64
    n_tables: int


@dataclass(frozen=True)
class Overlaps:
    """Ordered pairs of entries of one projection that share a sampled row. Shapes: (k,) each, sorted by child.

    `n_compared` are the child's sampled rows below both thresholds, `n_found` those that the other has.
    """

    child: Int64
    other: Int64
    n_compared: Int64
    n_found: Int64

    def take(self, rows: Int64) -> "Overlaps":
        """The pairs in the given rows."""
        return Overlaps(self.child[rows], self.other[rows], self.n_compared[rows], self.n_found[rows])


@dataclass(frozen=True)
class Postings:
    """Equal hashes as runs. Shapes: run (n,) of each hash; indptr (runs + 1,) into owners (n,), ascending in a run."""

    run: Int64
    indptr: Int64
    owners: Int64


def post(hashes: UInt64, owners: Int64) -> Postings:
    """Groups hashes by value. Shapes: (n,) each. Cost: one sort."""
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = ordered[1:] != ordered[:-1]
    run = np.empty(len(order), np.int64)
    run[order] = np.cumsum(is_first) - 1
    return Postings(run, np.append(np.flatnonzero(is_first), len(order)).astype(np.int64), owners[order])


def post_rows(samples: ItemSamples) -> Postings:
    """The rows of all samples, apart by projection; owners are entries.

    Projection and hash are mixed into one word: two that meet by accident cost a false candidate, never a lost one.
    """
    owners = np.repeat(np.arange(len(samples.item)), np.diff(samples.indptr))
    salt = (samples.projection[owners].astype(np.uint64) + np.uint64(1)) * _MIX
    return post(samples.high ^ salt, owners)


def find_overlaps(samples: ItemSamples, postings: Postings) -> Overlaps:
    """Every child with every other entry that shares one of its sampled rows.

    Cost: the sum over sampled rows of a child of how many entries have them, and the output.
    """
    children = np.flatnonzero(samples.is_child)
    return Overlaps(*_overlaps(children, samples.level, samples.indptr, samples.high, _arrays(postings)))


def count_uncovered(samples: ItemSamples, postings: Postings, children: Int64, allowed: tuple[Int64, Int64]) -> Int64:
    """For each child entry its sampled rows that surely none of the allowed entries has, (c,).

    Args:
        samples: of all entries.
        postings: of the same samples.
        children: (c,) entries.
        allowed: offsets (c + 1,) and entries that may cover each child.
    """
    return _uncovered(  # type: ignore[no-any-return]
        children, *allowed, samples.level, samples.indptr, samples.high, _arrays(postings)
    )


def _arrays(postings: Postings) -> tuple[Int64, Int64, Int64]:
    return postings.run, postings.indptr, postings.owners


@njit(cache=True, nogil=True)
def _n_below(high, start, end, level):  # type: ignore[no-untyped-def]
    """How many of the ascending hashes in [start, end) are below 2^(64 - level)."""
    if level == 0:
        return end - start
    limit = np.uint64(1) << np.uint64(64 - level)
    low, top = start, end
    while low < top:
        middle = (low + top) // 2
        if high[middle] < limit:
            low = middle + 1
        else:
            top = middle
    return low - start


@njit(cache=True, nogil=True)
def _overlaps(children, level, indptr, high, postings):  # type: ignore[no-untyped-def]
    run, run_indptr, owners = postings
    found = np.empty((4, 1024), np.int64)
    n_pairs = 0
    shared = np.zeros(len(level), np.int64)
    touched = np.empty(len(level), np.int64)
    for child in children:
        n_touched = 0
        for row in range(indptr[child], indptr[child + 1]):
            for place in range(run_indptr[run[row]], run_indptr[run[row] + 1]):
                other = owners[place]
                if other == child:
                    continue
                if shared[other] == 0:
                    touched[n_touched] = other
                    n_touched += 1
                shared[other] += 1
        others = np.sort(touched[:n_touched])
        while n_pairs + n_touched > found.shape[1]:
            larger = np.empty((4, 2 * found.shape[1]), np.int64)
            larger[:, :n_pairs] = found[:, :n_pairs]
            found = larger
        for other in others:
            shift = max(level[child], level[other])
            found[0, n_pairs], found[1, n_pairs] = child, other
            found[2, n_pairs] = _n_below(high, indptr[child], indptr[child + 1], shift)
            found[3, n_pairs] = shared[other]
            shared[other] = 0
            n_pairs += 1
    return found[0, :n_pairs].copy(), found[1, :n_pairs].copy(), found[2, :n_pairs].copy(), found[3, :n_pairs].copy()


@njit(cache=True, nogil=True)
def _uncovered(children, offsets, allowed, level, indptr, high, postings):  # type: ignore[no-untyped-def]
    run, run_indptr, owners = postings
    result = np.zeros(len(children), np.int64)
    is_allowed = np.zeros(len(level), np.bool_)
    for index in range(len(children)):
        child = children[index]
        coarsest = level[child]
        for place in range(offsets[index], offsets[index + 1]):
            is_allowed[allowed[place]] = True
            coarsest = max(coarsest, level[allowed[place]])
        n_below = _n_below(high, indptr[child], indptr[child + 1], coarsest)
        for row in range(indptr[child], indptr[child] + n_below):
            is_covered = False
            for place in range(run_indptr[run[row]], run_indptr[run[row] + 1]):
                if is_allowed[owners[place]]:
                    is_covered = True
                    break
            result[index] += not is_covered
        for place in range(offsets[index], offsets[index + 1]):
            is_allowed[allowed[place]] = False
    return result

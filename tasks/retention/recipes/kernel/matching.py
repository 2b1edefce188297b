"""Which rows of a parent are rows of a child, by row hashes over the child's columns."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.encoding.hashes import Hashes
from lakebed.tasks.encoding.multiset import distinct_counts
from lakebed.tasks.encoding.signatures import INTEGERS, READ_TABLE, Integers, Words, kernel

Mask = NDArray[np.bool_]
Multiplicity = Literal["as_is", "distinct"]


@dataclass(frozen=True)
class Match:
    """A child's distinct rows, numbered, and where they occur.

    Shapes: child (n_c,) the number of each child row; parent (n_p,) that of each parent row, -1 where it is no row of
    the child; child_counts, parent_counts (m,) how often each distinct row occurs.
    """

    child: Integers
    parent: Integers
    child_counts: Integers
    parent_counts: Integers

    @property
    def is_contained(self) -> bool:
        """Whether each row of the child occurs in the parent."""
        return bool((self.parent_counts > 0).all())

    @property
    def is_member(self) -> Mask:
        """(n_p,) the parent's rows that are rows of the child."""
        return self.parent >= 0

    @property
    def is_surplus(self) -> Mask:
        """(n_p,) member rows that occur more often in the parent: not all of them need be the child's."""
        if not len(self.child_counts):
            return self.is_member
        return self.is_member & (self.parent_counts > self.child_counts)[self.parent]

    def multiplicity_of(self, selected: Mask) -> Multiplicity | None:
        """How the selected parent rows make the child: `as_is`, `distinct`, or not at all (None). O(n_p)."""
        numbers = self.parent[selected]
        if not len(self.child_counts):
            return None if len(numbers) else "as_is"
        if len(numbers) and numbers.min() < 0:
            return None
        counts = np.bincount(numbers, minlength=len(self.child_counts))
        if np.array_equal(counts, self.child_counts):
            return "as_is"
        return "distinct" if self.child_counts.max() == 1 and counts.min() > 0 else None


def match_rows(child: Hashes, parent: Hashes, is_valid: Mask | None = None) -> Match:
    """Numbers the child's distinct rows and finds them in the parent. Expected O(n_c + n_p log n_c).

    Shapes: child (n_c, 2), parent (n_p, 2); is_valid (n_p,): rows whose cells are all values of the child's types.
    """
    unique, counts = distinct_counts(child)
    in_child, in_parent = locate(unique, child), locate(unique, parent)
    if is_valid is not None:
        in_parent[~is_valid] = -1
    parent_counts = np.bincount(in_parent[in_parent >= 0], minlength=len(unique)).astype(np.int64)
    return Match(in_child, in_parent, counts, parent_counts)


def positions_of(wanted: Integers, found: Integers) -> Integers:
    """For each wanted number a place in `found` that holds it: the k-th time the k-th place, the last one again after.

    Every wanted number must occur in `found`; -1 there is nothing. O(n log n).

    Shapes: wanted (n,), found (p,), result (n,).
    """
    places = np.argsort(found, kind="stable")
    places = places[np.searchsorted(found[places], 0) :]
    held = found[places]
    first = np.searchsorted(held, wanted)
    n_held = np.searchsorted(held, wanted, side="right") - first
    return np.asarray(places[first + np.minimum(occurrence(wanted), n_held - 1)], dtype=np.int64)


def occurrence(numbers: Integers) -> Integers:
    """(n,) how often each entry's number came before it."""
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    starts = np.searchsorted(ordered, ordered)
    seen = np.empty(len(numbers), np.int64)
    seen[order] = np.arange(len(numbers)) - starts
    return seen


@kernel(INTEGERS(READ_TABLE, READ_TABLE))
def locate(unique: Words, rows: Words) -> Integers:
    """(n,) the place of each row in sorted distinct ones (high, then low word), -1 where it is none of them."""
    found = np.empty(rows.shape[0], np.int64)
    for i in range(rows.shape[0]):
        low, end = 0, unique.shape[0]
        while low < end:
            middle = (low + end) // 2
            if unique[middle, 0] < rows[i, 0] or (unique[middle, 0] == rows[i, 0] and unique[middle, 1] < rows[i, 1]):
                low = middle + 1
            else:
                end = middle
        is_there = low < unique.shape[0] and unique[low, 0] == rows[i, 0] and unique[low, 1] == rows[i, 1]
        found[i] = low if is_there else -1
    return found


KERNELS: tuple[Any, ...] = (locate,)

"""Pairs of columns of which one holds at least half of the other's values.

A column's values are numbered in the order of their hashes, so its first ones are a random sample of them. Of each
column so many are looked up in the others that the whole count stays below a budget: all of them in lakes of usual
size, 64 at least in lakes where everything is shared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.keys.kernel.columns import Bool, Float64, Int32, Int64, Lake

PROBES = (1 << 16, 4096, 1024, 256, 64)
BUDGET = 2_000_000_000
MAX_PAIRS = 500_000
# partners of a column that are kept beyond those that it may have
SPARE = 16


@dataclass(frozen=True)
class Pairs:
    """Column `a` may refer to column `b`. Shapes: a, b (p,) int64; overlap (p,): a's values that b has, estimated.

    Ascending by (a, b).
    """

    a: Int64
    b: Int64
    overlap: Float64

    def take(self, places: Int64 | Bool | slice) -> "Pairs":
        """Some of them."""
        return Pairs(self.a[places], self.b[places], self.overlap[places])


@dataclass(frozen=True)
class PairLists:
    """Of each column its partners, those of the greatest share first, and of equals the first.

    Shapes: a, b (p,) int64, ascending by (a, -share, b); share (p,); is_cut (C,): which columns have further partners,
    all of which would come behind.

    Attributes:
        n_probed: so many values of each column were looked up.
    """

    a: Int64
    b: Int64
    share: Float64
    is_cut: Bool
    n_probed: int

    def take(self, kept: Bool) -> "PairLists":
        """Some of the pairs."""
        return PairLists(self.a[kept], self.b[kept], self.share[kept], self.is_cut, self.n_probed)

    def first(self, most: int) -> tuple[Int64, Int64, Float64]:
        """Of each column at most so many: a, b and share, ascending by (a, b)."""
        some = self.take(_place_in_list(self.a) < most)
        order = np.lexsort((some.b, some.a))
        return some.a[order], some.b[order], some.share[order]


@dataclass(frozen=True)
class KnownLists:
    """Lists of an earlier lake, in the numbers of this one, without columns that are not as they were.

    Attributes:
        is_old: (C,) which columns are as they were.
    """

    lists: PairLists
    is_old: Bool


def find_pairs(lake: Lake, group_of: Int64, least: float, is_target: Bool) -> Pairs:
    """The pairs of `find_lists` that the budget of pairs allows."""
    return best_pairs(lake, find_lists(lake, group_of, least, is_target))


def best_pairs(lake: Lake, lists: PairLists) -> Pairs:
    """Of each column as many partners as the budget of pairs allows."""
    a, b, share = lists.first(_most(lake))
    return Pairs(a, b, share * lake.n_distinct[a])


def find_lists(
    lake: Lake, group_of: Int64, least: float, is_target: Bool, known: KnownLists | None = None
) -> PairLists:
    """The pairs inside a group whose tables differ, whose target may be one and whose share is at least `least`.

    A few more of each column than the budget of pairs allows, so that a next lake may lack some.

    Args:
        lake: the columns.
        group_of: (C,) the group of each column, as the folder of its table.
        least: share of a's distinct values that b has.
        is_target: (C,) which columns may be referred to.
        known: what is known; the result is that of a call that knows nothing.

    Complexity: at most about `BUDGET` steps, beyond 64 values a column; of a known column those for new targets alone.
    """
    spans = _spans(lake, group_of, is_target)
    n_probed, most = _n_probed(lake, spans[1] - spans[0]), _most(lake)
    columns = (lake.indptr, lake.values, lake.last, lake.table_of)
    settings = (n_probed, least, most + SPARE)
    if known is None or known.lists.n_probed != n_probed:
        a, b, share, is_cut = _count(*columns, np.arange(lake.n), *spans, *settings)
        return _listed(a, b, share, is_cut, n_probed)
    held = known.lists
    # one that has lost more than the spare ones may have had others
    is_known = known.is_old & ~(held.is_cut & (np.bincount(held.a, minlength=lake.n) < most))
    *anew, is_cut = _count(*columns, np.flatnonzero(~is_known), *spans, *settings)
    spans = _spans(lake, group_of, is_target & ~known.is_old)
    *more, has_more = _count(*columns, np.flatnonzero(is_known), *spans, *settings)
    counted = [np.concatenate(parts) for parts in zip(anew, more, strict=True)]
    return _joined(held.take(is_known[held.a]), held.is_cut & is_known, counted, is_cut | has_more, most + SPARE)


def _joined(held: PairLists, is_cut: Bool, counted: Sequence[NDArray[Any]], is_more: Bool, most: int) -> PairLists:
    """Known lists, of which some are cut, with pairs that were counted now (a, b, share), of which there are more."""
    a, b, share = (np.concatenate(both) for both in zip(counted, (held.a, held.b, held.share), strict=True))
    order = np.lexsort((b, -share, a))
    is_known = order >= len(counted[0])
    a, b, share = a[order], b[order], share[order]
    # behind the last known one of a cut list there may be some that nobody has counted
    last = np.where(is_cut, -1, len(a))
    np.maximum.at(last, a[is_known], np.flatnonzero(is_known))
    is_kept = np.arange(len(a)) <= last[a]
    joined = PairLists(a[is_kept], b[is_kept], share[is_kept], is_cut | is_more, held.n_probed)
    is_over = _place_in_list(joined.a) >= most
    joined.is_cut[joined.a[is_over]] = True
    return joined.take(~is_over)


def _most(lake: Lake) -> int:
    """Partners that a column may have."""
    return max(64, MAX_PAIRS // max(lake.n, 1))


def _listed(a: Int64, b: Int64, share: Float64, is_cut: Bool, n_probed: int) -> PairLists:
    order = np.lexsort((b, -share, a))
    return PairLists(a[order], b[order], share[order], is_cut, n_probed)


def _place_in_list(a: Int64) -> Int64:
    """The place of each pair among those of its column; columns ascend."""
    starts = np.flatnonzero(np.diff(a, prepend=-1))
    return np.arange(len(a)) - np.repeat(starts, np.diff(starts, append=len(a)))


def _spans(lake: Lake, group_of: Int64, is_target: Bool) -> tuple[Int32, Int32, Int32]:
    """For each (column, value) where the targets of its group that have the value stand: start, end, columns."""
    order = np.argsort(group_of, kind="stable")
    bounds = np.flatnonzero(np.diff(group_of[order], prepend=-1, append=np.iinfo(np.int64).max))
    places, indptr, numbers = lake.shared
    first, last, columns = _scattered(indptr, numbers, order, bounds, is_target, int(numbers.max(initial=-1)) + 1)
    start, end = np.zeros((2, len(lake.values)), np.int32)
    start[places], end[places] = first, last
    return start, end, columns


@nb.njit(cache=True, nogil=True)
def _scattered(
    indptr: Int64, values: Int32, order: Int64, bounds: Int64, is_target: Bool, n_values: int
) -> tuple[Int32, Int32, Int32]:
    """The columns of each value, group by group: `order` holds the columns by group, which begin at `bounds`."""
    # where the next column of a value goes, and where the first one of the group at hand went
    place = np.zeros(n_values + 1, np.int64)
    for column in range(len(is_target)):
        if is_target[column]:
            for at in range(indptr[column], indptr[column + 1]):
                place[values[at] + 1] += 1
    place = np.cumsum(place)
    first, group_of_first = place.copy(), np.full(n_values, -1, np.int64)
    start, end = np.zeros(len(values), np.int32), np.zeros(len(values), np.int32)
    columns = np.empty(place[-1], np.int32)
    for group in range(len(bounds) - 1):
        members = order[bounds[group] : bounds[group + 1]]
        for column in members:
            if is_target[column]:
                for at in range(indptr[column], indptr[column + 1]):
                    value = values[at]
                    if group_of_first[value] != group:
                        first[value], group_of_first[value] = place[value], group
                    columns[place[value]] = column
                    place[value] += 1
        for column in members:
            for at in range(indptr[column], indptr[column + 1]):
                value = values[at]
                if group_of_first[value] == group:
                    start[at], end[at] = first[value], place[value]
    return start, end, columns


def _n_probed(lake: Lake, sizes: Int32) -> int:
    """How many values of each column are looked up, by what each look costs."""
    cost = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    for n in PROBES:
        ends = np.minimum(lake.indptr[:-1] + n, lake.indptr[1:])
        if int((cost[ends] - cost[lake.indptr[:-1]]).sum()) <= BUDGET:
            return n
    return PROBES[-1]


@nb.njit(cache=True, nogil=True)
def _count(
    indptr: Int64,
    values: Int32,
    last: Int64,
    table_of: Int64,
    asked: Int64,
    start: Int32,
    end: Int32,
    columns: Int32,
    n_probed: int,
    least: float,
    most: int,
) -> tuple[Int64, Int64, Float64, Bool]:
    """The partners of the asked columns, and which columns have more than `most`."""
    n = len(indptr) - 1
    is_cut = np.zeros(n, np.bool_)
    counts = np.zeros(n, np.int64)
    touched = np.empty(n, np.int64)
    # numba learns the lists' types from what they would hold
    left, right, shares = [0 for _ in range(0)], [0 for _ in range(0)], [0.0 for _ in range(0)]
    for a in asked:
        first, stop = indptr[a], min(indptr[a + 1], indptr[a] + n_probed)
        n_touched = 0
        for at in range(first, stop):
            for place in range(start[at], end[at]):
                b = columns[place]
                if counts[b] == 0:
                    touched[n_touched] = b
                    n_touched += 1
                counts[b] += 1
        found = np.empty(n_touched, np.int64)
        share = np.empty(n_touched)
        n_found = 0
        for place in range(n_touched):
            b = touched[place]
            count, counts[b] = counts[b], 0
            if table_of[b] == table_of[a]:
                continue
            # beyond the lesser threshold b may lack what it has
            comparable = np.searchsorted(values[first:stop], last[b], side="right")
            part = count / max(comparable, 1)
            if part >= least:
                found[n_found], share[n_found] = b, part
                n_found += 1
        found, share = found[:n_found], share[:n_found]
        if n_found > most:
            is_cut[a] = True
            order = np.argsort(found)
            found, share = found[order], share[order]
            order = np.argsort(-share, kind="mergesort")[:most]
            found, share = found[order], share[order]
        for place in range(len(found)):
            left.append(a)
            right.append(int(found[place]))
            shares.append(share[place])
    return np.array(left), np.array(right), np.array(shares), is_cut


def rarity(lake: Lake) -> Float64:
    """Of each column the mean of log((C + 1) / (columns with the value + 1)) over its values, (C,)."""
    weight = np.log((lake.n + 1) / (np.bincount(lake.values) + 1.0))
    owner = np.repeat(np.arange(lake.n), np.diff(lake.indptr))
    total = np.bincount(owner, weight[lake.values], minlength=lake.n)
    found: Float64 = total / np.maximum(np.diff(lake.indptr), 1)
    return found

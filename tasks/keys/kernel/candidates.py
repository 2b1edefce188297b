"""Pairs of columns of which one holds at least half of the other's values.

A column's values are numbered in the order of their hashes, so its first ones are a random sample of them. Of each
column so many are looked up in the others that the whole count stays below a budget: all of them in lakes of usual
size, 64 at least in lakes where everything is shared.
"""

from dataclasses import dataclass

import numba as nb
import numpy as np

from lakebed.tasks.keys.kernel.columns import Bool, Float64, Int32, Int64, Lake

PROBES = (1 << 16, 4096, 1024, 256, 64)
BUDGET = 2_000_000_000
MAX_PAIRS = 500_000


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


def find_pairs(lake: Lake, group_of: Int64, least: float, is_target: Bool) -> Pairs:
    """The pairs inside a group whose tables differ, whose target may be one and whose share is at least `least`.

    Where a column has more partners than the budget of pairs allows, those of the greatest share stay, and of equals
    the first.

    Args:
        lake: the columns.
        group_of: (C,) the group of each column, as the folder of its table.
        least: share of a's distinct values that b has.
        is_target: (C,) which columns may be referred to.

    Complexity: at most about `BUDGET` steps, beyond 64 values a column.
    """
    start, end, columns = _spans(lake, group_of, is_target)
    n_probed = _n_probed(lake, end - start)
    most = max(64, MAX_PAIRS // max(lake.n, 1))
    a, b, share = _count(lake.indptr, lake.values, lake.last, lake.table_of, n_probed, start, end, columns, least, most)
    order = np.lexsort((b, a))
    return Pairs(a[order], b[order], share[order] * lake.n_distinct[a[order]])


def _spans(lake: Lake, group_of: Int64, is_target: Bool) -> tuple[Int32, Int32, Int32]:
    """For each (column, value) where the targets of its group that have the value stand: start, end, columns."""
    order = np.argsort(group_of, kind="stable")
    bounds = np.flatnonzero(np.diff(group_of[order], prepend=-1, append=np.iinfo(np.int64).max))
    return _scattered(lake.indptr, lake.values, order, bounds, is_target, len(lake.hashes))


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
    n_probed: int,
    start: Int32,
    end: Int32,
    columns: Int32,
    least: float,
    most: int,
) -> tuple[Int64, Int64, Float64]:
    n = len(indptr) - 1
    counts = np.zeros(n, np.int64)
    touched = np.empty(n, np.int64)
    # numba learns the lists' types from what they would hold
    left, right, shares = [0 for _ in range(0)], [0 for _ in range(0)], [0.0 for _ in range(0)]
    for a in range(n):
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
            order = np.argsort(found * 1e-12 - share)[:most]
            found, share = found[order], share[order]
        for place in range(len(found)):
            left.append(a)
            right.append(int(found[place]))
            shares.append(share[place])
    return np.array(left), np.array(right), np.array(shares)


def rarity(lake: Lake) -> Float64:
    """Of each column the mean of log((C + 1) / (columns with the value + 1)) over its values, (C,)."""
    weight = np.log((lake.n + 1) / (np.bincount(lake.values) + 1.0))
    owner = np.repeat(np.arange(lake.n), np.diff(lake.indptr))
    total = np.bincount(owner, weight[lake.values], minlength=lake.n)
    found: Float64 = total / np.maximum(np.diff(lake.indptr), 1)
    return found

"""Which columns contain a column's values, from value samples; column maps of tables whose columns have other names.

A child is looked up through the least hash of that of its columns whose least hash the fewest columns share: only those
are compared. A child all of whose columns hold common values only (small integers, yes and no) gets no proposal: its
matches would be coincidences.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lakebed.tasks.containment.kernel.min_max import ColumnBounds
from lakebed.tasks.containment.kernel.schema_graph import Int32, Int64
from lakebed.tasks.relations.kernel.overlap import Postings, post

UInt64 = NDArray[np.uint64]
Float64 = NDArray[np.float64]

MAX_VALUES = 256
NAME_BONUS = 0.5
ORDER_BONUS = 0.05


@dataclass(frozen=True)
class ColumnSamples:
    """Samples of the distinct values of columns, each at the lowest level at which at most 256 are kept.

    Shapes: indptr (n_columns + 1,) aligned with `ColumnBounds.token`; hashes (Σ,) ascending within a column, below
    2^(64 - level); level (n_columns,), -1 where the column was not read; place (n_columns,) between 0 and 1, where the
    column stands in its table's schema.
    """

    indptr: Int64
    hashes: UInt64
    level: Int32
    place: Float64

    def n_distinct(self) -> Float64:
        """Estimated distinct values of each column, exact at level 0; (n_columns,)."""
        return np.diff(self.indptr) * np.exp2(np.maximum(self.level, 0))

    @cached_property
    def postings(self) -> Postings:
        """The columns that share a value."""
        return post(self.hashes, np.repeat(np.arange(len(self.level)), np.diff(self.indptr)))


def propose_tables(bounds: ColumnBounds, samples: ColumnSamples, max_postings: int) -> tuple[Int32, Int32]:
    """(child, parent) tables where every column of the child has a column of the parent that can hold it.

    Pairs whose columns of the same names can hold all of them are left out: that is plain containment.

    Cost: one sort of the samples; then, for each child, at most `max_postings` comparisons of its rarest column,
    and k · m comparisons of columns with early exit for each table in which that column lies.
    """
    postings = samples.postings
    table_of = np.repeat(np.arange(len(bounds.n_rows)), np.diff(bounds.indptr)).astype(np.int32)
    children, parents = _propose(
        bounds.trivial_tables(),
        table_of,
        _facts(bounds),
        _arrays(samples),
        (postings.run, postings.indptr, postings.owners),
        max_postings,
    )
    return children, parents


def match_columns(bounds: ColumnBounds, samples: ColumnSamples, child: int, parent: int) -> Int64 | None:
    """For each of the child's columns the parent's that holds it, (k,) entries; None where there is no such map.

    Of the maps that samples and bounds allow, the one whose columns are most alike (values in common, then the same
    name, then the same order). Cost: k · m comparisons, and an assignment (Jonker and Volgenant 1987).
    """
    from scipy.optimize import linear_sum_assignment

    likeness = _likeness(child, parent, _facts(bounds), _arrays(samples), samples.place)
    if likeness.shape[0] > likeness.shape[1]:
        return None
    rows, columns = linear_sum_assignment(np.where(likeness < 0, -1e6, likeness), maximize=True)
    if (likeness[rows, columns] < 0).any():
        return None
    found: Int64 = bounds.indptr[parent] + columns.astype(np.int64)
    return found


def count_containing(
    bounds: ColumnBounds, samples: ColumnSamples, columns: Int64, also_known_as: Int64, share: float
) -> tuple[Int64, Int64]:
    """For each column how many of the columns under other names hold its values, and how many were compared.

    Args:
        bounds: of all columns.
        samples: of the columns that were read.
        columns: (k,) entries.
        also_known_as: (k,) entries whose names are left out too: what the columns are mapped to.
        share: of the sampled values that must be held, 1 for all.

    Returns: (k,) each. A column of which no sampled value can be compared counts as not holding it where bounds tell,
        else not at all.
    """
    postings = samples.postings
    return _count_containing(  # type: ignore[no-any-return]
        columns,
        also_known_as,
        share,
        _facts(bounds),
        _arrays(samples),
        (postings.run, postings.indptr, postings.owners),
    )


def _facts(bounds: ColumnBounds) -> tuple[NDArray[np.generic], ...]:
    return bounds.indptr, bounds.token, bounds.kind, bounds.n_nulls, bounds.bounds


def _arrays(samples: ColumnSamples) -> tuple[Int64, UInt64, Int32]:
    return samples.indptr, samples.hashes, samples.level


@njit(cache=True, nogil=True)
def _n_below(hashes, start, end, level):  # type: ignore[no-untyped-def]
    if level <= 0:
        return end - start
    limit = np.uint64(1) << np.uint64(64 - level)
    for place in range(start, end):
        if hashes[place] >= limit:
            return place - start
    return end - start


@njit(cache=True, nogil=True)
def _is_outside(mine, other, bounds):  # type: ignore[no-untyped-def]
    below = bounds[mine, 1] >= 0 and bounds[other, 0] >= 0 and bounds[mine, 1] < bounds[other, 0]
    above = bounds[mine, 2] >= 0 and bounds[other, 3] >= 0 and bounds[mine, 2] > bounds[other, 3]
    return below or above


@njit(cache=True, nogil=True)
def _can_hold(mine, other, facts, samples):  # type: ignore[no-untyped-def]
    """Whether nothing speaks against the values of `mine` being values of `other`, and something for it."""
    kind, n_nulls, bounds = facts[2], facts[3], facts[4]
    indptr, hashes, level = samples
    if n_nulls[mine] > 0 and n_nulls[other] == 0:
        return False
    if indptr[mine] == indptr[mine + 1]:
        return level[mine] == 0 and n_nulls[mine] > 0
    if kind[mine] != kind[other] or level[other] < 0 or _is_outside(mine, other, bounds):
        return False
    end = indptr[mine] + _n_below(hashes, indptr[mine], indptr[mine + 1], max(level[mine], level[other]))
    place, last = indptr[other], indptr[other + 1]
    for entry in range(indptr[mine], end):
        place += np.searchsorted(hashes[place:last], hashes[entry])
        if place == last or hashes[place] != hashes[entry]:
            return False
    return end > indptr[mine]


@njit(cache=True, nogil=True)
def _propose(is_out, table_of, facts, samples, postings, max_postings):  # type: ignore[no-untyped-def]
    table_indptr = facts[0]
    run_indptr, owners = postings[1], postings[2]
    children, parents = np.empty(1024, np.int32), np.empty(1024, np.int32)
    n_found = 0
    last_child = np.full(len(is_out), -1, np.int64)
    for child in range(len(is_out)):
        start, end = table_indptr[child], table_indptr[child + 1]
        if is_out[child] or start == end:
            continue
        anchor, anchor_run, n_anchor = -1, -1, np.iinfo(np.int64).max
        for column in range(start, end):
            if samples[0][column] == samples[0][column + 1]:
                continue
            # the least hash: samples of coarser levels have it longest
            run = postings[0][samples[0][column]]
            n_owners = run_indptr[run + 1] - run_indptr[run]
            if n_owners < n_anchor:
                anchor, anchor_run, n_anchor = column, run, n_owners
        if anchor < 0 or n_anchor > max_postings:
            continue
        for place in range(run_indptr[anchor_run], run_indptr[anchor_run + 1]):
            parent = table_of[owners[place]]
            if parent == child or is_out[parent] or last_child[parent] == child:
                continue
            if not _can_hold(anchor, owners[place], facts, samples):
                continue
            last_child[parent] = child
            first, last = table_indptr[parent], table_indptr[parent + 1]
            if not _holds_all(start, end, first, last, facts, samples):
                continue
            if _holds_under_same_names(start, end, first, last, facts, samples):
                continue
            if n_found == len(children):
                children = np.concatenate((children, np.empty(n_found, np.int32)))
                parents = np.concatenate((parents, np.empty(n_found, np.int32)))
            children[n_found], parents[n_found] = child, parent
            n_found += 1
    return children[:n_found].copy(), parents[:n_found].copy()


@njit(cache=True, nogil=True)
def _holds_all(start, end, first, last, facts, samples):  # type: ignore[no-untyped-def]
    if end - start > last - first:
        return False
    for column in range(start, end):
        is_held = False
        for other in range(first, last):
            if _can_hold(column, other, facts, samples):
                is_held = True
                break
        if not is_held:
            return False
    return True


@njit(cache=True, nogil=True)
def _holds_under_same_names(start, end, first, last, facts, samples):  # type: ignore[no-untyped-def]
    token = facts[1]
    for column in range(start, end):
        other = first + np.searchsorted(token[first:last], token[column])
        if other == last or token[other] != token[column] or not _can_hold(column, other, facts, samples):
            return False
    return True


@njit(cache=True, nogil=True)
def _likeness(child, parent, facts, samples, schema_place):  # type: ignore[no-untyped-def]
    """(k, m): likeness of each column of the child to each of the parent that can hold it, -1 where it cannot."""
    table_indptr, token = facts[0], facts[1]
    indptr, level = samples[0], samples[2]
    start, end = table_indptr[child], table_indptr[child + 1]
    first, last = table_indptr[parent], table_indptr[parent + 1]
    result = np.full((end - start, last - first), -1.0)
    for mine in range(start, end):
        for other in range(first, last):
            if not _can_hold(mine, other, facts, samples):
                continue
            n_mine = (indptr[mine + 1] - indptr[mine]) * 2.0 ** max(level[mine], 0)
            n_other = (indptr[other + 1] - indptr[other]) * 2.0 ** max(level[other], 0)
            alike = min(1.0, (n_mine + 1.0) / (n_other + 1.0))
            apart = abs(schema_place[mine] - schema_place[other])
            same = NAME_BONUS if token[mine] == token[other] else 0.0
            result[mine - start, other - first] = alike + same + ORDER_BONUS * (1.0 - apart)
    return result


@njit(cache=True, nogil=True)
def _count_containing(columns, also_known_as, share, facts, samples, postings):  # type: ignore[no-untyped-def]
    token, kind, bounds = facts[1], facts[2], facts[4]
    indptr, hashes, level = samples
    run, run_indptr, owners = postings
    n_containing, n_compared = np.zeros(len(columns), np.int64), np.zeros(len(columns), np.int64)
    shared = np.zeros(len(token), np.int64)
    n_below = np.zeros(65, np.int64)
    for index in range(len(columns)):
        mine, alias = columns[index], token[also_known_as[index]]
        for shift in range(65):
            n_below[shift] = _n_below(hashes, indptr[mine], indptr[mine + 1], shift) if shift < 64 else 0
        for entry in range(indptr[mine], indptr[mine + 1]):
            for place in range(run_indptr[run[entry]], run_indptr[run[entry] + 1]):
                shared[owners[place]] += 1
        for other in range(len(token)):
            n_shared, shared[other] = shared[other], 0
            if kind[other] != kind[mine] or token[other] == token[mine] or token[other] == alias or level[other] < 0:
                continue
            n_comparable = n_below[max(level[mine], level[other])]
            if n_comparable == 0 and not _is_outside(mine, other, bounds):
                n_containing[index] += indptr[mine] == indptr[mine + 1]
                n_compared[index] += indptr[mine] == indptr[mine + 1]
                continue
            n_compared[index] += 1
            n_containing[index] += n_comparable > 0 and n_shared >= share * n_comparable
    return n_containing, n_compared


def mapped_chances(
    bounds: ColumnBounds, samples: ColumnSamples, columns: Int64, targets: Int64, share: float = 1.0
) -> Float64:
    """Chance of each column to be held by its target by accident, (k,): between 0 and 1.

    It is containment's lake-wide heuristic, for maps and unions: the share of the columns under other names (its own,
    and the one it is mapped to, left out) that hold its values too; a renamed column's is multiplied by the number of
    columns it could have been mapped to. Whoever combines the columns takes the product, times the density of the
    parents' rows to the power of the child's rows, times the ways in which the parents could have been chosen.

    Shapes: columns, targets (k,) entries.
    """
    n_containing, n_compared = count_containing(bounds, samples, columns, targets, share)
    chances = (1 + n_containing) / (1 + n_compared)
    is_renamed = bounds.token[columns] != bounds.token[targets]
    table = np.searchsorted(bounds.indptr, targets, side="right") - 1
    n_choices = np.where(is_renamed, np.diff(bounds.indptr)[table], 1)
    found: Float64 = np.minimum(1.0, chances * n_choices)
    return found

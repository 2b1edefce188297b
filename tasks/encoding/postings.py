"""Comparisons of sorted row hashes: two tables, and all tables of a projection at once by posting lists.

A *projection* is a set of columns, that of some child schema. The tables that have these columns are its members, each
with a sketch of its row hashes over them; the members whose own schema it is are its children.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.encoding.signatures import (
    INTEGERS,
    READ_INTEGERS,
    READ_TABLE,
    READ_WORDS,
    TABLE,
    Integers,
    Words,
    inner,
    int64,
    kernel,
    tuple_of,
)
from lakebed.tasks.encoding.sketch import threshold

_BITS = 64
_MIX = np.uint64(0x9E3779B97F4A7C15)
_1 = np.uint64(1)
_63 = np.uint64(63)

Postings = tuple[Integers, Integers, Words, Words]
Ids = NDArray[np.int32]
Counts = NDArray[np.int64]


@inner
def _is_less(a: Words, i: int, b: Words, j: int) -> bool:
    return bool(a[i, 0] < b[j, 0] or (a[i, 0] == b[j, 0] and a[i, 1] < b[j, 1]))


@inner
def _first_not_less(parent: Words, at: int, child: Words, i: int) -> int:
    """The first position from `at` in the parent that is not below the child's row: steps that double, then halve."""
    step, n = 1, parent.shape[0]
    while at + step < n and _is_less(parent, at + step, child, i):
        at += step
        step *= 2
    end = min(at + step, n)
    while at < end:
        middle = (at + end) // 2
        if _is_less(parent, middle, child, i):
            at = middle + 1
        else:
            end = middle
    return at


@kernel(INTEGERS(READ_TABLE, READ_TABLE))
def find_rows(child: Words, parent: Words) -> Integers:
    """The parent's position of each child row, -1 where it has none. Shapes: sorted distinct (n, 2), (m, 2); (n,)."""
    n, m, at = child.shape[0], parent.shape[0], 0
    out = np.full(n, -1, np.int64)
    for i in range(n):
        at = _first_not_less(parent, at, child, i)
        if at == m:
            break
        if parent[at, 0] == child[i, 0] and parent[at, 1] == child[i, 1]:
            out[i] = at
    return out


@dataclass(frozen=True)
class SketchEntries:
    """The sampled hashes of all members of all projections.

    Shapes: projection, table, hash (n,), sorted by (projection, hash): int32, int32, and the hash's high word;
    distinct within a (projection, table).
    """

    projection: Ids
    table: Ids
    hash: NDArray[np.uint64]


@dataclass(frozen=True)
class Members:
    """Which tables a projection has, one row each, whether or not their sketch holds a hash.

    Shapes: (k,) each, sorted by (projection, table). `level` is the sketch's, `is_child` says whose own schema it is.
    """

    projection: Ids
    table: Ids
    level: NDArray[np.uint8]
    is_child: NDArray[np.bool_]


@dataclass(frozen=True)
class Candidates:
    """Parents that no sketch refutes.

    Shapes: projection and child (c,), one entry a child; offsets (c + 1,) into parents, sorted for each child.
    """

    projection: Ids
    child: Ids
    offsets: Counts
    parents: Ids


def candidate_parents(entries: SketchEntries, members: Members) -> Candidates:
    """The members that hold all sampled hashes of a child, for each child of each projection.

    Only a hash below the parent's threshold can refute it; a parent below whose threshold the child has no hash stays
    (an empty child keeps every parent). Hashes are compared by their high words, so a parent is never refuted wrongly.
    Cost: the size of the sketches, plus a word of 64 tables for each child and posting list, plus the output.
    """
    parts = [_projection_candidates(*part) for part in _split(entries, members)]
    sizes = [np.diff(offsets) for offsets, _ in parts]
    offsets = np.zeros(sum(len(size) for size in sizes) + 1, np.int64)
    if parts:
        np.cumsum(np.concatenate(sizes), out=offsets[1:])
    return Candidates(
        projection=members.projection[members.is_child],
        child=members.table[members.is_child],
        offsets=offsets,
        parents=np.concatenate([np.empty(0, np.int32), *(found for _, found in parts)]),
    )


Part = tuple[Members, Ids, NDArray[np.uint64]]
Found = tuple[Counts, Ids]


def _split(entries: SketchEntries, members: Members) -> list[Part]:
    """(members, tables of the entries, hashes of the entries) of each projection that has members."""
    projections, starts = np.unique(members.projection, return_index=True)
    ends = np.append(starts, members.projection.size)[1:]
    lows = np.searchsorted(entries.projection, projections, side="left")
    highs = np.searchsorted(entries.projection, projections, side="right")
    return [
        (_cut(members, start, end), entries.table[low:high], entries.hash[low:high])
        for start, end, low, high in zip(starts, ends, lows, highs, strict=True)
    ]


def _cut(members: Members, start: int, end: int) -> Members:
    return Members(
        members.projection[start:end], members.table[start:end], members.level[start:end], members.is_child[start:end]
    )


def _projection_candidates(members: Members, tables: Ids, hashes: NDArray[np.uint64]) -> Found:
    """(offsets, parents) of the children of one projection."""
    children = np.flatnonzero(members.is_child)
    n = members.table.size
    if n < 2 or children.size == 0:
        return np.zeros(children.size + 1, np.int64), np.empty(0, np.int32)
    classes = _posting_classes(_positions(members.table, tables), hashes)
    table_offsets, table_classes = transpose(classes.offsets, classes.tables, n)
    _, class_tables = transpose(table_offsets, table_classes, classes.lowest.size)
    first_dense = int(np.searchsorted(np.diff(classes.offsets) * _BITS, n))
    dense = posting_bits(classes.offsets, class_tables, first_dense, n)
    levels, level_of = np.unique(members.level, return_inverse=True)
    by_level = np.argsort(level_of, kind="stable")
    level_offsets = np.searchsorted(level_of[by_level], np.arange(levels.size + 1))
    masks = posting_bits(level_offsets.astype(np.int64), by_level, 0, n)
    limits = np.array([threshold(int(level)) - 1 for level in levels], dtype=np.uint64)
    offsets, found = intersect(
        children,
        level_of.astype(np.int64),
        (limits, masks),
        (classes.offsets, class_tables, classes.lowest, dense),
        (table_offsets, table_classes),
    )
    return offsets, members.table[found]


def _positions(members: Ids, tables: Ids) -> Counts:
    at = np.searchsorted(members, tables)
    if not np.array_equal(members[np.minimum(at, members.size - 1)], tables):
        raise ValueError("a sketch holds hashes of a table that is no member of its projection")
    return at.astype(np.int64)


@dataclass(frozen=True)
class _PostingClasses:
    """Posting lists without repetition, the shortest first. Shapes: offsets (c + 1,) into tables; lowest (c,) hash."""

    offsets: Counts
    tables: Counts
    lowest: NDArray[np.uint64]


def _posting_classes(positions: Counts, hashes: NDArray[np.uint64]) -> _PostingClasses:
    """Hashes with the same posting list say the same, so one list stands for all of them.

    Lists are compared by a 64-bit sum; two that are taken for equal by accident cost a refutation, never an edge.
    """
    n = hashes.size
    starts = np.flatnonzero(np.concatenate([np.ones(min(n, 1), np.bool_), hashes[1:] != hashes[:-1]]))
    sizes = np.diff(np.append(starts, n))
    if n == 0:
        return _PostingClasses(np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0, np.uint64))
    first = np.concatenate([_first_singles(starts, sizes, positions), _first_lists(starts, sizes, positions)])
    first = first[np.argsort(sizes[first], kind="stable")]
    offsets = np.zeros(first.size + 1, np.int64)
    np.cumsum(sizes[first], out=offsets[1:])
    entries = np.repeat(starts[first] - offsets[:-1], sizes[first]) + np.arange(offsets[-1])
    return _PostingClasses(offsets, positions[entries], hashes[starts[first]])


def _first_singles(starts: Counts, sizes: Counts, positions: Counts) -> Counts:
    """Of the lists of one table, the first of each table: without a sort, since they can be many."""
    single = np.flatnonzero(sizes == 1)[::-1]
    first = np.full(int(positions.max()) + 1, -1, np.int64)
    first[positions[starts[single]]] = single
    return first[first >= 0]


def _first_lists(starts: Counts, sizes: Counts, positions: Counts) -> Counts:
    """Of the longer lists, the first of each set of tables."""
    longer = np.flatnonzero(sizes > 1)
    sums = np.add.reduceat(_scramble(positions), starts)[longer]
    return longer[np.unique(sums, return_index=True)[1]]


def _scramble(positions: Counts) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014), so that sums of few small numbers differ."""
    x = (positions.astype(np.uint64) + _1) * _MIX
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    out: NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return out


@kernel(tuple_of(INTEGERS, INTEGERS)(READ_INTEGERS, READ_INTEGERS, int64))
def transpose(offsets: Integers, columns: Integers, n_columns: int) -> tuple[Integers, Integers]:
    """The transposed pattern of a sparse matrix by rows; the rows of each column come out in ascending order."""
    out_offsets = np.zeros(n_columns + 1, np.int64)
    for column in columns:
        out_offsets[column + 1] += 1
    for column in range(n_columns):
        out_offsets[column + 1] += out_offsets[column]
    at, rows = out_offsets.copy(), np.empty(columns.size, np.int64)
    for row in range(offsets.size - 1):
        for k in range(offsets[row], offsets[row + 1]):
            rows[at[columns[k]]] = row
            at[columns[k]] += 1
    return out_offsets, rows


@kernel(TABLE(READ_INTEGERS, READ_INTEGERS, int64, int64))
def posting_bits(offsets: Integers, tables: Integers, first: int, n_tables: int) -> Words:
    """The lists from `first` on as bit sets of n_tables bits. Shapes: result (lists, words)."""
    n_lists = offsets.size - 1
    bits = np.zeros((n_lists - first, (n_tables + 63) // 64), np.uint64)
    for i in range(first, n_lists):
        for k in range(offsets[i], offsets[i + 1]):
            bits[i - first, tables[k] // 64] |= _1 << (np.uint64(tables[k]) & _63)
    return bits


@inner
def _holds(postings: Postings, k: int, table: int) -> bool:
    """Whether posting list k holds the table."""
    offsets, tables, _, dense = postings
    first_dense = offsets.size - 1 - dense.shape[0]
    if k >= first_dense:
        return bool((dense[k - first_dense, table // 64] >> (np.uint64(table) & _63)) & _1)
    low, high = offsets[k], offsets[k + 1]
    while low < high:
        middle = (low + high) // 2
        if tables[middle] < table:
            low = middle + 1
        else:
            high = middle
    return bool(low < offsets[k + 1] and tables[low] == table)


@inner
def _survivors(own: Integers, limit: np.uint64, mask: Words, postings: Postings, alive: Words) -> None:
    """Into `alive`, the tables of `mask` that are in all of the child's lists that the limit leaves in force."""
    offsets, tables, lowest, dense = postings
    first_dense = offsets.size - 1 - dense.shape[0]
    at = 0
    while at < own.size and lowest[own[at]] > limit:
        at += 1
    if at == own.size or own[at] >= first_dense:
        alive[:] = mask
        for k in own[at:]:
            if lowest[k] <= limit:
                some = np.uint64(0)
                for j in range(alive.size):
                    alive[j] &= dense[k - first_dense, j]
                    some |= alive[j]
                if not some:
                    return
        return
    alive[:] = np.uint64(0)
    for table in tables[offsets[own[at]] : offsets[own[at] + 1]]:
        is_alive = (mask[table // 64] >> (np.uint64(table) & _63)) & _1 == _1
        for k in own[at + 1 :]:
            if not is_alive:
                break
            is_alive = lowest[k] > limit or _holds(postings, k, table)
        if is_alive:
            alive[table // 64] |= _1 << (np.uint64(table) & _63)


_LEVELS = tuple_of(READ_WORDS, READ_TABLE)
_POSTINGS = tuple_of(READ_INTEGERS, READ_INTEGERS, READ_WORDS, READ_TABLE)
_ROWS = tuple_of(READ_INTEGERS, READ_INTEGERS)


@kernel(tuple_of(INTEGERS, INTEGERS)(READ_INTEGERS, READ_INTEGERS, _LEVELS, _POSTINGS, _ROWS))
def intersect(
    children: Integers,
    level_of: Integers,
    levels: tuple[Words, Words],
    postings: Postings,
    lists_of: tuple[Integers, Integers],
) -> tuple[Integers, Integers]:
    """For each child, the tables in all its posting lists, as (offsets, tables).

    Args:
        children: (c,) positions of tables.
        level_of: (n,) position of each table's level.
        levels: the highest kept hash (l,) and the tables (l, words) of each level.
        postings: offsets, tables, lowest hash and, for the last lists, bits; the shortest list first.
        lists_of: offsets (n + 1,) and posting lists of each table, in ascending order.
    """
    limits, masks = levels
    offsets, found = np.zeros(children.size + 1, np.int64), np.empty(1024, np.int64)
    alive, all_alive = np.empty(masks.shape[1], np.uint64), np.empty(masks.shape[1], np.uint64)
    at = 0
    for i in range(children.size):
        child = children[i]
        own = lists_of[1][lists_of[0][child] : lists_of[0][child + 1]]
        all_alive[:] = np.uint64(0)
        for level in range(limits.size):
            _survivors(own, limits[level], masks[level], postings, alive)
            all_alive |= alive
        all_alive[child // 64] &= ~(_1 << (np.uint64(child) & _63))
        for j in range(all_alive.size):
            word = all_alive[j]
            for b in range(64 if word else 0):
                if (word >> np.uint64(b)) & _1:
                    if at == found.size:
                        found = np.concatenate((found, np.empty(at, np.int64)))
                    found[at] = j * 64 + b
                    at += 1
        offsets[i + 1] = at
    return offsets, found[:at].copy()


KERNELS: tuple[Any, ...] = (find_rows, transpose, posting_bits, intersect)

"""Finds the condition that selects a child's rows among a parent's, in the order of the design's §6.

Conditions are taken as tight as the rows that must be selected allow: a looser one selects more rows, so if the tight
one selects a row too many, so does every other of its kind. Two readings of "must be selected" are tried where the
parent has some rows more often than the child: only those that occur equally often (the others may come or not, as the
condition decides), then all of them (which leaves DISTINCT to count them once).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.encoding.signatures import READ_TABLE, Integers, Words, int64, kernel
from lakebed.tasks.retention.recipes.kernel.matching import Mask, Match, Multiplicity
from lakebed.tasks.retention.recipes.kernel.ranks import NULL, UNUSABLE, RankedColumn

Shape = Literal["all", "partition", "range", "in", "conjunction"]
MAX_PAIR_COLUMNS = 256
_MAX_PAIRS_TRIED = 64


@dataclass(frozen=True)
class RankTerm:
    """A condition on one column: its rank lies in [low, high] (`range`), or is one of `ranks` (`in`).

    `has_ends` is false where the range takes in every value that is not null; `or_null` adds the null cells.
    """

    column: int
    kind: Literal["equals", "range", "in"]
    low: int = 0
    high: int = -1
    ranks: tuple[int, ...] = ()
    or_null: bool = False
    has_ends: bool = True

    def holds(self, column: RankedColumn) -> Mask:
        """(n,) where the condition holds."""
        if self.kind == "range":
            mask = (column.ranks >= self.low) & (column.ranks <= self.high)
        else:
            wanted = np.zeros(len(column.values) + 2, np.bool_)
            wanted[list(self.ranks)] = True
            wanted[[UNUSABLE, NULL]] = False
            mask = wanted[column.ranks]
        return np.asarray(mask | (column.ranks == NULL) if self.or_null else mask)


@dataclass(frozen=True)
class Found:
    """A condition that selects the child's rows.

    Shapes: mask (n_p,) the rows it selects.
    """

    shape: Shape
    terms: tuple[RankTerm, ...]
    multiplicity: Multiplicity
    mask: Mask


def find_all_rows(match: Match) -> Found | None:
    """The condition that is none, where the child is a projection of the whole parent. O(n_p)."""
    mask = np.ones(len(match.parent), np.bool_)
    multiplicity = match.multiplicity_of(mask)
    return Found("all", (), multiplicity, mask) if multiplicity else None


def find_condition(match: Match, columns: Sequence[RankedColumn], max_in_values: int) -> Found | None:
    """The first condition, in order: partitions, one column, two columns. O(columns · n_p), pairs by early exit.

    Args:
        match: of the child and the parent.
        columns: of the parent, partition columns first.
        max_in_values: values that an IN may list.
    """
    if not match.is_contained or (match.parent_counts < match.child_counts).any():
        return None
    required = [rows for rows in _readings(match) if rows.any()]
    tight = [_terms(columns, rows, max_in_values) for rows in required]
    single = (search(match, columns, terms) for search in (_find_partitions, _find_one) for terms in tight)
    pairs = (_find_pair(match, columns, terms) for terms in tight)
    attempts = chain(single, (_find_value(match, columns) for _ in range(int(match.is_surplus.any()))), pairs)
    return next((found for found in attempts if found), None)


def _readings(match: Match) -> Iterator[Mask]:
    """(n_p,) which rows a condition must select, in one reading or two."""
    surplus = match.is_surplus
    if not surplus.any():
        yield match.is_member
        return
    yield match.is_member & ~surplus
    if match.child_counts.max() == 1:
        yield match.is_member


def _terms(columns: Sequence[RankedColumn], required: Mask, max_in_values: int) -> list[RankTerm]:
    """The tight conditions of each column: equality, range, IN; none where it has NaN among the rows required."""
    terms: list[RankTerm] = []
    for number, column in enumerate(columns):
        ranks = np.unique(column.ranks[required])
        if ranks[0] == UNUSABLE:
            continue
        or_null = bool(ranks[0] == NULL)
        values = ranks[1:] if or_null else ranks
        if len(values) <= 1:
            terms.append(RankTerm(number, "equals", ranks=tuple(map(int, values)), or_null=or_null))
            continue
        low, high = int(values[0]), int(values[-1])
        has_ends = low > 0 or high < len(column.values) - 1
        terms.append(RankTerm(number, "range", low, high, (), or_null, has_ends))
        if high - low + 1 > len(values) and len(values) <= max_in_values:
            terms.append(RankTerm(number, "in", ranks=tuple(map(int, values)), or_null=or_null))
    place = {"equals": 0, "range": 1, "in": 2}
    return sorted(terms, key=lambda term: (place[term.kind], term.column))


def _checked(
    match: Match, columns: Sequence[RankedColumn], terms: Sequence[RankTerm], shape: Shape | None = None
) -> Found | None:
    mask = np.ones(len(match.parent), np.bool_)
    for term in terms:
        mask &= term.holds(columns[term.column])
    multiplicity = match.multiplicity_of(mask)
    if multiplicity is None:
        return None
    return Found(shape or ("range" if terms[0].kind == "range" else "in"), tuple(terms), multiplicity, mask)


def _find_partitions(match: Match, columns: Sequence[RankedColumn], terms: Sequence[RankTerm]) -> Found | None:
    """Equality of partition columns, as few of them as do."""
    chosen = [term for term in terms if term.kind == "equals" and columns[term.column].is_partition]
    found = _checked(match, columns, chosen, "partition") if chosen else None
    for term in list(chosen) if found else ():
        fewer = [other for other in chosen if other is not term]
        if fewer and (smaller := _checked(match, columns, fewer, "partition")):
            chosen, found = fewer, smaller
    return found


def _find_one(match: Match, columns: Sequence[RankedColumn], terms: Sequence[RankTerm]) -> Found | None:
    attempts = (_checked(match, columns, [term]) for term in terms)
    return next((found for found in attempts if found), None)


def _find_value(match: Match, columns: Sequence[RankedColumn]) -> Found | None:
    """One value of a column that has as many rows as the child: for children all of whose rows occur elsewhere too."""
    for number, column in enumerate(columns):
        n_rows = np.bincount(column.ranks[column.ranks >= 0], minlength=len(column.values))
        for rank in np.flatnonzero(n_rows == len(match.child))[:_MAX_PAIRS_TRIED]:
            if found := _checked(match, columns, [RankTerm(number, "equals", ranks=(int(rank),))]):
                return found
    return None


def _find_pair(match: Match, columns: Sequence[RankedColumn], terms: Sequence[RankTerm]) -> Found | None:
    """Two conditions whose wrong rows are disjoint."""
    is_out = ~match.is_member
    used = [term for term in terms if term.column < MAX_PAIR_COLUMNS]
    wrong = [term.holds(columns[term.column])[is_out] for term in used]
    kept = [index for index, rows in enumerate(wrong) if not rows.all()]
    if len(kept) < 2:
        return None
    pairs = disjoint_pairs(_packed([wrong[index] for index in kept]), _MAX_PAIRS_TRIED)
    attempts = (
        _checked(match, columns, [used[kept[one]], used[kept[other]]], "conjunction") for one, other in pairs.tolist()
    )
    return next((found for found in attempts if found), None)


def _packed(masks: Sequence[Mask]) -> NDArray[np.uint64]:
    """The masks as rows of bits, in words of 64."""
    bits = np.packbits(np.stack(masks), axis=1)
    padded = np.zeros((bits.shape[0], -(-bits.shape[1] // 8) * 8), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return padded.view(np.uint64)


@kernel(int64[:, ::1](READ_TABLE, int64))
def disjoint_pairs(bits: Words, limit: int) -> Integers:
    """(k, 2) pairs of rows that share no bit, by the first row, then the second; at most `limit`."""
    pairs = np.empty((limit, 2), np.int64)
    n = 0
    for i in range(bits.shape[0]):
        for j in range(i + 1, bits.shape[0]):
            if n == limit:
                return pairs
            k = 0
            while k < bits.shape[1] and bits[i, k] & bits[j, k] == 0:
                k += 1
            if k == bits.shape[1]:
                pairs[n, 0], pairs[n, 1] = i, j
                n += 1
    return pairs[:n].copy()


KERNELS: tuple[Any, ...] = (disjoint_pairs,)

"""Covering a child's rows with few parents: which parents hold each row, and a small choice that holds all.

The exact comparison reduces a child to its *signatures*, the distinct sets of parents that hold a row, with the number
of rows of each. They add up over buckets of the hash range, and the choice is made on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.containment.kernel.schema_graph import Int64
from lakebed.tasks.encoding.postings import find_rows

UInt64 = NDArray[np.uint64]
Bools = NDArray[np.bool_]

MAX_SIGNATURES = 1 << 14


@dataclass(frozen=True)
class Signatures:
    """Sets of parents as bits, with the child's distinct rows of each.

    Shapes: bits (s, ceil(m / 8)) uint8, bit i of the row (little-endian order) for parent i; counts (s,).
    """

    bits: NDArray[np.uint8]
    counts: Int64

    @staticmethod
    def merged(parts: Sequence["Signatures"]) -> "Signatures":
        """Adds up the signatures of disjoint rows."""
        return _grouped(np.concatenate([part.bits for part in parts]), np.concatenate([part.counts for part in parts]))

    def as_matrix(self, n_parents: int) -> Bools:
        """(s, n_parents): whether the parents of the signature have the parent among them."""
        return np.unpackbits(self.bits, axis=1, count=n_parents, bitorder="little").astype(np.bool_)


@dataclass(frozen=True)
class Cover:
    """A choice of parents.

    Attributes:
        parents: positions, by how many rows each adds.
        n_added: distinct rows that each adds to those before it.
        n_missing: distinct rows that no parent has, chosen or not.
    """

    parents: tuple[int, ...]
    n_added: tuple[int, ...]
    n_missing: int


def row_signatures(child: tuple[UInt64, Int64], parents: Sequence[tuple[UInt64, Int64]], *, is_bag: bool) -> Signatures:
    """Which parents hold each of the child's distinct rows; under bag semantics, as often as the child does.

    Beyond `MAX_SIGNATURES` the rarer sets keep their first parent only: a cover of what is left covers all rows still.

    Shapes: each of the child and the parents is (hashes (n, 2) sorted and distinct, counts (n,)).
    Cost: O(n · log(n_parent / n)) a parent.
    """
    hashes, counts = child
    bits = np.zeros((len(hashes), -(-len(parents) // 8)), np.uint8)
    for position, (theirs, their_counts) in enumerate(parents):
        at = find_rows(hashes, theirs)
        has_row = at >= 0
        if is_bag:
            has_row[has_row] = their_counts[at[has_row]] >= counts[has_row]
        bits[has_row, position // 8] |= np.uint8(1 << (position % 8))
    found = _grouped(bits, np.ones(len(bits), np.int64))
    return found if len(found.counts) <= MAX_SIGNATURES else _coarsened(found)


def choose_cover(signatures: Signatures, n_parents: int) -> Cover:
    """The greedy set cover (Chvátal 1979), and then without parents that the others make superfluous.

    Ties go to the parent that stands first. Cost: O(signatures · parents) a chosen parent.
    """
    held = signatures.as_matrix(n_parents)
    counts = signatures.counts.astype(np.float64)
    is_open = held.any(axis=1)
    n_missing = int(signatures.counts[~is_open].sum())
    weights, chosen = held.astype(np.float64), []
    while is_open.any():
        best = int(np.argmax((counts * is_open) @ weights))
        chosen.append(best)
        is_open &= ~held[:, best]
    kept = _without_superfluous(held, chosen)
    return Cover(tuple(kept), tuple(_added(held, signatures.counts, kept)), n_missing)


def _without_superfluous(held: Bools, chosen: list[int]) -> list[int]:
    n_holders = held[:, chosen].sum(axis=1)
    kept = list(chosen)
    for parent in reversed(chosen):
        if len(kept) > 1 and (n_holders[held[:, parent]] > 1).all():
            kept.remove(parent)
            n_holders = n_holders - held[:, parent]
    return kept


def _added(held: Bools, counts: Int64, chosen: Sequence[int]) -> list[int]:
    is_open, added = np.ones(len(counts), np.bool_), []
    for parent in chosen:
        added.append(int(counts[is_open & held[:, parent]].sum()))
        is_open &= ~held[:, parent]
    return added


def _grouped(bits: NDArray[np.uint8], counts: Int64) -> Signatures:
    if not len(bits):
        return Signatures(bits, counts)
    keys = np.ascontiguousarray(bits).view(np.dtype((np.void, bits.shape[1]))).ravel()
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    totals = np.bincount(group.ravel(), weights=counts, minlength=len(first)).astype(np.int64)
    return Signatures(bits[first], totals)


def _coarsened(found: Signatures) -> Signatures:
    rare = np.argsort(-found.counts, kind="stable")[MAX_SIGNATURES:]
    bits = found.bits.copy()
    rows = bits[rare]
    byte = np.argmax(rows != 0, axis=1)
    value = rows[np.arange(len(rows)), byte].astype(np.int64)
    bits[rare] = 0
    bits[rare, byte] = (value & -value).astype(np.uint8)
    return _grouped(bits, found.counts)

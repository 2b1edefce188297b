"""Row hashes of tables that do not fit into memory: kept in a temporary file, in the order of the rows.

What asks for all of them at once is answered for one range of hashes after the other, each of about `ROUND_ROWS`
distinct ones at most; equal rows are in one range. Memory: some 100 bytes for each of these, and two bytes a row.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from lakebed.connectors.places import temporary_prefix
from lakebed.tasks.encoding.multiset import distinct_counts
from lakebed.tasks.retention.recipes.kernel.matching import locate, occurrence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lakebed.tasks.encoding.hashes import Hashes
    from lakebed.tasks.encoding.signatures import Integers
    from lakebed.tasks.retention.recipes.kernel.matching import Mask

ROUND_ROWS = 1 << 20
_BLOCK_ROWS = 1 << 18
_ROW_BYTES = 16


@dataclass
class Spool:
    """A file of row hashes."""

    file: BinaryIO
    n_rows: int = 0

    def add(self, hashes: Hashes) -> None:
        """Adds rows behind the others. Shapes: (n, 2)."""
        self.file.write(np.ascontiguousarray(hashes).tobytes())
        self.n_rows += len(hashes)

    @property
    def n_bits(self) -> int:
        """Uppermost bits of the hashes that make ranges of at most about `ROUND_ROWS` rows."""
        return (-(-self.n_rows // ROUND_ROWS) - 1).bit_length() if self.n_rows else 0

    def in_range(self, number: int, n_bits: int) -> Iterator[tuple[Integers, Hashes]]:
        """Row numbers and hashes of the rows whose uppermost bits are this number, block by block, ascending."""
        self.file.seek(0)
        for start in range(0, self.n_rows, _BLOCK_ROWS):
            n_rows = min(_BLOCK_ROWS, self.n_rows - start)
            block = np.frombuffer(self.file.read(_ROW_BYTES * n_rows), np.uint64).reshape(-1, 2)
            # in two steps: words shifted by all their bits are anything
            is_in = block[:, 0] >> np.uint64(1) >> np.uint64(63 - n_bits) == number
            rows = np.flatnonzero(is_in)
            yield rows + start, block[rows]


@contextmanager
def spool() -> Iterator[Spool]:
    """An empty one, in the folder for temporary files; gone afterwards."""
    with tempfile.TemporaryFile(prefix=temporary_prefix("rows")) as file:
        yield Spool(cast("BinaryIO", file))


@dataclass
class Members:
    """The rows of a parent that are rows of its child.

    Attributes:
        n_missing: distinct rows of the child that the parent lacks.
        n_short: distinct rows that it has, but less often.
        n_surplus: distinct rows that it has more often.
        most: how often the child's most frequent row occurs.

    Shapes: is_member (n_p,); is_chosen (n_p,) the first of each, as often as the child has it.
    """

    is_member: Mask
    is_chosen: Mask
    n_missing: int = 0
    n_short: int = 0
    n_surplus: int = 0
    most: int = 0


def find_members(child: Spool, parent: Spool) -> Members:
    """Finds the child's rows in its parent. Cost: O(rows log rows), and both files are read once a range."""
    found = Members(np.zeros(parent.n_rows, np.bool_), np.zeros(parent.n_rows, np.bool_))
    for number in range(1 << child.n_bits):
        unique, counts = _distinct(child.in_range(number, child.n_bits))
        seen = _choose(parent, (number, child.n_bits), unique, counts, found)
        found.n_missing += int((seen == 0).sum())
        found.n_short += int(((seen > 0) & (seen < counts)).sum())
        found.n_surplus += int((seen > counts).sum())
        found.most = max(found.most, int(counts.max(initial=0)))
    return found


def first_of_equal(rows: Spool) -> Mask:
    """(n,) whether a row is the first of those that equal it. Cost: as of `find_members`."""
    found = Members(np.zeros(rows.n_rows, np.bool_), np.zeros(rows.n_rows, np.bool_))
    for number in range(1 << rows.n_bits):
        unique, counts = _distinct(rows.in_range(number, rows.n_bits))
        _choose(rows, (number, rows.n_bits), unique, np.minimum(counts, 1), found)
    return found.is_chosen


def _choose(parent: Spool, bits: tuple[int, int], unique: Hashes, wanted: Integers, found: Members) -> Integers:
    """Marks the parent's rows of one range; (m,) how often it has each distinct row."""
    seen = np.zeros(len(unique), np.int64)
    for rows, hashes in parent.in_range(*bits):
        numbers = locate(unique, hashes)
        is_here = numbers >= 0
        places, held = rows[is_here], numbers[is_here]
        found.is_member[places] = True
        found.is_chosen[places] = seen[held] + occurrence(held) < wanted[held]
        seen += np.bincount(held, minlength=len(seen))
    return seen


def _distinct(blocks: Iterator[tuple[Integers, Hashes]]) -> tuple[Hashes, Integers]:
    """The distinct rows, ascending, and how often each occurs; what equals is let go of as soon as it is counted."""
    held: list[tuple[Hashes, Integers]] = []
    for _, hashes in blocks:
        held.append(distinct_counts(hashes))
        if sum(len(rows) for rows, _ in held[1:]) > ROUND_ROWS:
            held = [_united(held)]
    return _united(held)


def _united(parts: Sequence[tuple[Hashes, Integers]]) -> tuple[Hashes, Integers]:
    if not parts:
        return np.empty((0, 2), np.uint64), np.empty(0, np.int64)
    return distinct_counts(np.concatenate([rows for rows, _ in parts]), np.concatenate([n for _, n in parts]))

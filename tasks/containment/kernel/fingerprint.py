"""Row hashes of one table for any number of column subsets, from one pass over its batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakebed.tasks.encoding.cells import n_nulls
from lakebed.tasks.encoding.distinct import distinct
from lakebed.tasks.encoding.hashes import (
    SAMPLE_KEY,
    add_cells,
    add_column,
    finish,
    sampled_hashes,
    start_sums,
)

UInt64 = NDArray[np.uint64]
Int64 = NDArray[np.int64]

VALUE_SAMPLE = 128
_MAX_EXPECTED = 1 << 23
_MAX_REPEATED = 4_096

_Group = tuple[int, ...]
"""The subsets that some columns take part in."""


class Cells(Protocol):
    """The cells of one leaf column: values, and for nulls inside structs the level at which the null sits."""

    @property
    def values(self) -> pa.Array:
        """The leaf's values."""

    @property
    def null_depth(self) -> NDArray[np.uint8] | None:
        """At which level a null sits, (n,), or None where all sit at level 0."""


@dataclass(frozen=True)
class HashSettings:
    """What the hashes depend on: the secret key, 32 bytes, and whether types count."""

    key: bytes = field(repr=False)
    is_strict: bool = False


@dataclass(frozen=True)
class ValueSketch:
    """Hash-threshold sample of a column's distinct values: hashes below 2^(64 - level), ascending.

    Attributes:
        hashes: (k,) uint64.
        n_nulls: null cells seen.
    """

    hashes: UInt64
    n_nulls: int


class _Rows:
    """Row hashes that come batch by batch, in one array."""

    def __init__(self, n_expected: int) -> None:
        # a damaged footer must not make it reserve what it says
        self._held, self._n = np.empty((min(n_expected, _MAX_EXPECTED), 2), np.uint64), 0

    def next(self, n_rows: int) -> UInt64:
        """The part of the array, (n_rows, 2), that the next rows fill."""
        begin, end = self._n, self._n + n_rows
        if end > len(self._held):
            grown = np.empty((max(end, 2 * begin), 2), np.uint64)
            grown[:begin] = self._held[:begin]
            self._held = grown
        self._n = end
        return self._held[begin:end]

    @property
    def filled(self) -> UInt64:
        """The rows so far, (n, 2)."""
        return self._held[: self._n]


class _Values:
    """Sampled hashes of values that come batch by batch; repeats are dropped when there are many."""

    def __init__(self) -> None:
        self._parts: list[UInt64] = []
        self._n, self._limit = 0, _MAX_REPEATED

    def add(self, hashes: UInt64) -> None:
        """Hashes in any order, with repeats."""
        self._parts.append(hashes)
        self._n += len(hashes)
        if self._n > self._limit:
            self._parts = [self.distinct()]
            self._n = len(self._parts[0])
            self._limit = max(_MAX_REPEATED, 2 * self._n)

    def distinct(self) -> UInt64:
        """The distinct hashes, ascending."""
        return distinct(np.concatenate([np.empty(0, np.uint64), *self._parts]))


@dataclass
class TableHasher:
    """Accumulates batches of one table (or of a part of it).

    Columns that take part in the same subsets are summed together; a subset's sums are those of its groups of columns.

    Attributes:
        projections: for each column subset its tokens.
        value_level: level of the value sketches; None where none are wanted.
        n_expected: rows that will come, as far as is known.
        n_rows: rows seen.
    """

    projections: Mapping[int, Sequence[str]]
    settings: HashSettings
    value_level: int | None = 0
    n_expected: int = 0
    n_rows: int = 0
    _rows: dict[int, _Rows] = field(init=False)
    _values: dict[str, _Values] = field(default_factory=dict)
    _n_nulls: dict[str, int] = field(default_factory=dict)
    _sums: dict[_Group, UInt64] = field(default_factory=dict)
    _tokens: dict[_Group, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        members: dict[str, list[int]] = {}
        for projection, tokens in self.projections.items():
            for token in tokens:
                members.setdefault(token, []).append(projection)
        self._tokens = {}
        for token, projections in members.items():
            self._tokens.setdefault(tuple(projections), []).append(token)
        self._rows = {projection: _Rows(self.n_expected) for projection in self.projections}

    @property
    def tokens(self) -> list[str]:
        """Every token that some projection needs, each once."""
        return [token for tokens in self._tokens.values() for token in tokens]

    def add(self, batch: Mapping[str, Cells]) -> None:
        """Hashes one batch: each column once, whatever the number of subsets it takes part in."""
        n_rows = len(next(iter(batch.values())).values)
        key, is_strict = self.settings.key, self.settings.is_strict
        sums = {group: self._started(group, n_rows) for group in self._tokens}
        # those of a group one after the other, so that its sums stay in the processor's cache
        for group, mine in sums.items():
            for token in self._tokens[group]:
                cells = batch[token]
                add_cells(mine, cells.values, cells.null_depth, token, key, strict_types=is_strict)
                if self.value_level is not None:
                    self._add_values(token, cells, self.value_level)
        for projection, rows in self._rows.items():
            self._finish([mine for group, mine in sums.items() if projection in group], rows.next(n_rows))
        self.n_rows += n_rows

    def row_hashes(self) -> dict[int, UInt64]:
        """The row hashes of each projection, (n, 2), in the order of the rows."""
        return {projection: rows.filled for projection, rows in self._rows.items()}

    def value_sketches(self) -> dict[str, ValueSketch]:
        """The value sample of each column."""
        return {token: ValueSketch(values.distinct(), self._n_nulls[token]) for token, values in self._values.items()}

    def _started(self, group: _Group, n_rows: int) -> UInt64:
        """Sums of a batch, in memory that the batch before has used: fresh pages cost more than to clear these."""
        held = self._sums.get(group)
        if held is None or held.shape[1] != n_rows:
            held = self._sums[group] = start_sums(n_rows)
        else:
            held.fill(0)
        return held

    def _finish(self, parts: Sequence[UInt64], out: UInt64) -> None:
        """Row hashes of a subset, (n, 2), from the sums of its groups, which stay as they are."""
        if len(parts) == 1:
            finish(parts[0], self.settings.key, out)
            return
        total = self._started((), len(out))
        for part in parts:
            add_column(total, part)
        finish(total, self.settings.key, out)

    def _add_values(self, token: str, cells: Cells, level: int) -> None:
        if token not in self._values:
            self._values[token], self._n_nulls[token] = _Values(), 0
        self._values[token].add(sampled_hashes(cells.values, level, SAMPLE_KEY))
        self._n_nulls[token] += n_nulls(cells.values)

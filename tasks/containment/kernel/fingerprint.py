"""Row hashes of one table for any number of column subsets, from one pass over its batches."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakebed.tasks.encoding.cells import value_is_null
from lakebed.tasks.encoding.distinct import distinct
from lakebed.tasks.encoding.hashes import (
    SAMPLE_KEY,
    add_cells,
    add_column,
    column_sums,
    finish,
    sampled_values,
    start_sums,
)

UInt64 = NDArray[np.uint64]
Int64 = NDArray[np.int64]

VALUE_SAMPLE = 128


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


@dataclass
class TableHasher:
    """Accumulates batches of one table (or of a part of it).

    Attributes:
        projections: for each column subset its tokens.
        value_level: level of the value sketches; None where none are wanted.
    """

    projections: Mapping[int, Sequence[str]]
    settings: HashSettings
    value_level: int | None = 0
    n_rows: int = 0
    _rows: dict[int, list[UInt64]] = field(default_factory=dict)
    _values: dict[str, list[UInt64]] = field(default_factory=dict)
    _n_nulls: dict[str, int] = field(default_factory=dict)
    _sums: dict[int, UInt64] = field(default_factory=dict)

    @property
    def tokens(self) -> list[str]:
        """Every token that some projection needs, each once."""
        return list(dict.fromkeys(token for tokens in self.projections.values() for token in tokens))

    def add(self, batch: Mapping[str, Cells]) -> None:
        """Hashes one batch: each column once, whatever the number of subsets it takes part in."""
        n_rows = len(next(iter(batch.values())).values)
        sums = {projection: self._started(projection, n_rows) for projection in self.projections}
        members = _members(self.projections)
        for token, cells in batch.items():
            self._add_cells([sums[projection] for projection in members[token]], token, cells)
            if self.value_level is not None:
                self._add_values(token, cells, self.value_level)
        for projection, total in sums.items():
            self._rows.setdefault(projection, []).append(finish(total, self.settings.key))
        self.n_rows += n_rows

    def row_hashes(self) -> dict[int, UInt64]:
        """The row hashes of each projection, (n, 2), in the order of the rows."""
        return {projection: _stacked(self._rows.get(projection, [])) for projection in self.projections}

    def value_sketches(self) -> dict[str, ValueSketch]:
        """The value sample of each column."""
        return {
            token: ValueSketch(distinct(np.concatenate(parts)), self._n_nulls[token])
            for token, parts in self._values.items()
        }

    def _started(self, projection: int, n_rows: int) -> UInt64:
        """Sums of a batch, in memory that the batch before has used: fresh pages cost more than to clear these."""
        held = self._sums.get(projection)
        if held is None or held.shape[1] != n_rows:
            held = self._sums[projection] = start_sums(n_rows)
        else:
            held.fill(0)
        return held

    def _add_cells(self, sums: Sequence[UInt64], token: str, cells: Cells) -> None:
        """Adds a column to the sums of the subsets that it takes part in."""
        key, is_strict = self.settings.key, self.settings.is_strict
        if len(sums) == 1:
            add_cells(sums[0], cells.values, cells.null_depth, token, key, strict_types=is_strict)
            return
        column = column_sums(cells.values, cells.null_depth, token, key, strict_types=is_strict)
        for one in sums:
            add_column(one, column)

    def _add_values(self, token: str, cells: Cells, level: int) -> None:
        self._values.setdefault(token, []).append(sampled_values(cells.values, level, SAMPLE_KEY))
        self._n_nulls[token] = self._n_nulls.get(token, 0) + int(value_is_null(cells.values).sum())


def _members(projections: Mapping[int, Sequence[str]]) -> dict[str, list[int]]:
    members: dict[str, list[int]] = {}
    for projection, tokens in projections.items():
        for token in tokens:
            members.setdefault(token, []).append(projection)
    return members


def _stacked(parts: Iterable[UInt64]) -> UInt64:
    return np.concatenate([np.empty((0, 2), np.uint64), *parts])

"""Samples of columns, gathered batch by batch in bounded memory."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
import pyarrow as pa

from lakebed.tasks.lakegraph.kernel.folding import FoldedSample, Known, is_repeating, merge_folded, sample_and_fold
from lakebed.tasks.lakegraph.kernel.samples import NOTHING_KNOWN, FloatRule, Least, ValueSample, merge_samples

# a column's parts are made one when there are so many, or twice as many values as are kept
_MOST_PARTS = 256
# batches after which it is asked again whether values repeat
_LOOKED_EVERY = 8
Place = TypeVar("Place", bound=Hashable)


@dataclass
class _Column:
    """Parts of a column, and what they say of what comes."""

    exact: list[ValueSample] = field(default_factory=list)
    folded: list[FoldedSample] = field(default_factory=list)
    exact_known: Least = NOTHING_KNOWN
    folded_known: Least = NOTHING_KNOWN
    is_repeating: bool = True
    n_batches: int = 0
    n_values: int = 0

    def merge(self, n_kept: int) -> tuple[ValueSample, FoldedSample]:
        """One part of all."""
        sample, folded = merge_samples(self.exact, n_kept), merge_folded(self.folded, n_kept)
        self.exact, self.folded, self.n_values = [sample], [folded], 0
        self.exact_known = _least(self.exact_known, sample, n_kept)
        self.folded_known = _least(self.folded_known, folded, n_kept)
        return sample, folded


@dataclass
class ColumnSamples(Generic[Place]):
    """The samples of columns, as they are and folded, each under its place.

    Attributes:
        n_kept: how many values of a column are kept at most.
        rule: what floats become.
    """

    n_kept: int
    rule: FloatRule
    _columns: dict[Place, _Column] = field(default_factory=dict)

    def add(self, place: Place, values: pa.Array) -> None:
        """One batch of a column, nulls among the cells.

        Raises:
            SourceError: for a type that has no canonical cells.
        """
        column = self._columns.setdefault(place, _Column())
        if column.n_batches % _LOOKED_EVERY == 0:
            column.is_repeating = is_repeating(values)
        known = Known(column.exact_known, column.folded_known, column.is_repeating)
        sample, folded = sample_and_fold(values, self.n_kept, self.rule, known)
        column.exact.append(sample)
        column.folded.append(folded)
        column.n_batches += 1
        column.n_values += max(len(sample.hashes), len(folded.hashes))
        if column.n_values >= 2 * self.n_kept or len(column.exact) >= _MOST_PARTS:
            column.merge(self.n_kept)

    def take(self) -> Iterator[tuple[Place, ValueSample, FoldedSample]]:
        """The samples of what was added since they were taken last, without values that cannot be in the column's."""
        for place, column in self._columns.items():
            if column.exact:
                yield place, *column.merge(self.n_kept)
                column.exact, column.folded = [], []
                column.exact_known, column.folded_known = (
                    Least(known.limit) for known in (column.exact_known, column.folded_known)
                )


def _least(known: Least, sample: ValueSample | FoldedSample, n_kept: int) -> Least:
    """What a sample says, beside what is known: one that is full has the limit of what may still come in."""
    is_full = sample.is_cut and len(sample.hashes) >= n_kept
    return Least(np.uint64(sample.hashes[-1]) if is_full else known.limit, sample.hashes)

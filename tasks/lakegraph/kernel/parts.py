"""Samples of the columns of a split, gathered batch by batch in bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

MERGE_AFTER_BATCHES = 16
Part = TypeVar("Part")


@dataclass
class ColumnParts(Generic[Part]):
    """The parts of each column; many are made one by `merge`, which takes them and how many values are kept."""

    merge: Callable[[Sequence[Part], int], Part]
    n_kept: int
    parts: dict[str, list[Part]] = field(default_factory=dict)

    def add(self, token: str, part: Part) -> None:
        """One batch of a column."""
        parts = self.parts.setdefault(token, [])
        parts.append(part)
        if len(parts) >= MERGE_AFTER_BATCHES:
            parts[:] = [self.merge(parts, self.n_kept)]

    def merged(self) -> Iterator[tuple[str, Part]]:
        """Each column with its whole."""
        for token, parts in self.parts.items():
            yield token, self.merge(parts, self.n_kept)

"""An index whose vectors have names: string ids, metadata, twins."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import ConfigError
from lakebed.tasks.index.config import Space
from lakebed.tasks.index.kernel.flat import Float32, Floats, Int64, Neighbours, require_queries
from lakebed.tasks.index.kernel.twins import Twins, expand
from lakebed.tasks.index.vector_index import Mask, VectorIndex

NEAR_NAMES = 5


@dataclass(frozen=True)
class Found:
    """Answers of one query, the nearest first: ids, distances and positions."""

    ids: list[str]
    distance: list[float]
    position: list[int]


@dataclass(frozen=True)
class NamedIndex:
    """Ids and metadata over a `VectorIndex` of the distinct vectors.

    Attributes:
        items: column `id`, unique and ascending, and any metadata; one row a vector, twins among them.
        twins: which items share a vector.
        index: over the first of each group.
    """

    items: pa.Table
    twins: Twins
    index: VectorIndex

    @property
    def space(self) -> Space:
        """The distance."""
        return self.index.space

    @property
    def dim(self) -> int:
        """Numbers of a vector."""
        return int(self.index.vectors.shape[1])

    @cached_property
    def group_of(self) -> Int64:
        """The group of each item, (n,)."""
        groups = np.empty(len(self.twins.member), np.int64)
        groups[self.twins.member] = np.repeat(np.arange(len(self.twins.first)), np.diff(self.twins.indptr))
        return groups

    def __len__(self) -> int:
        return int(self.items.num_rows)

    def require_position(self, item: str) -> int:
        """The position of an id.

        Raises:
            ConfigError: if it is not in the index, with near names.
        """
        place = pc.index(self.items["id"], pa.scalar(item)).as_py()
        if place < 0:
            raise unknown_id(item, self.items["id"].to_pylist())
        return int(place)

    def vector(self, item: str) -> Float32:
        """The vector of an id, as it was prepared.

        Raises:
            ConfigError: if it is not in the index, with near names.
        """
        found: Float32 = self.index.vectors[self.group_of[self.require_position(item)]]
        return found

    def ids_of(self, positions: Int64) -> list[str]:
        """The ids at positions, none of them -1."""
        return list(self.items["id"].take(pa.array(positions, pa.int64())).to_pylist())

    def search(self, queries: Floats, k: int, where: Mask | None = None) -> Neighbours:
        """The k nearest items of each query, in positions.

        Args:
            queries: (q, dim) or (dim,).
            k: neighbours wanted; fewer are padded with -1 and inf.
            where: (n,) which items are allowed.

        Raises:
            ConfigError: if queries have another dimension, or k < 1.
            GraphError: if a query has NaN or infinity, or no direction.
        """
        rows = require_queries(queries, self.dim, k)
        if where is None:
            return expand(self.index.search(rows, k), self.twins, k)
        return self._search_where(rows, k, where)

    def nearest(self, query: Floats, k: int, where: Mask | None = None) -> Found:
        """The same of one query, with ids."""
        found = self.search(query, k, where)
        is_there = found.position[0] >= 0
        position = found.position[0][is_there]
        return Found(self.ids_of(position), found.distance[0][is_there].tolist(), position.tolist())

    def _search_where(self, rows: Floats, k: int, mask: Mask) -> Neighbours:
        """Groups with an allowed member, expanded, and of the members those allowed."""
        if self.twins.is_trivial:
            return self.index.search(rows, k, mask)
        groups = np.zeros(len(self.twins.first), np.bool_)
        groups[self.group_of[mask]] = True
        allowed = mask[self.twins.member]
        indptr = np.zeros(len(self.twins.indptr), np.int64)
        np.cumsum(np.add.reduceat(allowed, self.twins.indptr[:-1]) if len(groups) else [], out=indptr[1:])
        part = Twins(self.twins.first, indptr, self.twins.member[allowed])
        found = self.index.search(rows, k, groups)
        return expand(found, part, k, is_whole=False)


def unknown_id(item: str, known: Sequence[str]) -> ConfigError:
    """The error of an id that is not there, with near names."""
    folded = {name.casefold(): name for name in known}
    near = [folded[name] for name in get_close_matches(item.casefold(), list(folded), n=NEAR_NAMES, cutoff=0.5)]
    return ConfigError(
        "there is nothing of this name in the index",
        value=item[:200],
        expected=f"one of {len(known):,} names" if known else "a name; the index is empty",
        hint=f"did you mean {near[0]}?" if near else "lakebed search TEXT finds names",
        examples=near,
    )

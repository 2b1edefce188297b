"""An index whose vectors have names: string ids, metadata, twins, and what changed since it was built."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakebed.connectors.errors import ConfigError
from lakebed.tasks.index.config import Space
from lakebed.tasks.index.kernel.flat import Float32, Floats, Int64, Neighbours, flat_search, prepared, require_queries
from lakebed.tasks.index.kernel.merge import merge
from lakebed.tasks.index.kernel.twins import Twins, expand
from lakebed.tasks.index.vector_index import Mask, VectorIndex, search_among

NEAR_NAMES = 5


@dataclass(frozen=True)
class Changes:
    """Ids added and removed since the build. An id that is added again replaces the built one.

    Shapes: added (a,) ids with vectors (a, dim), `prepared`, and metadata (a rows).
    """

    added: tuple[str, ...]
    vectors: Float32
    metadata: pa.Table
    removed: frozenset[str]

    @staticmethod
    def none(dim: int, metadata: pa.Schema) -> "Changes":
        """No changes."""
        return Changes((), np.empty((0, dim), np.float32), metadata.empty_table(), frozenset())


@dataclass(frozen=True)
class Found:
    """Answers of one query, the nearest first: ids, distances, and positions (built first, then added)."""

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
        changes: searched beside, exactly.
    """

    items: pa.Table
    twins: Twins
    index: VectorIndex
    changes: Changes

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
        """The group of each built item, (n,)."""
        groups = np.empty(len(self.twins.member), np.int64)
        groups[self.twins.member] = np.repeat(np.arange(len(self.twins.first)), np.diff(self.twins.indptr))
        return groups

    @cached_property
    def is_gone(self) -> Mask:
        """Which built items were removed or replaced, (n,)."""
        gone = pa.array(sorted({*self.changes.removed, *self.changes.added}), pa.string())
        return np.asarray(pc.is_in(self.items["id"], value_set=gone).to_numpy(), np.bool_)

    def __len__(self) -> int:
        return int(self.items.num_rows) - int(self.is_gone.sum()) + len(self.changes.added)

    def changed(self, changes: Changes) -> "NamedIndex":
        """The same index with other changes beside it."""
        return replace(self, changes=changes)

    def require_position(self, item: str) -> int:
        """The position of an id.

        Raises:
            ConfigError: if it is not in the index, with near names.
        """
        if item in self.changes.added:
            return int(self.items.num_rows) + self.changes.added.index(item)
        place = pc.index(self.items["id"], pa.scalar(item)).as_py()
        if place >= 0 and not self.is_gone[place]:
            return int(place)
        raise unknown_id(item, self.items["id"].to_pylist() + list(self.changes.added))

    def vector(self, item: str) -> Float32:
        """The vector of an id, as it was prepared.

        Raises:
            ConfigError: if it is not in the index, with near names.
        """
        place = self.require_position(item)
        if place >= self.items.num_rows:
            added: Float32 = self.changes.vectors[place - self.items.num_rows]
            return added
        built: Float32 = self.index.vectors[self.group_of[place]]
        return built

    def ids_of(self, positions: Int64) -> list[str]:
        """The ids at positions, none of them -1."""
        n = self.items.num_rows
        built = self.items["id"].take(pa.array(np.where(positions < n, positions, 0))).to_pylist() if n else []
        return [self.changes.added[p - n] if p >= n else built[i] for i, p in enumerate(positions.tolist())]

    def search(self, queries: Floats, k: int, where: Mask | None = None) -> Neighbours:
        """The k nearest items of each query, in positions (built items first, then added ones).

        Args:
            queries: (q, dim) or (dim,).
            k: neighbours wanted; fewer are padded with -1 and inf.
            where: (n + a,) which built and added items are allowed.

        Raises:
            ConfigError: if queries have another dimension, or k < 1.
            GraphError: if a query has NaN or infinity, or no direction.
        """
        rows = require_queries(queries, self.dim, k)
        n, has_gone = self.items.num_rows, bool(self.is_gone.any())
        if where is None and not has_gone:
            found = expand(self.index.search(rows, k), self.twins, k)
            return found if not self.changes.added else self._with_added(found, rows, k, None)
        mask = ~self.is_gone if where is None else where[:n] & ~self.is_gone
        found = self._search_where(rows, k, mask)
        return self._with_added(found, rows, k, None if where is None else where[n:]) if self.changes.added else found

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

    def _with_added(self, found: Neighbours, rows: Floats, k: int, where: Mask | None) -> Neighbours:
        n, queries = self.items.num_rows, prepared(rows, self.space)
        if where is None:
            extra = flat_search(self.changes.vectors, queries, k, self.space)
        else:
            extra = search_among(self.changes.vectors, np.flatnonzero(where), queries, k, self.space)
        moved = np.where(extra.position < 0, np.iinfo(np.int64).max, extra.position + n)
        built = np.where(found.position < 0, np.iinfo(np.int64).max, found.position)
        both = merge([Neighbours(built, found.distance), Neighbours(moved, extra.distance)], k)
        position = np.where(np.isinf(both.distance), -1, both.position)
        return Neighbours(position, both.distance)


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

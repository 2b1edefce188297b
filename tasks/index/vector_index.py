"""What searches vectors, exactly or by HNSW shards, in positions of the vectors given; and the same by string ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakebed.connectors.errors import ConfigError
from lakebed.tasks.index.config import Space
from lakebed.tasks.index.kernel.flat import (
    Float32,
    Floats,
    Int64,
    Neighbours,
    flat_search,
    keep,
    merge,
    prepared,
    require_queries,
)
from lakebed.tasks.index.kernel.hnsw import Shard
from lakebed.tasks.index.kernel.twins import Twins, expand

Mask = NDArray[np.bool_]

MAX_EXACT_SHARE = 0.1
MAX_EXACT_VECTORS = 20_000


class VectorIndex(Protocol):
    """Nearest neighbours of queries among n vectors of one dimension."""

    @property
    def vectors(self) -> Float32:
        """The vectors, (n, dim), `prepared` for the space."""

    @property
    def space(self) -> Space:
        """The distance."""

    def search(self, queries: Floats, k: int, where: Mask | None = None) -> Neighbours:
        """The k nearest of each query, of those that `where` allows; fewer are padded with -1 and inf.

        Raises:
            ConfigError: if queries have another dimension, or k < 1.
            GraphError: if a query has NaN or infinity, or no direction.
        """


@dataclass(frozen=True)
class FlatIndex:
    """Exact search. Shapes: vectors (n, dim), `prepared`."""

    vectors: Float32
    space: Space = "cosine"

    def search(self, queries: Floats, k: int, where: Mask | None = None) -> Neighbours:
        """As `VectorIndex.search`."""
        rows = prepared(require_queries(queries, self.vectors.shape[1], k), self.space)
        if where is None:
            return flat_search(self.vectors, rows, k, self.space)
        return search_among(self.vectors, np.flatnonzero(where), rows, k, self.space)


@dataclass(frozen=True)
class HnswIndex:
    """HNSW shards side by side: vector p lies in shard p mod s, and there at p div s.

    Attributes:
        shards: their graphs; None for a shard that is searched exactly.
        ef: width of each shard's search.
    """

    vectors: Float32
    shards: Sequence[Shard | None]
    ef: Sequence[int]
    space: Space = "cosine"

    def search(self, queries: Floats, k: int, where: Mask | None = None) -> Neighbours:
        """As `VectorIndex.search`; exact where the filter is selective or the shards' graphs do not reach k."""
        rows = prepared(require_queries(queries, self.vectors.shape[1], k), self.space)
        if where is None:
            found = self._nearest(rows, k)
            return flat_search(self.vectors, rows, k, self.space) if found is None else found
        allowed = np.flatnonzero(where)
        if len(allowed) <= max(MAX_EXACT_VECTORS, int(MAX_EXACT_SHARE * len(self.vectors))):
            return search_among(self.vectors, allowed, rows, k, self.space)
        return self._filtered(rows, k, where, allowed)

    def _filtered(self, rows: Float32, k: int, where: Mask, allowed: Int64) -> Neighbours:
        """Asks for more than k and keeps those allowed; twice as many until each query has k, then exactly."""
        wanted = int(1.2 * k * len(self.vectors) / len(allowed)) + 16
        while wanted <= len(self.vectors) // 8:
            found = self._nearest(rows, wanted)
            if found is None:
                break
            kept = keep(found, where, k)
            if (kept.position >= 0).all():
                return kept
            wanted *= 2
        return search_among(self.vectors, allowed, rows, k, self.space)

    def _nearest(self, rows: Float32, k: int) -> Neighbours | None:
        n_shards = len(self.shards)
        parts: list[Neighbours] = []
        for number, (shard, ef) in enumerate(zip(self.shards, self.ef, strict=True)):
            found: Neighbours | None
            if shard is None:
                found = flat_search(self.vectors[number::n_shards], rows, k, self.space)
            else:
                found = shard.search(rows, min(k, len(shard)), ef)
            if found is None:
                return None
            is_there = found.position >= 0
            position = np.where(is_there, found.position * n_shards + number, -1)
            parts.append(found if n_shards == 1 else Neighbours(position, found.distance))
        return merge(parts, k)


def search_among(vectors: Float32, allowed: Int64, queries: Float32, k: int, space: Space) -> Neighbours:
    """Exact search among some of the vectors. Shapes: allowed (a,) ascending positions; queries `prepared`."""
    found = flat_search(vectors[allowed], queries, k, space)
    position = np.where(found.position < 0, -1, allowed[found.position] if len(allowed) else -1)
    return Neighbours(position, found.distance)


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

"""What searches vectors: exactly, or by HNSW shards; both answer in positions of the vectors given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

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
from lakebed.tasks.index.kernel.hnsw import search_shard

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
        shards: hnswlib's; None for a shard that is searched exactly.
        ef: width of each shard's search.
    """

    vectors: Float32
    shards: Sequence[Any]
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
                found = search_shard(shard, rows, min(k, shard.get_current_count()), ef)
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

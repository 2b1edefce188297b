"""One HNSW shard: built by one thread from vectors in a fixed order, its search tuned on vectors held out meanwhile.

Malkov and Yashunin, arXiv 1603.09320, by hnswlib. Departs from a plain build: `tuning_queries` vectors are linked last;
before that they are the queries on which ef, the width of the search, is raised until the recall is reached. They are
queries the index has not seen, as a user's are.
"""

from dataclasses import dataclass
from typing import Any

import hnswlib  # type: ignore[import-untyped]
import numpy as np

from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.index.kernel.flat import Float32, Neighbours, flat_search

MAX_EF = 1 << 14
_TIE = 1e-6
SPACES = {"cosine": "ip", "l2": "l2"}


@dataclass(frozen=True)
class BuiltShard:
    """A shard in memory.

    Attributes:
        index: hnswlib's; labels are positions in the shard.
        ef: width of the search that reached the recall, or the widest tried.
        recall: measured on the held-out vectors at that width.
    """

    index: Any
    ef: int
    recall: float


def build_shard(vectors: Float32, config: IndexConfig) -> BuiltShard:
    """Links all vectors, in their order, with one thread: the same vectors give the same file.

    Shapes: vectors (n, dim), `prepared`, n ≥ 1.
    """
    n, dim = vectors.shape
    index = hnswlib.Index(space=SPACES[config.space], dim=dim)
    index.init_index(n, ef_construction=config.ef_construction, M=config.links, random_seed=config.seed)
    index.set_num_threads(1)
    n_held = min(config.tuning_queries, n // 10)
    held = np.zeros(n, np.bool_)
    held[np.random.default_rng(config.seed).choice(n, n_held, replace=False)] = True
    index.add_items(vectors[~held], np.flatnonzero(~held), num_threads=1)
    ef, recall = tune(index, vectors[~held], vectors[held], config)
    if n_held:
        index.add_items(vectors[held], np.flatnonzero(held), num_threads=1)
    return BuiltShard(index, ef, recall)


def tune(index: Any, vectors: Float32, queries: Float32, config: IndexConfig) -> tuple[int, float]:
    """The least ef of a geometric ladder, refined by halving, whose recall reaches the target; and that recall.

    Not beyond n / M: there exact search compares no more vectors. Where there are no queries: ef 4·k, recall 1 by
    definition of nothing missed.
    """
    k = min(config.recall_k, len(vectors))
    if not len(queries) or not k:
        return max(16, 4 * config.recall_k), 1.0
    exact = flat_search(vectors, queries, k, config.space).distance
    widest = max(k, min(MAX_EF, len(vectors) // config.links))
    low, high, best = k, k, 0.0
    while (best := _recall_at(index, queries, exact, high)) < config.recall and high < widest:
        low, high = high, min(widest, high * 2)
    while high - low > max(1, high // 16):
        middle = (low + high) // 2
        reached = _recall_at(index, queries, exact, middle)
        low, high, best = (low, middle, reached) if reached >= config.recall else (middle, high, best)
    return high, best


def recall_by_distance(found: Float32, exact: Float32) -> float:
    """Share of the k nearest that were found; a neighbour as near as the k-th counts, whichever of equals it is.

    Shapes: found (q, k), exact (q, k), ascending.
    """
    if not exact.size:
        return 1.0
    bound = exact[:, -1:] * (1 + 1e-5) + _TIE
    return float((found[:, : exact.shape[1]] <= bound).mean())


def search_shard(index: Any, queries: Float32, k: int, ef: int) -> Neighbours | None:
    """The k nearest of each query, k ≤ vectors of the shard; None if the shard's graph does not reach so many."""
    index.set_ef(max(ef, k))
    try:
        labels, distances = index.knn_query(queries, k=k, num_threads=1)
    except RuntimeError:
        return None
    return Neighbours(labels.view(np.int64), np.maximum(distances, np.float32(0), out=distances))


def _recall_at(index: Any, queries: Float32, exact: Float32, ef: int) -> float:
    found = search_shard(index, queries, exact.shape[1], ef)
    return 0.0 if found is None else recall_by_distance(found.distance, exact)

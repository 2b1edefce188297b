"""One HNSW shard: built by one thread in a shuffle of the seed, its search tuned on vectors held out meanwhile.

Malkov and Yashunin, arXiv 1603.09320, by hnswlib. Departs from a plain build:
- Vectors are linked in a shuffle of growing rounds, not in the order of their ids. Neighbours in a graph have ids near
  each other, and where whole regions come one after the other, the early links stay within a region and searches must
  be wide. Within a round ids ascend, so that what is linked next lies in the cache: a whole shuffle builds 1.5 times
  as long (Amenta, Choi and Rote 2003, "Incremental constructions con BRIO").
- The last `tuning_queries` of the shuffle are linked last; before that they are the queries on which ef, the width of
  the search, is raised until the recall is reached. They are queries the index has not seen, as a user's are.
"""

from dataclasses import dataclass
from typing import Any

import hnswlib  # type: ignore[import-untyped]
import numpy as np

from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.index.kernel.codes import CodedShard, from_hnswlib, scale_of
from lakebed.tasks.index.kernel.flat import Float32, Int64, Neighbours, flat_search

MAX_EF = 1 << 14
FIRST_ROUND, ROUND_GROWTH = 1_000, 4
_TIE = 1e-6
SPACES = {"cosine": "ip", "l2": "l2"}


@dataclass(frozen=True)
class HnswShard:
    """hnswlib's index, its labels positions in the shard."""

    index: Any

    def __len__(self) -> int:
        return int(self.index.get_current_count())

    def search(self, queries: Float32, k: int, ef: int) -> Neighbours | None:
        """The k nearest of each query, k ≤ vectors of the shard; None if the graph does not reach so many."""
        self.index.set_ef(max(ef, k))
        try:
            labels, distances = self.index.knn_query(queries, k=k, num_threads=1)
        except RuntimeError:
            return None
        return Neighbours(labels.view(np.int64), np.maximum(distances, np.float32(0), out=distances))


# a graph that is searched
Shard = HnswShard | CodedShard


@dataclass(frozen=True)
class BuiltShard:
    """A shard in memory.

    Attributes:
        index: what is searched.
        ef: width of the search that reached the recall, or the widest tried.
        recall: measured on the held-out vectors at that width.
    """

    index: Shard
    ef: int
    recall: float


def build_shard(vectors: Float32, config: IndexConfig) -> BuiltShard:
    """Links all vectors with one thread, in a shuffle of the seed: the same vectors give the same file.

    Shapes: vectors (n, dim), `prepared`, n ≥ 1.
    """
    n, dim = vectors.shape
    index = hnswlib.Index(space=SPACES[config.space], dim=dim)
    index.init_index(n, ef_construction=config.ef_construction, M=config.links, random_seed=config.seed)
    index.set_num_threads(1)
    n_held = min(config.tuning_queries, n // 10)
    early, late = insertion_order(n, n_held, config.seed)
    index.add_items(vectors[early], early, num_threads=1)
    ef, recall = tune(_searched(index, vectors, config), vectors[early], vectors[late], config)
    if n_held:
        index.add_items(vectors[late], late, num_threads=1)
    return BuiltShard(_searched(index, vectors, config), ef, recall)


def insertion_order(n: int, n_late: int, seed: int) -> tuple[Int64, Int64]:
    """A shuffle in rounds, each three times as long as all before it and ascending in itself; and its last n_late.

    Shapes: (n - n_late,), (n_late,).
    """
    early, late = np.split(np.random.default_rng(seed).permutation(n), [n - n_late])
    ends = [len(early)]
    while ends[-1] > FIRST_ROUND:
        ends.append(ends[-1] // ROUND_GROWTH)
    rounds = np.split(early, ends[:0:-1])
    return np.concatenate([np.sort(one) for one in rounds]), late


def _searched(index: Any, vectors: Float32, config: IndexConfig) -> Shard:
    """What is searched of hnswlib's index as it stands."""
    if config.storage == "float32":
        return HnswShard(index)
    return from_hnswlib(index.__getstate__()[0], vectors, scale_of(vectors), config.space)


def tune(shard: Shard, vectors: Float32, queries: Float32, config: IndexConfig) -> tuple[int, float]:
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
    while (best := _recall_at(shard, queries, exact, high)) < config.recall and high < widest:
        low, high = high, min(widest, high * 2)
    while high - low > max(1, high // 16):
        middle = (low + high) // 2
        reached = _recall_at(shard, queries, exact, middle)
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


def _recall_at(shard: Shard, queries: Float32, exact: Float32, ef: int) -> float:
    found = shard.search(queries, exact.shape[1], ef)
    return 0.0 if found is None else recall_by_distance(found.distance, exact)

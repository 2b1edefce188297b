"""Hard negatives: for each link the pairs that simple predictors would take for one, of either end.

Source: HeaRT (Li et al., NeurIPS 2023, arXiv 2306.10453): of each end the other nodes are ranked by several heuristics,
a node counts by its best rank, and no pair that is a link anywhere is taken. *Departs from it*: on a lake the overlap
stands in the place of personalised PageRank, whose walks would all pass through the commonest values.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lakebed.tasks.links.kernel.features import NodeFeatures
from lakebed.tasks.links.kernel.neighbours import SMOOTHING, adamic_adar
from lakebed.tasks.links.kernel.propagation import transition_matrix

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bools = NDArray[np.bool_]
Heuristic = Callable[[Int64, Int64], Float]
RESTART, N_STEPS = 0.15, 30
MAX_STEPS, BLOCK_CELLS = 1 << 34, 1 << 22
CELL_STEPS, JITTER = 512, 1e-9
MAX_VALUE_COLUMNS = 100


@dataclass(frozen=True)
class HardGroups:
    """Links, and as many hard others of each. Shapes: links (k, 2); others (k, m, 2), each with an end of its link."""

    links: Int64
    others: Int64

    @classmethod
    def none(cls) -> "HardGroups":
        """No links."""
        return cls(np.empty((0, 2), np.int64), np.empty((0, 1, 2), np.int64))


@dataclass(frozen=True)
class HardSource:
    """What hard negatives are drawn from.

    Shapes: graph (n, n) that may be read; reach (n, n) the neighbourhoods that are compared; taken (n, n) links of
    every part, which are no negatives; pools of nodes, of which no two share one; owner (n,) as in `LadderInputs`.
    """

    graph: sparse.csr_array
    reach: sparse.csr_array
    taken: sparse.csr_array
    pools: tuple[Int64, ...]
    features: NodeFeatures | None = None
    owner: Int64 | None = None

    @property
    def heuristics(self) -> tuple[Heuristic, ...]:
        """What ranks the others."""
        reach = self.reach if self.owner is None else _without_hubs(self.reach, MAX_VALUE_COLUMNS)
        second = _pagerank(self.graph) if self.owner is None else _overlap(reach)
        read = None if self.features is None else self.features.plain
        by_features = () if read is None else (lambda heads, pool: _dense(read[heads] @ read[pool].T),)
        return (_weighted(reach, adamic_adar(self.reach)), second, *by_features)

    def most_links(self) -> int:
        """How many links so many steps do: those of the products of PageRank, and the cells that are ranked."""
        walk = N_STEPS * self.graph.nnz if self.owner is None else 0
        cells = CELL_STEPS * max((len(pool) for pool in self.pools), default=1)
        return int(max(8, MAX_STEPS // (2 * (walk + cells + 1))))


def hard_groups(links: Int64, source: HardSource, n_others: int, seed: int) -> HardGroups:
    """Half of the others share a link's first node, half its second.

    A node with fewer free partners repeats them; a link of which an end has none is left out.
    Shapes: links (k, 2); result others (k', 2·⌈n_others / 2⌉, 2).
    """
    n_each, n_nodes, heuristics = -(-n_others // 2), source.graph.shape[0], source.heuristics
    heads, place = np.unique(links, return_inverse=True)
    hardest = np.full((len(heads), n_each), -1, np.int64)
    pool_of = np.full(n_nodes, -1, np.int64)
    for number, pool in enumerate(source.pools):
        pool_of[pool] = number
    for number, pool in enumerate(source.pools):
        rows = np.flatnonzero(pool_of[heads] == number)
        n_rows = max(1, BLOCK_CELLS // max(n_nodes if source.owner is None else len(pool), 1))
        for start in range(0, len(rows), n_rows):
            block = rows[start : start + n_rows]
            ranked = _ranks(source, heuristics, (heads[block], pool), n_each, seed)
            hardest[block] = _hardest(ranked, pool, n_each)
    tails = hardest[place.reshape(-1, 2)]
    kept = (tails >= 0).all(axis=(1, 2))
    ends = np.broadcast_to(links[kept][:, :, None], tails[kept].shape)
    return HardGroups(links[kept], np.stack([ends, tails[kept]], axis=-1).reshape(len(ends), 2 * n_each, 2))


def _ranks(
    source: HardSource, heuristics: tuple[Heuristic, ...], ends: tuple[Int64, Int64], n_each: int, seed: int
) -> Int64:
    """The best rank of each node of a pool for each head, and then all ranks; the greatest number where it is taken.

    Shapes: ends the heads and the pool; result (heads, pool). O(heads · pool).
    """
    heads, pool = ends
    is_taken = _taken(source, heads, pool)
    jitter = JITTER * _noise(heads, pool, seed)
    n_best = min(n_each, len(pool))
    best, total = np.full(is_taken.shape, n_best, np.int64), np.zeros(is_taken.shape, np.int64)
    for heuristic in heuristics:
        rank = np.full(is_taken.shape, n_best, np.int64)
        scores = np.where(is_taken, -np.inf, heuristic(heads, pool) + jitter)
        first = np.argpartition(-scores, n_best - 1, axis=1)[:, :n_best]
        order = np.argsort(-np.take_along_axis(scores, first, axis=1), axis=1, kind="stable")
        places = np.broadcast_to(np.arange(n_best), order.shape)
        np.put_along_axis(rank, np.take_along_axis(first, order, axis=1), places, axis=1)
        best, total = np.minimum(best, rank), total + rank
    return np.where(is_taken, np.iinfo(np.int64).max, best * (1 << 32) + total)


def _hardest(key: Int64, pool: Int64, n_each: int) -> Int64:
    """The nodes of the least keys of each head, repeated where they are few; -1 where none is. (heads, n_each)."""
    n_best = min(n_each, len(pool))
    chosen = np.argpartition(key, n_best - 1, axis=1)[:, :n_best]
    chosen = np.take_along_axis(chosen, np.argsort(np.take_along_axis(key, chosen, axis=1), axis=1, kind="stable"), 1)
    n_free = np.minimum((key < np.iinfo(np.int64).max).sum(axis=1), n_best)
    at = np.arange(n_each) % np.maximum(n_free, 1)[:, None]
    return np.where(n_free[:, None] > 0, pool[np.take_along_axis(chosen, at, axis=1)], -1)


def _taken(source: HardSource, heads: Int64, pool: Int64) -> Bools:
    """Whether a head and a node are linked, one and the same, or of one owner."""
    taken = _dense(source.taken[heads][:, pool]) > 0
    taken |= heads[:, None] == pool
    if source.owner is not None:
        taken |= source.owner[heads][:, None] == source.owner[pool]
    return np.asarray(taken)


def _weighted(reach: sparse.csr_array, weight: Float) -> Heuristic:
    scaled = sparse.csr_array(reach @ sparse.diags_array(weight))
    return lambda heads, pool: _dense(scaled[heads] @ reach[pool].T)


def _without_hubs(reach: sparse.csr_array, most: int) -> sparse.csr_array:
    """What is left of neighbourhoods without the values that stand in more columns than so many."""
    kept = np.diff(reach.indptr) <= most
    left = sparse.csr_array(reach @ sparse.diags_array(kept.astype(np.float32)))
    left.eliminate_zeros()
    return left


def _overlap(reach: sparse.csr_array) -> Heuristic:
    """The share of the smaller neighbourhood that is shared."""
    weight = 1.0 / np.maximum(np.bincount(reach.indices, minlength=reach.shape[1]), 1.0)
    shared, size = _weighted(reach, weight), np.asarray(reach @ weight) + SMOOTHING
    return lambda heads, pool: shared(heads, pool) / np.minimum(size[heads][:, None], size[pool])


def _pagerank(graph: sparse.csr_array) -> Heuristic:
    """Personalised PageRank (Page et al. 1999) of a node seen from the head, and of the head seen from it.

    On an undirected graph the one is the other times the ratio of degrees, so that the head's walks do for both.
    """
    walk = sparse.csr_array(transition_matrix(graph).T)
    degree = np.maximum(np.diff(graph.indptr), 1).astype(np.float64)

    def scores(heads: Int64, pool: Int64) -> Float:
        start: NDArray[np.float32] = np.zeros((graph.shape[0], len(heads)), np.float32)
        start[heads, np.arange(len(heads))] = RESTART
        reached = start.copy()
        for _ in range(N_STEPS):
            reached = start + np.float32(1.0 - RESTART) * np.asarray(walk @ reached, np.float32)
        return np.asarray(reached[pool].T * (1.0 + degree[heads][:, None] / degree[pool]))

    return scores


def _dense(matrix: sparse.csr_array) -> Float:
    return np.asarray(matrix.toarray(), np.float64)


def _noise(heads: Int64, pool: Int64, seed: int) -> Float:
    """Numbers in [0, 1) of (seed, head, node) alone, which break ties; SplitMix64's finaliser (Steele et al. 2014)."""
    mixed = _mixed(_mixed(np.uint64(seed) + heads.astype(np.uint64))[:, None] + pool.astype(np.uint64))
    return np.asarray((mixed >> np.uint64(11)) * 2.0**-53)


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Wraps around on purpose."""
    x = numbers * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def spread_out(links: Int64, most: int) -> Int64:
    """At most so many of the links, evenly from their order, which is one drawn by the seed."""
    return links if len(links) <= most else links[np.linspace(0, len(links) - 1, most).astype(np.int64)]


def group_rows(groups: HardGroups) -> Int64:
    """The links, then the others of the first link, the second and so on, to be scored at once. Shapes: (·, 2)."""
    return np.concatenate([groups.links, groups.others.reshape(-1, 2)])


def grouped(rows: Float, groups: HardGroups) -> tuple[Float, Float]:
    """What was found for `group_rows`, told apart. Shapes: rows (·, …); results (k, …), (k, m, …)."""
    n_links, shape = len(groups.links), groups.others.shape[:2]
    return rows[:n_links], rows[n_links:].reshape(*shape, *rows.shape[1:])

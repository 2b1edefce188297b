"""How good scores are: AUC, and Hits@K and MRR as the Open Graph Benchmark defines them (Hu et al., NeurIPS 2020).

Ties count against us throughout: a positive that scores no more than a negative is ranked below it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from connectors.errors import GraphError

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
PairScorer = Callable[[Int64], Float]


@dataclass(frozen=True)
class LinkMetrics:
    """Figures of one scorer; `hits` by K."""

    auc: float
    hits: dict[int, float]
    mrr: float


def auc(positive: Float, negative: Float) -> float:
    """Chance that a positive scores above a negative, a tie counting half. O(n log n)."""
    low, high = np.sort(negative), _finite(positive)
    below = np.searchsorted(low, high, side="left") + np.searchsorted(low, high, side="right")
    return float(below.sum() / (2.0 * len(high) * len(_finite(low))))


def hits_at(positive: Float, negative: Float, k: int) -> float:
    """Share of the positives that score above the K-th highest negative; all do where there are fewer than K."""
    if len(negative) < k:
        return 1.0
    bound = np.partition(_finite(negative), len(negative) - k)[len(negative) - k]
    return float(np.mean(_finite(positive) > bound))


def mean_reciprocal_rank(positive: Float, tails: Float) -> float:
    """Mean of 1 / rank of each positive among its own negative tails. Shapes: positive (k,); tails (k, n_tails)."""
    ranks = 1 + (_finite(tails) >= _finite(positive)[:, None]).sum(axis=1)
    return float(np.mean(1.0 / ranks))


def sample_tails(edges: Int64, test: Int64, n_nodes: int, n_tails: int, seed: int) -> Int64:
    """For each test edge (head, tail), nodes that are not linked to its head: filtered, drawn by the seed.

    A head with fewer free nodes than asked repeats them.
    Shapes: edges (m, 2) of the whole graph, simple; test (k, 2); result (k, n_tails).
    """
    random = np.random.Generator(np.random.PCG64([seed, 1]))
    both = np.concatenate([edges, edges[:, ::-1], np.repeat(np.arange(n_nodes), 2).reshape(-1, 2)])
    taken = np.unique(both[:, 0] * n_nodes + both[:, 1])
    drawn = random.integers(0, n_nodes, (len(test), n_tails))
    keys = test[:, :1] * n_nodes + drawn
    for _ in range(1_000):
        bad = np.isin(keys, taken)
        if not bad.any():
            return keys % n_nodes
        heads = np.broadcast_to(test[:, :1], keys.shape)[bad]
        keys[bad] = heads * n_nodes + random.integers(0, n_nodes, len(heads))
    raise GraphError(
        "a node is linked to nearly every other: no negative tails can be drawn",
        value=f"node {int(test[np.flatnonzero(bad.any(axis=1))[0], 0])}",
        expected="nodes that are not linked to it",
        hint="leave hubs out of the graph",
    )


def measure(score: PairScorer, pairs: tuple[Int64, Int64], tails: Int64, ks: Sequence[int]) -> LinkMetrics:
    """All figures of one scorer on (test edges, test negatives) and their tails."""
    test, negative = pairs
    positive, other = score(test), score(negative)
    heads = np.repeat(test[:, 0], tails.shape[1])
    tail_scores = score(np.stack([heads, tails.ravel()], axis=1)).reshape(tails.shape)
    hits = {k: hits_at(positive, other, k) for k in ks}
    return LinkMetrics(auc(positive, other), hits, mean_reciprocal_rank(positive, tail_scores))


def _finite(scores: Float) -> Float:
    if not len(scores) or not np.isfinite(scores).all():
        raise GraphError(
            "a rung gave no score, or one that is no number",
            value=f"{int((~np.isfinite(scores)).sum())} of {scores.size}",
            expected="a finite score for each pair",
            hint="look for NaN among the node features",
        )
    return scores

"""How good scores are: AUC, and Hits@K and MRR as the Open Graph Benchmark defines them (Hu et al., NeurIPS 2020).

Ties count against us throughout: a positive that scores no more than a negative is ranked below it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lakebed.connectors.errors import GraphError
from lakebed.tasks.encoding.distinct import distinct

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]


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
    return float(np.mean(1.0 / tail_ranks(positive, tails)))


def tail_ranks(positive: Float, tails: Float) -> Float:
    """The rank of each positive among its own negative tails, from 1; ties count against it. Shapes: as above; (k,)."""
    return np.asarray(1.0 + (_finite(tails) >= _finite(positive)[:, None]).sum(axis=1))


def sample_tails(edges: Int64, test: Int64, n_nodes: int, n_tails: int, seed: int) -> Int64:
    """For each test edge (head, tail), nodes that are not linked to its head: filtered, drawn by the seed.

    A head with fewer free nodes than asked repeats them.
    Shapes: edges (m, 2) of the whole graph, simple; test (k, 2); result (k, n_tails).
    """
    random = np.random.Generator(np.random.PCG64([seed, 1]))
    both = np.concatenate([edges, edges[:, ::-1], np.repeat(np.arange(n_nodes), 2).reshape(-1, 2)])
    taken = distinct(both[:, 0] * n_nodes + both[:, 1])
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


def average_precision(scores: Float, is_link: NDArray[np.bool_]) -> float:
    """Mean over the links of the share of links among all pairs that score no less; ties count against us.

    Shapes: scores, is_link (m,).
    """
    order = np.lexsort((is_link, -_finite(scores)))
    hits = np.cumsum(is_link[order])
    return float(np.mean((hits / np.arange(1, len(order) + 1))[is_link[order]]))


def measure(positive: Float, negative: Float, tails: Float, ks: Sequence[int]) -> LinkMetrics:
    """All figures of one scorer. Shapes: scores of the links (k,), of the others (m,), of the tails (k, n_tails)."""
    hits = {k: hits_at(positive, negative, k) for k in ks}
    return LinkMetrics(auc(positive, negative), hits, mean_reciprocal_rank(positive, tails))


def group_ranks(links: Float, others: Float) -> Float:
    """The rank of each link among its own others, from 1; ties count half, as in HeaRT (Li et al. 2023).

    Shapes: links (g,); others (g, m); result (g,).
    """
    scores = _finite(links)[:, None]
    others = _finite(others)
    return np.asarray(1.0 + 0.5 * ((others > scores).sum(axis=1) + (others >= scores).sum(axis=1)))


def measure_groups(links: Float, others: Float, ks: Sequence[int]) -> LinkMetrics:
    """The figures where each link is ranked among its own others. Shapes: links (g,); others (g, m)."""
    ranks = group_ranks(links, others)
    hits = {k: float(np.mean(ranks <= k)) for k in ks}
    return LinkMetrics(float(1.0 - np.mean((ranks - 1.0) / others.shape[1])), hits, float(np.mean(1.0 / ranks)))


def _finite(scores: Float) -> Float:
    if not len(scores) or not np.isfinite(scores).all():
        raise GraphError(
            "a rung gave no score, or one that is no number",
            value=f"{int((~np.isfinite(scores)).sum())} of {scores.size}",
            expected="a finite score for each pair",
            hint="look for NaN among the node features",
        )
    return scores

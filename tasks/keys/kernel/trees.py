"""Boosted trees as arrays: what they say of pairs, and how chances are calibrated (Platt 1999)."""

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.keys.kernel.columns import Float64, Int64

_CLIP = 1e-6


@dataclass(frozen=True)
class Trees:
    """Bags of regression trees over the figures of a pair.

    Shapes: feature, left, right (m,) int; threshold, value (m,) float64, one a node; roots (t,); bag (t,) of each tree;
    bias (b,), one a bag.

    Attributes:
        feature: number of the figure that an inner node asks for; -1 at a leaf.
        left, right: nodes where the figure is at most the threshold, and where it is more.
        slope, offset: of the log-odds, by Platt.
    """

    feature: Int64
    threshold: Float64
    left: Int64
    right: Int64
    value: Float64
    roots: Int64
    bag: Int64
    bias: Float64
    slope: float = 1.0
    offset: float = 0.0


def tree_chances(trees: Trees, features: Float64) -> Float64:
    """The calibrated chance of each pair. Shapes: features (p, f); result (p,). O(p · trees · depth)."""
    return calibrated(raw_chances(trees, features), trees.slope, trees.offset)


def raw_chances(trees: Trees, features: Float64) -> Float64:
    """The mean over the bags of the chances of their trees' sums, (p,)."""
    nodes = (trees.feature, trees.threshold, trees.left, trees.right, trees.value)
    score = np.repeat(trees.bias[None, :], len(features), axis=0)
    _add_trees(np.ascontiguousarray(features), *nodes, trees.roots, trees.bag, score)
    found: Float64 = (1 / (1 + np.exp(-score))).mean(axis=1)
    return found


@nb.njit(cache=True, nogil=True)
def _add_trees(
    features: Float64,
    feature: Int64,
    threshold: Float64,
    left: Int64,
    right: Int64,
    value: Float64,
    roots: Int64,
    bag: Int64,
    score: Float64,
) -> None:
    for row in range(len(features)):
        for tree in range(len(roots)):
            node = roots[tree]
            while feature[node] >= 0:
                node = left[node] if features[row, feature[node]] <= threshold[node] else right[node]
            score[row, bag[tree]] += value[node]


def calibrated(chance: Float64, slope: float, offset: float) -> Float64:
    """Chances whose log-odds are stretched and moved, (p,)."""
    return 1 / (1 + np.exp(-(slope * log_odds(chance) + offset)))


def log_odds(chance: NDArray[np.float64]) -> Float64:
    """Of chances that are kept off 0 and 1, (p,)."""
    kept = np.clip(chance, _CLIP, 1 - _CLIP)
    found: Float64 = np.log(kept / (1 - kept))
    return found

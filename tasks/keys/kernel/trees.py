"""Boosted trees as arrays: what they say of pairs, and how chances are calibrated (Platt 1999)."""

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.keys.kernel.columns import Float64, Int64

_CLIP = 1e-6
# pairs that go down a tree together
_BLOCK = 256


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

    @property
    def steps(self) -> tuple[Int64, Int64]:
        """Children of each node (k, 2), a leaf's are itself; and the depth of each tree (r,)."""
        own, is_leaf = np.arange(len(self.feature)), self.feature < 0
        children = np.stack([np.where(is_leaf, own, self.left), np.where(is_leaf, own, self.right)], axis=1)
        depths, tree, level = np.zeros(len(self.roots), np.int64), np.arange(len(self.roots)), self.roots
        while len(level):
            is_inner = ~is_leaf[level]
            tree, level = np.repeat(tree[is_inner], 2), children[level[is_inner]].ravel()
            # once a tree, however many of its nodes are on this level
            depths[tree] += 1
        return children, depths


def tree_chances(trees: Trees, features: Float64) -> Float64:
    """The calibrated chance of each pair. Shapes: features (p, f); result (p,). O(p · trees · depth)."""
    return calibrated(raw_chances(trees, features), trees.slope, trees.offset)


def raw_chances(trees: Trees, features: Float64) -> Float64:
    """The mean over the bags of the chances of their trees' sums, (p,)."""
    score = np.repeat(trees.bias[:, None], len(features), axis=1)
    asked = np.maximum(trees.feature, 0), trees.threshold, *trees.steps
    _add_trees(np.ascontiguousarray(features.T), *asked, trees.value, trees.roots, trees.bag, score)
    found: Float64 = np.ascontiguousarray(1 / (1 + np.exp(-score.T))).mean(axis=1)
    return found


@nb.njit(cache=True, nogil=True)
def _add_trees(
    features: Float64,
    feature: Int64,
    threshold: Float64,
    children: Int64,
    depths: Int64,
    value: Float64,
    roots: Int64,
    bag: Int64,
    score: Float64,
) -> None:
    """Adds each tree's value of each pair: a level at a time over a block of pairs, without a branch to guess.

    Shapes: features (f, p); score (bags, p).
    """
    node = np.empty(_BLOCK, np.int64)
    for first in range(0, features.shape[1], _BLOCK):
        n = min(_BLOCK, features.shape[1] - first)
        for tree in range(len(roots)):
            node[:] = roots[tree]
            for _ in range(depths[tree]):
                for i in range(n):
                    at = node[i]
                    # what is no number goes right
                    node[i] = children[at, 1 - (features[feature[at], first + i] <= threshold[at])]
            for i in range(n):
                score[bag[tree], first + i] += value[node[i]]


def calibrated(chance: Float64, slope: float, offset: float) -> Float64:
    """Chances whose log-odds are stretched and moved, (p,)."""
    return 1 / (1 + np.exp(-(slope * log_odds(chance) + offset)))


def log_odds(chance: NDArray[np.float64]) -> Float64:
    """Of chances that are kept off 0 and 1, (p,)."""
    kept = np.clip(chance, _CLIP, 1 - _CLIP)
    found: Float64 = np.log(kept / (1 - kept))
    return found

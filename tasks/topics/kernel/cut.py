"""Where the tree is cut, without knowing the truth: at the density from which a merge does not pay."""

import math
from dataclasses import dataclass

import numpy as np

from lakebed.tasks.topics.kernel.linkage import Merges

FIRST_GAMMA = 0.1


@dataclass(frozen=True)
class Inside:
    """Weight and pairs of nodes inside the clusters that a tree begins with."""

    weight: float = 0.0
    pairs: float = 0.0


@dataclass(frozen=True)
class Cut:
    """The first merges of a tree, those at or above a density.

    Attributes:
        gamma: that density.
        n_merges: how many they are.
        likelihood: logarithm of the planted partition's, up to what does not depend on the partition.
    """

    gamma: float
    n_merges: int
    likelihood: float


def cut(merges: Merges, n_nodes: int, start: Inside = Inside()) -> Cut:
    """Cuts at (p_in - p_out) / ln(p_in / p_out), of the densities inside and between the groups of that very cut.

    In a planted partition this is the density at which a merge stops to pay (Newman 2016, "Equivalence between
    modularity optimization and maximum likelihood methods for community detection"). Until the cut stays: from the
    clusters that the tree begins with, where they hold more than single nodes; from .1 else, or half of the greatest
    density where that is less.

    Args:
        merges: all of the tree; no edge is left between the groups that it ends with.
        n_nodes: nodes of the graph.
        start: what lies inside the clusters to begin with.
    """
    weight = start.weight + np.concatenate([[0.0], np.cumsum(merges.height * merges.pairs)])
    pairs = start.pairs + np.concatenate([[0.0], np.cumsum(merges.pairs)])
    n_pairs = n_nodes * (n_nodes - 1) / 2
    gamma = min(FIRST_GAMMA, float(merges.height.max(initial=0.0)) / 2)
    if start.pairs > 0:
        gamma = paying_density(_density(weight[0], pairs[0]), _density(weight[-1] - weight[0], n_pairs - pairs[0]))
    n_merges, seen = -1, set[int]()
    while n_merges not in seen:
        seen.add(n_merges)
        n_merges = int(np.searchsorted(-merges.height, -gamma, side="right"))
        within = _density(weight[n_merges], pairs[n_merges])
        between = _density(weight[-1] - weight[n_merges], n_pairs - pairs[n_merges])
        gamma = paying_density(within, between)
    outside = weight[-1] - weight[n_merges]
    return Cut(float(gamma), n_merges, _likelihood(weight[n_merges], within) + _likelihood(outside, between))


def paying_density(within: float, between: float) -> float:
    """The same of two densities; that inside, where it is not the greater one, and 0 where nothing lies between."""
    if between <= 0:
        return 0.0
    return (within - between) / math.log(within / between) if within > between else within


def _density(weight: float, pairs: float) -> float:
    return max(weight, 0.0) / pairs if pairs > 0 else 0.0


def _likelihood(weight: float, density: float) -> float:
    """What edges of one kind add to the logarithm of a Poisson model's likelihood at its best density."""
    return weight * math.log(density) if density > 0 else 0.0

import numpy as np
import pytest

from lakebed.tasks.keys.kernel.trees import Trees, raw_chances

N_FIGURES, N_BAGS = 5, 2


def grown(rng, n_trees):
    """Trees of any shape, single leaves among them, and for each its root."""
    nodes, roots = [], []

    def grow(depth):
        at = len(nodes)
        nodes.append([-1, 0.0, 0, 0, rng.standard_normal()])
        if depth and rng.random() < 0.8:
            nodes[at][:2] = rng.integers(N_FIGURES), rng.random()
            nodes[at][2], nodes[at][3] = grow(depth - 1), grow(depth - 1)
        return at

    for _ in range(n_trees):
        roots.append(grow(int(rng.integers(0, 5))))
    feature, threshold, left, right, value = map(np.array, zip(*nodes, strict=True))
    bag = rng.integers(0, N_BAGS, n_trees)
    return Trees(feature, threshold, left, right, value, np.array(roots), bag, rng.standard_normal(N_BAGS))


def walked(trees, row):
    """One pair's chance, node by node."""
    sums = trees.bias.copy()
    for root, bag in zip(trees.roots.tolist(), trees.bag.tolist(), strict=True):
        at = root
        while trees.feature[at] >= 0:
            at = trees.left[at] if row[trees.feature[at]] <= trees.threshold[at] else trees.right[at]
        sums[bag] += trees.value[at]
    return (1 / (1 + np.exp(-sums))).mean()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("n_pairs", [0, 1, 300])
def test_many_pairs_at_once_come_out_as_each_alone(seed, n_pairs):
    rng = np.random.default_rng(seed)
    trees, features = grown(rng, 20), rng.random((n_pairs, N_FIGURES))
    features[rng.random(features.shape) < 0.1] = np.nan
    assert raw_chances(trees, features).tolist() == [walked(trees, row) for row in features]

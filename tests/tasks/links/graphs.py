"""Small graphs with a structure that a predictor can find."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Int64 = NDArray[np.int64]


def communities(n_groups: int = 6, size: int = 20, seed: int = 0) -> tuple[Int64, int]:
    """Edges mostly inside groups, and the number of nodes; one node more is isolated."""
    random = np.random.default_rng(seed)
    n = n_groups * size
    low, high = np.triu_indices(n, 1)
    chance = np.where(low // size == high // size, 0.35, 0.004)
    taken = random.random(len(low)) < chance
    return np.stack([low[taken], high[taken]], axis=1), n + 1


def group_features(n_nodes: int, size: int = 20, seed: int = 0) -> sparse.csr_array:
    """Noisy words of each node's group."""
    random = np.random.default_rng(seed)
    words = random.integers(0, 6, (n_nodes, 5)) + 6 * (np.arange(n_nodes)[:, None] // size)
    rows = np.repeat(np.arange(n_nodes), 5)
    return sparse.csr_array((np.ones(rows.size, np.float32), (rows, words.ravel())))

"""Paths of two steps between two nodes, counted by the kind of the node in the middle.

Source: path counts of heterogeneous networks (Sun et al., PathSim, VLDB 2011), read by a logistic model in the place of
a hand-set choice of paths.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lakebed.tasks.links.kernel.neighbours import SMOOTHING, resource_allocation, shared_neighbour_scores

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]


def metapath_columns(reach: sparse.csr_array, node_type: NDArray[np.int8], pairs: Int64) -> Float:
    """Of each kind of middle node: log counts, log counts weighted by 1 / degree, and these as a share of the lesser.

    And of which kind the pair itself is. Shapes: reach (n, n); node_type (n,) from 0; pairs (k, 2); result
    (k, 4 · kinds) float64. O(Σ neighbourhoods of the pairs · kinds).
    """
    n_types = int(node_type.max(initial=0)) + 1
    is_type = (node_type[:, None] == np.arange(n_types)).astype(np.float64)
    weights = np.concatenate([is_type, is_type * resource_allocation(reach)[:, None]], axis=1)
    found = shared_neighbour_scores(reach, pairs, weights)
    counts, weighted = found[:, :n_types], found[:, n_types:]
    size = np.asarray(reach @ weights[:, n_types:]) + SMOOTHING
    share = weighted / np.minimum(size[pairs[:, 0]], size[pairs[:, 1]])
    return np.concatenate([np.log1p(counts), np.log1p(weighted), share, is_type[pairs[:, 0]]], axis=1)

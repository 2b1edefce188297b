"""Features of nodes, projected by the hashes of their names into a part of the vector."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lakebed.tasks.embeddings.kernel.projection import Float32, UInt64, project, sparsity

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class NodeFeatures:
    """A sparse table of features: numbers by their column, text by one column for each of its values.

    Shapes: values (n_nodes, n_features) float32; feature_hash (n_features,) uint64, of each feature's name.
    """

    values: "csr_matrix"
    feature_hash: UInt64

    def projected(self, rows: slice, dim: int, seed: int) -> Float32:
        """The features of some nodes as `dim` numbers each. O(entries · dim)."""
        basis = np.empty((len(self.feature_hash), dim), np.float32)
        project(self.feature_hash, np.ones(len(basis), np.float32), sparsity(len(basis), dim), seed, basis)
        found: Float32 = np.asarray(self.values[rows] @ basis, np.float32)
        return found

"""Node features: weighted, checked, projected to a bounded width, and smoothed over the graph."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lakebed.connectors.errors import GraphError

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class NodeFeatures:
    """Rows of node features of length one, as CSR float32 (n_nodes, n_columns), made of so many columns.

    `plain` are the same without the columns' weights, which hard negatives are drawn by.
    """

    rows: sparse.csr_array
    n_given: int = 0
    plain: sparse.csr_array | None = None


def prepare_features(features: sparse.csr_array, n_nodes: int, max_columns: int, seed: int) -> NodeFeatures:
    """Columns weighted by log(n / nodes that have them), hash-projected beyond `max_columns`, rows of length one.

    Source: tf-idf (Spärck Jones 1972); signed feature hashing (Weinberger et al. 2009).
    Shapes: features (n_nodes, any); result (n_nodes, at most max_columns) float32.
    Raises: GraphError: if rows are missing, or a value is no finite number.
    """
    if features.shape[0] != n_nodes:
        raise GraphError(
            "the node features have another number of rows than the graph has nodes",
            value=features.shape[0],
            expected=str(n_nodes),
            hint="give one row a node, in the order of the nodes",
        )
    _require_finite(features)
    n_having = np.bincount(features.indices, minlength=features.shape[1])
    weight = np.log((1.0 + n_nodes) / (1.0 + n_having)).astype(np.float32)
    given = features.astype(np.float32)
    both = (sparse.csr_array(given @ sparse.diags_array(weight)), given)
    rows, plain = (_unit_rows(_hashed(part, max_columns, seed)) for part in both)
    return NodeFeatures(rows, features.shape[1], plain)


def smooth(features: NodeFeatures, transition: sparse.csr_array, n_hops: int) -> Float32:
    """Sum of the features and their means over 1 … n_hops steps, each of row length one; float32 (n, n_columns).

    FastRP (Chen et al. 2019) with the features in the place of the random projection and equal weights.
    Shapes: transition (n, n), rows that sum to one or to zero. O(n_hops · nnz · n_columns).
    """
    power = features.rows.toarray()
    total = power.copy()
    for _ in range(n_hops):
        power = np.asarray(transition @ power, np.float32)
        total += unit_vectors(power)
    return unit_vectors(total)


def smoothed_symmetric(features: NodeFeatures, normalised: sparse.csr_array, n_hops: int) -> list[Float32]:
    """The features after one to `n_hops` products with the symmetric-normalised graph, rows of length one.

    Only the last product's rows are scaled: a node of many neighbours weighs less in its neighbours' rows (Kipf and
    Welling 2017, without weights). Shapes: normalised (n, n); each (n, n_columns) float32.
    """
    power, found = features.rows.toarray(), []
    for _ in range(n_hops):
        power = np.asarray(normalised @ power, np.float32)
        found.append(unit_vectors(power))
    return found


def unit_vectors(vectors: Float32) -> Float32:
    """Rows of length one; a row of zeros stays as it is."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float32))
    return np.asarray(vectors / np.where(lengths > 0, lengths, np.float32(1.0))[:, None], np.float32)


def _require_finite(features: sparse.csr_array) -> None:
    bad = np.flatnonzero(~np.isfinite(features.data))
    if len(bad):
        row = int(np.searchsorted(features.indptr, bad[0], side="right") - 1)
        raise GraphError(
            "a node feature is no finite number",
            value=f"node {row}, column {int(features.indices[bad[0]])}: {features.data[bad[0]]}",
            expected="finite numbers",
            hint="leave the column out, or fill what is missing",
        )


def _hashed(features: sparse.csr_array, max_columns: int, seed: int) -> sparse.csr_array:
    n_columns = features.shape[1]
    if n_columns <= max_columns:
        return features
    random = np.random.Generator(np.random.PCG64([seed, 2]))
    target, sign = random.integers(0, max_columns, n_columns), random.integers(0, 2, n_columns) * 2 - 1
    places = (np.arange(n_columns), target)
    return sparse.csr_array(
        features @ sparse.csr_array((sign.astype(np.float32), places), shape=(n_columns, max_columns))
    )


def _unit_rows(features: sparse.csr_array) -> sparse.csr_array:
    squares = np.bincount(
        np.repeat(np.arange(features.shape[0]), np.diff(features.indptr)), features.data**2, features.shape[0]
    )
    scale = (1.0 / np.sqrt(np.where(squares > 0, squares, 1.0))).astype(np.float32)
    return sparse.csr_array(sparse.diags_array(scale) @ features)

"""The rungs of the ladder as one geometry: vectors whose inner products are a weighted mean of the rungs' cosines.

Rows of length one of each rung stand side by side, each times the root of the rung's weight, so that
cos(x, y) = Σ weight · cos_rung(x, y) for every pair of nodes that all rungs have a direction for. Weights are those of
a logistic model of the cosines, none below zero.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lakebed.tasks.links.config import LinksConfig
from lakebed.tasks.links.kernel.features import smooth, unit_vectors
from lakebed.tasks.links.kernel.ladder import LadderInputs, inner_products, labelled_pairs
from lakebed.tasks.links.kernel.propagation import transition_matrix
from lakebed.tasks.links.kernel.split import TooFewLinksError
from lakebed.tasks.links.kernel.stack import fit_logistic

Float32 = NDArray[np.float32]
Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
SKETCH_COLUMNS, BLOCK_COLUMNS = 256, 16


def rung_directions(inputs: LadderInputs, config: LinksConfig, nodes: Int64) -> dict[str, Float32]:
    """Rows of length one of each rung that has vectors, of some nodes. Shapes: each (len(nodes), any) float32."""
    found = {"neighbourhoods": neighbourhood_sketch(inputs.reach, nodes, config.split.seed)}
    found["fastrp"] = unit_vectors(inputs.fastrp[nodes])
    if inputs.features is not None:
        found["features"] = smooth(inputs.features, transition_matrix(inputs.graph), config.n_hops)[nodes]
    return found | {kind: unit_vectors(vectors[nodes]) for kind, vectors in inputs.networks.items()}


def neighbourhood_sketch(reach: sparse.csr_array, nodes: Int64, seed: int) -> Float32:
    """A projection whose cosines are those of the neighbourhoods, a shared neighbour counting 1 / degree, up to noise.

    Source: random projection (Johnson and Lindenstrauss 1984) of the rows of A·D^-½, whose inner products are resource
    allocation. Shapes: reach (n, n); result (len(nodes), SKETCH_COLUMNS), noise 1/√SKETCH_COLUMNS.
    """
    random = np.random.Generator(np.random.PCG64([seed, 12]))
    scale = (1.0 / np.sqrt(np.maximum(np.diff(reach.indptr), 1))).astype(np.float32)
    rows = sparse.csr_array(reach[nodes])
    result = np.empty((len(nodes), SKETCH_COLUMNS), np.float32)
    for start in range(0, SKETCH_COLUMNS, BLOCK_COLUMNS):
        projection = random.standard_normal((reach.shape[0], BLOCK_COLUMNS), np.float32) * scale[:, None]
        result[:, start : start + BLOCK_COLUMNS] = rows @ projection
    return unit_vectors(result)


def rung_weights(inputs: LadderInputs, config: LinksConfig) -> dict[str, float]:
    """The weight of each rung's cosine, from the validation pairs that fit the stack; they add up to 1.

    A rung that would count against a link gets none; all get the same where there are too few pairs to fit on.
    """
    try:
        pairs, is_link = labelled_pairs(inputs.split)
    except TooFewLinksError:
        names = rung_directions(inputs, config, np.empty(0, np.int64))
        return dict.fromkeys(names, 1.0 / len(names))
    nodes, places = np.unique(pairs, return_inverse=True)
    directions = rung_directions(inputs, config, nodes)
    cosines = np.stack([inner_products(rows, places.reshape(-1, 2)) for rows in directions.values()], axis=1)
    return dict(zip(directions, _weights(cosines, is_link).tolist(), strict=True))


def stacked_vectors(directions: Mapping[str, Float32], weights: Mapping[str, float]) -> Float32:
    """The rungs side by side, those of no weight left out. Shapes: directions (k, any) each; result (k, all)."""
    parts = [rows * np.float32(np.sqrt(weights[name])) for name, rows in directions.items() if weights[name] > 0]
    return np.ascontiguousarray(np.concatenate(parts, axis=1), np.float32)


def _weights(cosines: Float, is_link: NDArray[np.bool_]) -> Float:
    """Of a logistic model, from which columns of a negative weight are taken out until none is left."""
    weights, kept = np.zeros(cosines.shape[1]), np.arange(cosines.shape[1])
    while len(kept):
        model = fit_logistic(cosines[:, kept], is_link)
        slopes = model.weight / model.scale
        if (slopes > 0).all():
            weights[kept] = slopes
            return np.asarray(weights / weights.sum())
        kept = kept[slopes > 0]
    return np.full(len(weights), 1.0 / len(weights))

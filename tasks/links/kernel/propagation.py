"""One layer's product with the graph, exact and differentiable, whichever way it is computed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

Float32 = NDArray[np.float32]
Product = Callable[[Float32], Float32]


@dataclass(frozen=True)
class Propagation:
    """A linear map of node rows and its transpose, which is the map's backward pass.

    Shapes: both take and give (n, k) float32.
    """

    forward: Product
    backward: Product

    @classmethod
    def by_matrix(cls, matrix: sparse.csr_array) -> "Propagation":
        """The product with a stored matrix; its transpose is stored too."""
        transposed = sparse.csr_array(matrix.T)
        return cls(lambda rows: matrix @ rows, lambda rows: transposed @ rows)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """The product, as a step of the tape."""
        return _Product.apply(rows, self)  # type: ignore[no-any-return]


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, propagation: Propagation) -> torch.Tensor:
        ctx.propagation = propagation
        return torch.from_numpy(propagation.forward(rows.detach().contiguous().numpy()))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return torch.from_numpy(ctx.propagation.backward(gradients[0].contiguous().numpy())), None


def normalised_adjacency(adjacency: sparse.csr_array) -> sparse.csr_array:
    """D^-½ (A + I) D^-½ of Kipf and Welling 2017, with the degrees of A + I; symmetric."""
    with_self = sparse.csr_array(adjacency + sparse.eye_array(adjacency.shape[0], dtype=np.float32))
    scale = sparse.diags_array((1.0 / np.sqrt(_row_sums(with_self))).astype(np.float32))
    return sparse.csr_array(scale @ with_self @ scale)


def transition_matrix(adjacency: sparse.csr_array) -> sparse.csr_array:
    """D⁻¹ A: the mean over the neighbours; the row of an isolated node is zero."""
    sums = _row_sums(adjacency)
    scale = np.divide(1.0, sums, out=np.zeros_like(sums), where=sums > 0)
    return sparse.csr_array(sparse.diags_array(scale.astype(np.float32)) @ adjacency)


def _row_sums(matrix: sparse.csr_array) -> NDArray[np.float64]:
    return np.asarray(matrix.sum(axis=1), np.float64).ravel()

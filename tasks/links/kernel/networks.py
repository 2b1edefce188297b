"""GCN (Kipf and Welling 2017) and GraphSAGE (Hamilton et al. 2017), plain: a list of weights and a forward pass.

Every random number comes from (seed, epoch, step), so that there is no generator's state to keep.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from tasks.links.kernel.propagation import Propagation

Kind = Literal["gcn", "sage"]


@dataclass(frozen=True)
class Inputs:
    """What a network reads of each node: sparse features, and their transpose for the backward pass.

    Shapes: rows (n, f) CSR float32; transposed (f, n) CSR.
    """

    rows: sparse.csr_array
    transposed: sparse.csr_array

    @classmethod
    def of(cls, rows: sparse.csr_array) -> "Inputs":
        """The inputs with their transpose."""
        return cls(rows, sparse.csr_array(rows.T))

    def dropped(self, share: float, generator: torch.Generator) -> "Inputs":
        """Some entries set to zero, the others scaled up; the expectation stays."""
        kept = torch.rand(self.rows.nnz, generator=generator).numpy() >= share
        data = np.where(kept, self.rows.data / np.float32(1.0 - share), np.float32(0.0)).astype(np.float32)
        return Inputs.of(sparse.csr_array((data, self.rows.indices, self.rows.indptr), shape=self.rows.shape))

    def times(self, weight: torch.Tensor) -> torch.Tensor:
        """The product with a weight, as a step of the tape: only the weight has a gradient."""
        return Propagation(lambda w: self.rows @ w, lambda g: self.transposed @ g)(weight)

    def take(self, nodes: NDArray[np.int64]) -> "Inputs":
        """The inputs of some nodes."""
        return Inputs.of(sparse.csr_array(self.rows[nodes]))


@dataclass(frozen=True)
class DenseInputs:
    """The same for dense rows, such as FastRP vectors. Shapes: rows (n, f) float32."""

    rows: torch.Tensor

    @classmethod
    def of(cls, rows: NDArray[np.float32]) -> "DenseInputs":
        """The inputs of an array."""
        return cls(torch.from_numpy(np.ascontiguousarray(rows)))

    def dropped(self, share: float, generator: torch.Generator) -> "DenseInputs":
        """Some entries set to zero, the others scaled up; the expectation stays."""
        return DenseInputs(_dropped(self.rows, share, generator))

    def times(self, weight: torch.Tensor) -> torch.Tensor:
        """The product with a weight."""
        return self.rows @ weight

    def take(self, nodes: NDArray[np.int64]) -> "DenseInputs":
        """The inputs of some nodes."""
        return DenseInputs(self.rows[torch.from_numpy(nodes)])


AnyInputs = Inputs | DenseInputs


class Network:
    """Weights and the forward pass.

    Shapes: weights of layer l (in, out); the result of `embed` (n, n_hidden).
    """

    def __init__(self, kind: Kind, widths: tuple[int, ...], dropout: float, seed: int) -> None:
        self.kind: Kind = kind
        self.dropout = dropout
        self.n_layers = len(widths) - 1
        generator = derived_generator(seed, 0, 0)
        n_weights = 1 if kind == "gcn" else 2
        self.weights = {
            f"layer_{layer}.{name}": _glorot(widths[layer], widths[layer + 1], generator)
            for layer in range(self.n_layers)
            for name in ("neighbours", "self")[:n_weights]
        }

    def embed(self, inputs: AnyInputs, propagation: Propagation, generator: torch.Generator | None) -> torch.Tensor:
        """The node vectors; with a generator some inputs of each layer are dropped, as in training."""
        rows: AnyInputs | torch.Tensor = inputs
        for layer in range(self.n_layers):
            if generator is not None and self.dropout:
                rows = self._dropped(rows, generator)
            rows = self._layer(layer, rows, propagation)
            if layer < self.n_layers - 1:
                rows = torch.relu(rows)
        assert isinstance(rows, torch.Tensor)  # noqa: S101 - there is one layer at least
        return rows

    def _layer(self, layer: int, rows: AnyInputs | torch.Tensor, propagation: Propagation) -> torch.Tensor:
        summed = propagation(_times(rows, self.weights[f"layer_{layer}.neighbours"]))
        own = self.weights.get(f"layer_{layer}.self")
        return summed if own is None else summed + _times(rows, own)

    def _dropped(self, rows: AnyInputs | torch.Tensor, generator: torch.Generator) -> AnyInputs | torch.Tensor:
        if isinstance(rows, torch.Tensor):
            return _dropped(rows, self.dropout, generator)
        return rows.dropped(self.dropout, generator)


def pair_logits(vectors: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
    """Inner products of the two nodes of each pair. Shapes: vectors (n, d); pairs (k, 2); result (k,)."""
    return (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(dim=1)


def derived_generator(seed: int, epoch: int, step: int) -> torch.Generator:
    """A generator that depends on these three numbers alone."""
    state = np.random.SeedSequence([seed, epoch, step]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def _glorot(n_in: int, n_out: int, generator: torch.Generator) -> torch.Tensor:
    bound = float(np.sqrt(6.0 / (n_in + n_out)))
    return torch.empty(n_in, n_out).uniform_(-bound, bound, generator=generator).requires_grad_()


def _times(rows: AnyInputs | torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return rows @ weight if isinstance(rows, torch.Tensor) else rows.times(weight)


def _dropped(rows: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    kept = torch.rand(rows.shape, generator=generator) >= share
    return rows * kept / (1.0 - share)

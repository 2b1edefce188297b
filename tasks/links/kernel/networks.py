"""GCN (Kipf and Welling 2017) and GraphSAGE (Hamilton et al. 2017), plain: a list of weights and a forward pass.

Every random number comes from (seed, epoch, step), so that there is no generator's state to keep.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from lakebed.tasks.links.kernel.dense import DenseInputs, StoredInputs, drop, kept_entries
from lakebed.tasks.links.kernel.propagation import Propagation

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

    @property
    def shape(self) -> tuple[int, int]:
        """Nodes and columns."""
        return self.rows.shape[0], self.rows.shape[1]

    def dropped(self, share: float, random: np.random.Generator) -> "Inputs":
        """Some entries set to zero, the others scaled up; the expectation stays."""
        kept, scale = kept_entries((self.rows.nnz,), share, random)
        data = np.where(kept, self.rows.data * np.float32(scale), np.float32(0.0)).astype(np.float32)
        return Inputs.of(sparse.csr_array((data, self.rows.indices, self.rows.indptr), shape=self.rows.shape))

    def times(self, weights: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The product with each weight, as a step of the tape: only weights have a gradient."""
        product = Propagation(lambda w: self.rows @ w, lambda g: self.transposed @ g)
        return [product(weight) for weight in weights]

    def take(self, nodes: NDArray[np.int64]) -> "Inputs":
        """The inputs of some nodes."""
        return Inputs.of(sparse.csr_array(self.rows[nodes]))


AnyInputs = Inputs | DenseInputs | StoredInputs


@dataclass(frozen=True)
class Outputs:
    """The nodes whose vectors are wanted: the last layer is made for these alone, which saves most of its products.

    Shapes: nodes (a,) ascending; propagation takes (n, k) and gives (a, k), its backward pass the other way.
    """

    nodes: NDArray[np.int64]
    propagation: Propagation

    @classmethod
    def of(cls, nodes: NDArray[np.int64], matrix: sparse.csr_array) -> "Outputs":
        """Those of a layer's matrix (n, n)."""
        return cls(nodes, Propagation.by_matrix(sparse.csr_array(matrix[nodes])))


class Network:
    """Weights and the forward pass.

    Shapes: weights of layer l (in, out); the result of `embed` (n, n_hidden).
    """

    def __init__(self, kind: Kind, widths: tuple[int, ...], dropout: float, seed: int) -> None:
        self.kind: Kind = kind
        self.dropout = dropout
        self.n_layers = len(widths) - 1
        random = derived_random(seed, 0, 0)
        n_weights = 1 if kind == "gcn" else 2
        self.weights = {
            f"layer_{layer}.{name}": _glorot(widths[layer], widths[layer + 1], random)
            for layer in range(self.n_layers)
            for name in ("neighbours", "self")[:n_weights]
        }

    def embed(
        self,
        inputs: AnyInputs,
        propagation: Propagation,
        random: np.random.Generator | None,
        outputs: Outputs | None = None,
    ) -> torch.Tensor:
        """The vectors of all nodes, or of the wanted ones; with `random` some inputs of each layer are dropped."""
        rows: AnyInputs | torch.Tensor = inputs
        for layer in range(self.n_layers):
            if random is not None and self.dropout:
                rows = _with_dropped(rows, self.dropout, random)
            if outputs is not None and layer == self.n_layers - 1:
                return self._last_layer(layer, rows, outputs)
            rows = self._layer(layer, rows, propagation)
            if layer < self.n_layers - 1:
                rows = torch.relu(rows)
        assert isinstance(rows, torch.Tensor)  # noqa: S101 - there is one layer at least
        return rows

    def _layer(self, layer: int, rows: AnyInputs | torch.Tensor, propagation: Propagation) -> torch.Tensor:
        multiplied = _times(rows, [self.weights[name] for name in self._names(layer)])
        summed = propagation(multiplied[0])
        return summed if len(multiplied) == 1 else summed + multiplied[1]

    def _last_layer(self, layer: int, rows: AnyInputs | torch.Tensor, outputs: Outputs) -> torch.Tensor:
        """The same for the wanted nodes; the sum comes before the weight, which then multiplies few rows."""
        weights = [self.weights[name] for name in self._names(layer)]
        if not isinstance(rows, torch.Tensor):
            summed = outputs.propagation(rows.times(weights[:1])[0])
            return summed if len(weights) == 1 else summed + rows.take(outputs.nodes).times(weights[1:])[0]
        summed = outputs.propagation(rows) @ weights[0]
        if len(weights) == 1:
            return summed
        return summed + rows.index_select(0, torch.from_numpy(outputs.nodes)) @ weights[1]

    def _names(self, layer: int) -> list[str]:
        """Of a layer's weights, that of the neighbours first."""
        names = (f"layer_{layer}.{part}" for part in ("neighbours", "self"))
        return [name for name in names if name in self.weights]


def pair_logits(vectors: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
    """Inner products of the two nodes of each pair. Shapes: vectors (n, d); pairs (k, 2); result (k,)."""
    return (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(dim=1)


def derived_random(seed: int, epoch: int, step: int) -> np.random.Generator:
    """A generator that depends on these three numbers alone."""
    return np.random.Generator(np.random.SFC64([seed, epoch, step, 8]))


def _glorot(n_in: int, n_out: int, random: np.random.Generator) -> torch.Tensor:
    bound = float(np.sqrt(6.0 / (n_in + n_out)))
    return torch.from_numpy(random.uniform(-bound, bound, (n_in, n_out)).astype(np.float32)).requires_grad_()


def _times(rows: AnyInputs | torch.Tensor, weights: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return [rows @ weight for weight in weights] if isinstance(rows, torch.Tensor) else rows.times(weights)


def _with_dropped(
    rows: AnyInputs | torch.Tensor, share: float, random: np.random.Generator
) -> AnyInputs | torch.Tensor:
    if not isinstance(rows, torch.Tensor):
        return rows.dropped(share, random)
    return drop(rows, *kept_entries(rows.shape, share, random))

"""Dense node rows that a network reads: products with weights a block of rows at a time, wherever the rows lie.

Blocks are the same in memory and outside, so that sums, and with them all trained weights, are the same to the bit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lakebed.tasks.links.kernel.row_cache import RowCache

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]
# rows of a block where gradients are wanted, whose sum depends on it, and where they are not
TAPE_ROWS, PASS_ROWS = 1 << 17, 1 << 13
Block = Callable[[int, int], torch.Tensor]


@dataclass(frozen=True)
class DenseInputs:
    """Dense rows in memory, such as FastRP vectors. Shapes: rows (n, f) float32."""

    rows: torch.Tensor

    @classmethod
    def of(cls, rows: Float32) -> "DenseInputs":
        """The inputs of an array."""
        return cls(torch.from_numpy(np.ascontiguousarray(rows)))

    @property
    def shape(self) -> tuple[int, int]:
        """Nodes and columns."""
        return self.rows.shape[0], self.rows.shape[1]

    def dropped(self, share: float, random: np.random.Generator) -> "DenseInputs":
        """Some entries set to zero, the others scaled up; the expectation stays."""
        return DenseInputs(drop(self.rows, *kept_entries(self.shape, share, random)))

    def times(self, weights: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The product with each weight."""
        return products(lambda start, stop: self.rows[start:stop], len(self.rows), weights)

    def take(self, nodes: Int64) -> "DenseInputs":
        """The inputs of some nodes."""
        return DenseInputs(self.rows[torch.from_numpy(nodes)])


@dataclass(frozen=True)
class StoredInputs:
    """Dense rows outside memory, some of them cached. Shapes: cache (n, f) float32; kept (n, ⌈f/8⌉) bits of what stays.

    Of what is dropped a bit a number is held, so a training of whole epochs needs a 32nd of the rows' bytes for it.
    """

    cache: RowCache
    kept: NDArray[np.uint8] | None = None
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """Nodes and columns."""
        return self.cache.shape

    def dropped(self, share: float, random: np.random.Generator) -> "StoredInputs":
        """As of rows in memory, the same entries for the same generator."""
        (n, f), scale, bits = self.shape, 1.0, list[NDArray[np.uint8]]()
        for start in range(0, n, PASS_ROWS):
            # draws are whole words of four bytes, as one draw of all would have them
            kept, scale = kept_entries((min(PASS_ROWS, n - start), f), share, random)
            bits.append(np.packbits(kept, axis=1))
        return replace(self, kept=np.concatenate(bits), scale=scale)

    def times(self, weights: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The product with each weight, in one pass."""
        return products(self._block, self.shape[0], weights)

    def take(self, nodes: Int64) -> DenseInputs:
        """The inputs of some nodes, ascending."""
        rows = torch.from_numpy(self.cache.take(nodes))
        return DenseInputs(rows if self.kept is None else self._dropped(rows, self.kept[nodes]))

    def _block(self, start: int, stop: int) -> torch.Tensor:
        rows = torch.from_numpy(self.cache.block(start, stop))
        return rows if self.kept is None else self._dropped(rows, self.kept[start:stop])

    def _dropped(self, rows: torch.Tensor, bits: NDArray[np.uint8]) -> torch.Tensor:
        return drop(rows, np.unpackbits(bits, axis=1, count=self.shape[1]).astype(np.bool_), self.scale)


def kept_entries(shape: Sequence[int], share: float, random: np.random.Generator) -> tuple[NDArray[np.bool_], float]:
    """Which entries stay, a byte of randomness each, and what makes up for those that do not."""
    n_dropped = min(round(share * 256), 255)
    drawn = np.frombuffer(random.bytes(int(np.prod(shape))), np.uint8).reshape(shape)
    return drawn >= n_dropped, 256 / (256 - n_dropped)


def drop(rows: torch.Tensor, kept: NDArray[np.bool_], scale: float) -> torch.Tensor:
    """The rows with zeros where nothing is kept, the others scaled."""
    return torch.where(torch.from_numpy(kept), rows, torch.zeros(())) * scale


def products(block: Block, n: int, weights: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The product of rows with each weight, as a step of the tape: only weights have a gradient.

    Shapes: block(start, stop) (stop - start, f); weights (f, h) each; result (n, h) each.
    """
    if torch.is_grad_enabled():
        return list(_Products.apply(block, n, *weights))
    return _multiplied(block, n, weights, PASS_ROWS)


def _multiplied(block: Block, n: int, weights: Sequence[torch.Tensor], n_rows: int) -> list[torch.Tensor]:
    found = [torch.empty((n, weight.shape[1])) for weight in weights]
    for start in range(0, n, n_rows):
        rows = block(start, min(n, start + n_rows))
        for weight, result in zip(weights, found, strict=True):
            torch.mm(rows, weight, out=result[start : start + n_rows])
    return found


class _Products(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, block: Block, n: int, *weights: torch.Tensor) -> tuple[torch.Tensor, ...]:
        ctx.block, ctx.n = block, n
        return tuple(_multiplied(block, n, weights, PASS_ROWS))

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        sums: list[torch.Tensor] = []
        for start in range(0, ctx.n, TAPE_ROWS):
            rows = ctx.block(start, min(ctx.n, start + TAPE_ROWS)).t()
            parts = [rows.mm(gradient[start : start + TAPE_ROWS]) for gradient in gradients]
            sums = [total + part for total, part in zip(sums, parts, strict=True)] if sums else parts
        return None, None, *sums

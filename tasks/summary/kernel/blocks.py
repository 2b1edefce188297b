"""What every product shares: the forms, columns cut into blocks, and threads over the blocks."""

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lakebed.connectors.errors import GraphError

Dense = NDArray[Any]
Form = Literal["adjacency", "walk", "walk_transposed", "symmetric"]
FORMS: tuple[Form, ...] = ("adjacency", "walk", "walk_transposed", "symmetric")
TRANSPOSED: dict[Form, Form] = {
    "adjacency": "adjacency",
    "walk": "walk_transposed",
    "walk_transposed": "walk",
    "symmetric": "symmetric",
}
WIDE, NARROW, SINGLE = 64, 16, 1
# width of a block, its first column, what is given, what it writes
BlockWork = Callable[[int, int, Dense, Dense], None]


@dataclass(frozen=True)
class Scaling:
    """What stands around the adjacency: diag(left) (A + diag(own)) diag(right), None for ones (own: zeros)."""

    left: NDArray[np.float64] | None = None
    own: NDArray[np.float64] | None = None
    right: NDArray[np.float64] | None = None

    def sides(self, n_nodes: int, dtype: DTypeLike) -> tuple[Dense, Dense]:
        """`left` and `own` as arrays."""
        left = np.ones(n_nodes, dtype) if self.left is None else self.left.astype(dtype)
        return left, np.zeros(n_nodes, dtype) if self.own is None else self.own.astype(dtype)


class Scratch:
    """Buffers that the next block or product takes again: fresh memory costs more than a small product."""

    def __init__(self) -> None:
        self._free: list[Dense] = []

    def take(self, size: int, dtype: np.dtype[Any]) -> Dense:
        """A buffer of at least that size, content undefined."""
        while self._free:
            # one call, so that no two threads get the same buffer
            with contextlib.suppress(IndexError):
                found = self._free.pop()
                if found.dtype == dtype and len(found) >= size:
                    return found
        return np.empty(size, dtype)

    def give(self, buffer: Dense) -> None:
        """Take a buffer back."""
        self._free.append(buffer)


def form_scaling(form: Form, degrees: NDArray[np.float64]) -> Scaling:
    """The scaling of a form: A, D⁻¹A, A·D⁻¹ or D^-½(A+I)D^-½, the last with the degrees of A + I.

    A node without edges has a zero row in D⁻¹A.

    Raises: GraphError: if there is no such form.
    """
    if form == "adjacency":
        return Scaling()
    if form == "symmetric":
        root = 1 / np.sqrt(degrees + 1)
        return Scaling(root, np.ones(len(degrees)), root)
    inverse = np.divide(1.0, degrees, out=np.zeros(len(degrees)), where=degrees > 0)
    if form == "walk":
        return Scaling(left=inverse)
    if form == "walk_transposed":
        return Scaling(right=inverse)
    raise GraphError("no such form of a product", value=form, expected=f"one of {', '.join(FORMS)}")


def block_product(dense: Dense, work: BlockWork, n_threads: int) -> Dense:
    """Runs `work` on blocks of columns and puts the result together.

    Columns beyond a multiple of 16 are filled up with zeros for the time of the product.
    """
    given, n_columns = _padded(dense), dense.shape[1]
    result = np.empty_like(given)
    blocks = column_blocks(given.shape[1], n_threads)
    if n_threads == 1 or len(blocks) == 1:
        for width, column in blocks:
            work(width, column, given, result)
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            list(pool.map(lambda block: work(block[0], block[1], given, result), blocks))
    return result if result.shape[1] == n_columns else result[:, :n_columns].copy()


def column_blocks(n_columns: int, n_threads: int) -> Sequence[tuple[int, int]]:
    """(width, first column) of each block: wide ones, but narrower where threads would stand idle."""
    if n_columns == 1:
        return [(SINGLE, 0)]
    n_wide = n_columns // WIDE
    wide = n_wide if n_threads == 1 or n_wide >= n_threads else 0
    blocks = [(WIDE, WIDE * number) for number in range(wide)]
    return blocks + [(NARROW, column) for column in range(wide * WIDE, n_columns, NARROW)]


def require_dense(dense: Dense, n_nodes: int) -> Dense:
    """The matrix as the kernels take it: C order, float32 or float64.

    Raises: GraphError: if its rows are not the nodes.
    """
    if dense.ndim != 2 or dense.shape[0] != n_nodes:
        raise GraphError(
            "a product needs one row a node", value=f"shape {dense.shape}", expected=f"shape ({n_nodes}, columns)"
        )
    kind = np.float32 if dense.dtype in (np.float32, np.float16) else np.float64
    return np.ascontiguousarray(dense, kind)


def _padded(dense: Dense) -> Dense:
    n_nodes, n_columns = dense.shape
    if n_columns == 1 or n_columns % NARROW == 0:
        return np.ascontiguousarray(dense)
    padded = np.zeros((n_nodes, -(-n_columns // NARROW) * NARROW), dense.dtype)
    padded[:, :n_columns] = dense
    return padded

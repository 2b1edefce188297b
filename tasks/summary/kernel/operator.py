"""Products with the adjacency on the summary, without decompressing it.

For Y = A X the rows of X are summed up the forest (each node gets the sum of its leaves), each node then takes the sums
of its partners, added for p-edges and subtracted for n-edges, and what a node took goes down to everything below it. A
self edge gives each leaf itself once too often, which is taken off at the end. This is |H| row additions up, two for
each signed edge across and |H| down, whatever the number of edges of the graph.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from lakebed.connectors.errors import GraphError
from lakebed.tasks.summary.kernel.blocks import (
    TRANSPOSED,
    Dense,
    Form,
    Scaling,
    Scratch,
    block_product,
    form_scaling,
    require_dense,
)
from lakebed.tasks.summary.kernel.cost_model import Choice, Way, choose
from lakebed.tasks.summary.kernel.csr import CsrGraph, csr_product
from lakebed.tasks.summary.kernel.model import Layout, Summary, lay_out
from lakebed.tasks.summary.kernel.queries import degrees
from lakebed.tasks.summary.kernel.row_sums import combine_rows, sum_rows


class ProductOperator(LinearOperator[np.float32]):
    """A form of the adjacency as a scipy LinearOperator; the base of the two ways.

    float32 is multiplied in float32, everything else in float64. The result does not depend on the number of threads.
    """

    def __init__(self, degree: NDArray[np.float64], form: Form, n_threads: int) -> None:
        # scipy-stubs types the constructor as `object`'s
        super().__init__(np.dtype(np.float32), (len(degree), len(degree)))  # type: ignore[call-arg]
        self.degrees, self.form, self.n_threads = degree, form, n_threads
        self._scaling, self._scratch = form_scaling(form, degree), Scratch()

    def _matvec(self, vector: Dense) -> Dense:
        return self._matmat(np.reshape(vector, (-1, 1)))

    def product(self, dense: Dense) -> Dense:
        """The form times `dense`; what `@` calls.

        Shapes: dense and result (n_nodes, d).
        Raises: GraphError: if there is not one row a node.
        """
        return self._product(require_dense(dense, self.shape[0]))

    def _matmat(self, dense: Dense) -> Dense:
        return self.product(dense)

    def _rmatmat(self, dense: Dense) -> Dense:
        return self._transpose()._matmat(dense)

    def _rmatvec(self, vector: Dense) -> Dense:
        return self._rmatmat(np.reshape(vector, (-1, 1)))

    def _adjoint(self) -> "ProductOperator":
        return self._transpose()

    def _transpose(self) -> "ProductOperator":
        raise NotImplementedError

    def _product(self, dense: Dense) -> Dense:
        raise NotImplementedError


class SummaryOperator(ProductOperator):
    """A, D⁻¹A, A·D⁻¹ or D^-½(A+I)D^-½ of the graph that a summary holds.

    Shapes: (n_nodes, n_nodes); a product takes (n_nodes, d), float32 or float64.
    Departs from the sparse product: a value that is not finite may reach rows that are no neighbours, because a sum
    that holds it is added and subtracted.
    """

    def __init__(self, summary: Summary | Layout, form: Form = "adjacency", n_threads: int = 1) -> None:
        self.layout = lay_out(summary) if isinstance(summary, Summary) else summary
        super().__init__(degrees(self.layout).astype(np.float64), form, n_threads)

    def _transpose(self) -> "SummaryOperator":
        return SummaryOperator(self.layout, TRANSPOSED[self.form], self.n_threads)

    def _product(self, dense: Dense) -> Dense:
        return summary_product(self.layout, dense, self._scaling, self.n_threads, self._scratch)


class CsrOperator(ProductOperator):
    """The same on the graph itself, weights included."""

    def __init__(self, graph: CsrGraph, form: Form = "adjacency", n_threads: int = 1) -> None:
        self.graph = graph
        super().__init__(graph.degrees, form, n_threads)

    def _transpose(self) -> "CsrOperator":
        return CsrOperator(self.graph, TRANSPOSED[self.form], self.n_threads)

    def _product(self, dense: Dense) -> Dense:
        return csr_product(self.graph, dense, self._scaling, self.n_threads, self._scratch)


def chosen_operator(
    graph: CsrGraph | None,
    summary: Summary | Layout | None,
    n_columns: int,
    form: Form = "adjacency",
    n_threads: int = 1,
) -> tuple[ProductOperator, Choice]:
    """The operator of the way that the cost model finds cheaper, and its reasons.

    Raises: GraphError: if there is neither a graph nor a summary.
    """
    if summary is None or (graph is not None and graph.weights is not None):
        if graph is None:
            raise GraphError("a product needs a graph or its summary")
        return CsrOperator(graph, form, n_threads), Choice.only("csr")
    if graph is None:
        return SummaryOperator(summary, form, n_threads), Choice.only("summary")
    choice = choose(summary, len(graph.indices), n_columns)
    way: dict[Way, Callable[[], ProductOperator]] = {
        "summary": lambda: SummaryOperator(summary, form, n_threads),
        "csr": lambda: CsrOperator(graph, form, n_threads),
    }
    return way[choice.way](), choice


def summary_product(
    layout: Layout, dense: Dense, scaling: Scaling, n_threads: int = 1, scratch: Scratch | None = None
) -> Dense:
    """diag(left) (A + diag(own)) diag(right) X on the summary.

    Shapes: dense and result (n_nodes, d) float32 or float64; scaling's arrays (n_nodes,).
    Same bits for any number of threads; rounding differs from the sparse product's. O((|P| + |H| + |V|) · d);
    memory beside X and Y: n_forest · 64 numbers a thread.
    """
    left, own = scaling.sides(layout.n_nodes, dense.dtype)
    right = np.ones(layout.n_nodes, dense.dtype) if scaling.right is None else scaling.right.astype(dense.dtype)
    sides = (left, right, own - layout.self_sum.astype(dense.dtype))
    forest = (layout.vertex, layout.depth, layout.child_start, layout.child)
    edges = (layout.plus_start, layout.minus_start, layout.partner)

    pool = scratch or Scratch()

    def run(width: int, column: int, given: Dense, result: Dense) -> None:
        shape = (given.shape[1], column)
        sums = pool.take(layout.n_forest * width, given.dtype)
        taken = np.zeros((layout.n_levels + 1) * width, given.dtype)
        _kernel(width)(forest, edges, given.reshape(-1), result.reshape(-1), shape, sides, sums, taken)
        pool.give(sums)

    return block_product(dense, run, n_threads)


@cache
def _kernel(width: int) -> Callable[..., None]:
    """`sums` holds a row a place; `taken` a row a level, because only the path to the current place is needed."""

    @njit(cache=True, nogil=True)
    def multiply(forest, edges, dense, result, shape, sides, sums, taken):  # type: ignore[no-untyped-def]
        vertex, depth, child_start, child = forest
        plus_start, minus_start, partner = edges
        left, right, own = sides
        stride, offset = shape
        n, nothing = len(vertex), np.zeros(1, dense.dtype)
        for at in range(n - 1, -1, -1):
            v = vertex[at]
            if v >= 0:
                start = v * stride + offset
                combine_rows(sums, at * width, dense, start, dense, start, (right[v], nothing[0]), width)
            else:
                runs = (child_start[at], child_start[at + 1], child_start[at + 1])
                sum_rows(sums, at * width, taken, 0, sums, (width, 0), child, runs, width)
        for at in range(n):
            above, here = depth[at] * width, (depth[at] + 1) * width
            runs = (plus_start[at], minus_start[at], plus_start[at + 1])
            v = vertex[at]
            if v < 0 or plus_start[at] < plus_start[at + 1]:
                sum_rows(taken, here, taken, above, sums, (width, 0), partner, runs, width)
            else:
                here = above
            if v >= 0:
                start = v * stride + offset
                combine_rows(result, start, taken, here, sums, at * width, (left[v], own[v]), width)

    return multiply

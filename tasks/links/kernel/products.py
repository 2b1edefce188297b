"""The products of a graph with node rows, by the way that the cost model finds cheaper."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from lakebed.tasks.links.kernel.networks import Kind
from lakebed.tasks.links.kernel.propagation import Propagation
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.blocks import Form
from lakebed.tasks.summary.kernel.cost_model import Choice
from lakebed.tasks.summary.kernel.csr import CsrGraph
from lakebed.tasks.summary.kernel.model import Layout, lay_out
from lakebed.tasks.summary.kernel.operator import ProductOperator, chosen_operator
from lakebed.tasks.summary.kernel.summarize import summarize

FORMS: dict[Kind, Form] = {"gcn": "symmetric", "sage": "walk"}


@dataclass(frozen=True)
class GraphProducts:
    """A graph, and its summary where one was made: of the edges that may be read, and no others."""

    graph: CsrGraph
    layout: Layout | None
    n_threads: int = 1

    @classmethod
    def of(cls, adjacency: sparse.csr_array, max_summary_edges: int, seed: int, n_threads: int = 1) -> "GraphProducts":
        """The products of a symmetric 0/1 matrix, summarised up to a number of edges."""
        graph = CsrGraph(adjacency.indptr.astype(np.int64), adjacency.indices.astype(np.int32))
        layout = None
        if 0 < adjacency.nnz // 2 <= max_summary_edges:
            upper = sparse.triu(adjacency, k=1, format="coo")
            edges = np.stack(upper.coords, axis=1).astype(np.int64)
            layout = lay_out(summarize(edges, adjacency.shape[0], SummaryConfig(seed=seed, threads=n_threads)))
        return cls(graph, layout, n_threads)

    def operator(self, form: Form, n_columns: int) -> tuple[ProductOperator, Choice]:
        """The product in one form, and why it goes the way it does."""
        return chosen_operator(self.graph, self.layout, n_columns, form, self.n_threads)

    def propagation(self, kind: Kind, n_columns: int) -> Propagation:
        """A network's layer: D^-½(A+I)D^-½, or D⁻¹A, whose backward pass goes through A·D⁻¹."""
        operator = self.operator(FORMS[kind], n_columns)[0]
        return Propagation(operator.product, operator.T.matmat)

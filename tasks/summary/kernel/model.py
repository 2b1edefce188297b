"""What a summary is, as arrays."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lakebed.tasks.summary.kernel.layout import Layout

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

STORED_FORM = "npy: parent, source, target int32, sign int8"
"""What `Summary.bits_per_edge` counts."""


@dataclass(frozen=True)
class SignedEdges:
    """The p-edges (+1) and n-edges (-1) between nodes of the forest.

    An edge {X, Y} adds its sign to every pair of a vertex below X and another below Y; X = Y means all unordered
    pairs inside X. No edge joins an ancestor with its own descendant.

    Shapes: source, target (k,) int32 with source <= target, ascending by (source, target), no pair twice;
    sign (k,) int8, +1 or -1.
    """

    source: Int32
    target: Int32
    sign: Int8


@dataclass(frozen=True)
class Summary:
    """A forest over the vertices and signed edges between its nodes, which together give the graph back exactly.

    The leaves 0 ... n_nodes - 1 are the vertices, isolated ones included; internal nodes follow, each with a higher
    number than all of its children.

    Shapes: parent (n_forest,) int32, -1 at a root.
    """

    n_nodes: int
    parent: Int32
    signed_edges: SignedEdges

    @property
    def n_forest(self) -> int:
        """Leaves and internal nodes."""
        return len(self.parent)

    @property
    def n_hierarchy(self) -> int:
        """|H|: nodes that have a parent."""
        return int(np.count_nonzero(self.parent >= 0))

    def cost(self) -> int:
        """|P+| + |P-| + |H|."""
        return len(self.signed_edges.sign) + self.n_hierarchy

    def decode(self) -> Int32:
        """Every edge of the graph, lower id first, ascending. Shapes: result (n_edges, 2)."""
        from lakebed.tasks.summary.kernel.decoding import decode

        return decode(self)

    def neighbours(self, vertex: int) -> Int32:
        """The neighbours of a vertex, ascending, without decoding the rest; the first call lays the forest out.

        Raises:
            GraphError: if there is no such vertex.
        """
        from lakebed.tasks.summary.kernel.queries import neighbours

        return neighbours(self.layout, vertex)

    @cached_property
    def layout(self) -> "Layout":
        """The forest as products and queries walk over it."""
        from lakebed.tasks.summary.kernel.layout import lay_out

        return lay_out(self)

    def n_bytes(self) -> int:
        """Size of the stored arrays (`STORED_FORM`), without the files' headers."""
        edges = self.signed_edges
        return self.parent.nbytes + edges.source.nbytes + edges.target.nbytes + edges.sign.nbytes

    def bits_per_edge(self, n_edges: int) -> float:
        """Bits of the stored arrays for each of the graph's edges; 0 for a graph without edges."""
        return 8 * self.n_bytes() / n_edges if n_edges else 0.0

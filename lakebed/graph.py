"""Any edge list as a lossless summary, with neighbours, edges and vectors read off it: no lake, no Spark."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lakebed.answers import Vectors
from lakebed.connectors.edges import Weights
from lakebed.connectors.errors import GraphError
from lakebed.tasks.runtime.progress import Progress, telling
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.export import StoredSummary, load
from lakebed.tasks.summary.files import EdgeFile, summarize_file

if TYPE_CHECKING:
    from collections.abc import Mapping


class Graph:
    """A summarised graph; its nodes go by the keys of the edge file.

    Examples:
        >>> graph = lakebed.summarize("edges.tsv", progress=False)
        >>> len(graph), graph.decode().tolist()
        (4, [['a', 'b'], ['a', 'c'], ['c', 'd']])
        >>> names, vectors = graph.embed(dim=8)
        >>> names.tolist(), vectors.shape
        (['a', 'b', 'c', 'd'], (4, 8))

    Attributes:
        summary: the arrays, for products, walks and other tools.
        keys: of each node, ascending. Shapes: (n_nodes,) integers or strings.
        facts: counts, cost and size.
    """

    def __init__(self, stored: StoredSummary) -> None:
        self.summary, self.keys = stored.summary, stored.keys
        self.facts: Mapping[str, Any] = stored.facts

    @classmethod
    def load(cls, folder: str | Path) -> "Graph":
        """The graph that `summarize` wrote to a folder.

        Raises:
            ConfigError: if the folder holds no finished summary.
            ArtifactError: if a file is damaged.
        """
        return cls(load(str(folder)))

    def __len__(self) -> int:
        return self.summary.n_nodes

    def __repr__(self) -> str:
        n_nodes, n_edges, ratio = (self.facts[name] for name in ("n_nodes", "n_edges", "ratio"))
        return f"<Graph: {n_nodes:,} nodes, {n_edges:,} edges, its summary costs {ratio:.3f} of them>"

    def neighbours(self, node: str | int) -> list[Any]:
        """The keys of the nodes that a node is joined to, ascending, without decoding the rest.

        Raises:
            GraphError: if there is no such node.
        """
        from lakebed.tasks.summary.kernel.queries import neighbours

        is_integer = self.keys.dtype.kind in "iu"
        if not is_integer or str(node).removeprefix("-").isdecimal():
            wanted = int(node) if is_integer else str(node)
            place = int(np.searchsorted(self.keys, wanted))
            if place < len(self) and self.keys[place] == wanted:
                found: list[Any] = self.keys[neighbours(self.summary.layout, place)].tolist()
                return found
        first, last = self.keys[[0, -1]] if len(self) else ("none", "none")
        raise GraphError(
            "the graph has no such node", value=node, expected=f"a key of its edges, from {first} to {last}"
        )

    def decode(self) -> NDArray[Any]:
        """Every edge as the keys of its ends. Shapes: (n_edges, 2)."""
        edges: NDArray[Any] = self.keys[self.summary.decode()]
        return edges

    def embed(self, dim: int = 128, *, weights: Sequence[float] = (0.0, 0.0, 1.0, 6.67), seed: int = 0) -> Vectors:
        """A vector for each node by FastRP, of which every edge counts the same; equal input gives equal vectors.

        Args:
            dim: numbers of a vector.
            weights: of each power of the transition matrix, from the first on.
            seed: of the projection.

        Raises:
            ConfigError: if a value is out of range.
            GraphError: if the graph has no node.
        """
        from lakebed.config import section
        from lakebed.tasks.embeddings.config import EmbeddingsConfig
        from lakebed.tasks.embeddings.graph import prepare
        from lakebed.tasks.embeddings.kernel.fastrp import embed

        config = section(EmbeddingsConfig, "embeddings", {"dim": dim, "weights": weights, "seed": seed})
        edges = self.summary.decode()
        nodes = pa.table({"node_id": np.arange(len(self)), "key": pa.array(self.keys.astype(str))})
        ends = {"source": edges[:, 0], "target": edges[:, 1], "weight": np.ones(len(edges), np.float32)}
        return Vectors(self.keys, embed(prepare(nodes, pa.table(ends), self.summary, config).graph, config).vectors)


def summarize(
    edges: str | Path,
    *,
    out: str | Path | None = None,
    weights: Weights = "refuse",
    progress: bool | Progress = True,
    **settings: Any,
) -> Graph:
    """Summarises an edge file without loss; with `out`, stopped in between, the same call goes on where it ended.

    Examples:
        >>> graph = lakebed.summarize("edges.tsv", progress=False)
        >>> graph.neighbours("a")
        ['b', 'c']

    Args:
        edges: text of two columns (also .gz), Parquet, or a Delta table.
        out: folder to write the summary to.
        weights: whether a third column is refused, dropped, or kept beside.
        progress: whether standard error says how far it is.
        settings: of the section `summary` of the config, such as `iterations` and `seed`.

    Raises:
        ConfigError: if there is no such file, or a setting is wrong.
        GraphError: if the file has wrong rows or is too large.
    """
    from lakebed.config import section
    from lakebed.first_use import compile_kernels_once

    config = section(SummaryConfig, "summary", settings)
    with telling(progress):
        compile_kernels_once()
        return Graph(summarize_file(EdgeFile(str(edges), weights), config, None if out is None else str(out)))

"""Any edge list as a lossless summary, with neighbours, edges and vectors read off it: no lake, no Spark."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from lakebed.answers import Vectors
from lakebed.connectors.edges import Weights
from lakebed.connectors.errors import GraphError
from lakebed.tasks.runtime.progress import Progress, telling
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.export import StoredSummary, load
from lakebed.tasks.summary.files import EdgeFile, summarize_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakebed.tasks.summary.kernel.model import Summary


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
        settings = {"dim": dim, "weights": weights, "seed": seed}
        edges = self.summary.decode()
        return Vectors(self.keys, _vectors(self.keys, edges, None, self.summary, settings))


def embed(
    edges: ArrayLike, *, weights: ArrayLike | None = None, progress: bool | Progress = False, **settings: Any
) -> Vectors:
    """A vector for each end of some edges: numpy in, numpy out, ids beside; no lake, no file, no Spark.

    An edge that stands there twice, in whatever direction, is one edge, of their weights' sum; one from a node to
    itself counts for nothing, but its node is there.

    Examples:
        >>> names, vectors = lakebed.embed([["a", "b"], ["a", "c"], ["c", "d"]], dim=8)
        >>> names.tolist(), vectors.shape, vectors.dtype
        (['a', 'b', 'c', 'd'], (4, 8), dtype('float32'))

    Args:
        edges: (n_edges, 2) integers or strings.
        weights: (n_edges,), above 0; all are 1 where there are none.
        progress: whether standard error says what is compiled.
        settings: of the section `embeddings` of the config, such as `dim`, `seed` and `method`.

    Raises:
        ConfigError: if a setting is wrong.
        GraphError: if there is no edge, or edges or weights are of another shape or type, or not finite.
    """
    from lakebed.first_use import compile_kernels_once

    ends, given = _checked(edges, weights)
    keys, numbers = np.unique(ends, return_inverse=True)
    pairs, sums = _merged(np.sort(numbers.reshape(-1, 2), axis=1), given)
    with telling(progress):
        compile_kernels_once()
        return Vectors(keys, _vectors(keys, pairs, sums, None, settings))


def _checked(edges: ArrayLike, weights: ArrayLike | None) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    ends = np.asarray(edges)
    if ends.dtype == object and all(isinstance(key, str) for key in ends.ravel().tolist()):
        ends = ends.astype(str)
    if ends.ndim != 2 or ends.shape[1] != 2 or not len(ends):
        raise GraphError(
            "there are no edges to embed", value=f"shape {ends.shape}", expected="(n_edges, 2), one or more"
        )
    if ends.dtype.kind not in "iuU":
        raise GraphError("ends of edges are neither integers nor text", value=ends.dtype, expected="int64 or str")
    if weights is None:
        return ends, None
    given = np.asarray(weights, np.float64)
    if given.shape != (len(ends),):
        raise GraphError("weights do not fit the edges", value=f"shape {given.shape}", expected=f"({len(ends)},)")
    wrong = np.flatnonzero(~(np.isfinite(given) & (given > 0)))
    if len(wrong):
        raise GraphError("an edge weight cannot be used", value=given[wrong[0]], expected="finite numbers above 0",
                         examples=wrong[:5].tolist())  # fmt: skip
    return ends, given


def _merged(
    pairs: NDArray[np.int64], weights: NDArray[np.float64] | None
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None]:
    """Each pair of different nodes once. Shapes: pairs (m, 2), the lesser first."""
    is_kept = pairs[:, 0] != pairs[:, 1]
    found, place = np.unique(pairs[is_kept], axis=0, return_inverse=True)
    if weights is None:
        return found, None
    return found, np.bincount(place.ravel(), weights[is_kept], len(found)).astype(np.float64)


def _vectors(
    keys: NDArray[Any],
    edges: NDArray[Any],
    weights: NDArray[np.float64] | None,
    summary: "Summary | None",
    settings: dict[str, Any],
) -> NDArray[np.float32]:
    """Shapes: keys (n,), edges (m, 2) positions of keys; (n, dim)."""
    from lakebed.config import section
    from lakebed.tasks.embeddings.config import EmbeddingsConfig
    from lakebed.tasks.embeddings.graph import prepare
    from lakebed.tasks.embeddings.kernel.fastrp import embed
    from lakebed.tasks.embeddings.kernel.orthogonal import embed_by_rounds

    config = section(EmbeddingsConfig, "embeddings", settings)
    nodes = pa.table({"node_id": np.arange(len(keys)), "key": pa.array(keys.astype(str))})
    weight = np.ones(len(edges), np.float32) if weights is None else weights.astype(np.float32)
    table = pa.table({"source": edges[:, 0], "target": edges[:, 1], "weight": weight})
    work = embed if config.method == "fastrp" else embed_by_rounds
    return work(prepare(nodes, table, summary, config).graph, config).vectors


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

"""The graph of an edge table: keys of two columns, each edge once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lakebed.connectors.errors import GraphError
from lakebed.tasks.lakegraph.kernel.graph import (
    EdgeTable,
    Float32,
    Graph,
    Int64,
    NodeTable,
    UInt64,
    hex_texts,
    repeated,
)
from lakebed.tasks.lakegraph.kernel.samples import ValueSample, merge_samples


@dataclass(frozen=True)
class EdgeList:
    """A part of an edge table: hashes of the keys, and the samples, uncut, that say what each hash stands for.

    Shapes: source, target (m,) uint64; weight (m,) float64.

    Attributes:
        source_keys, target_keys: the distinct keys of each column.
        n_rows: rows read, those without both keys among them.
    """

    source: UInt64
    target: UInt64
    weight: NDArray[np.float64]
    source_keys: ValueSample
    target_keys: ValueSample
    n_rows: int


@dataclass(frozen=True)
class EdgeListGraph:
    """The graph, and what was left out: rows without both keys, loops, repeats that were folded into one edge."""

    graph: Graph
    n_without_key: int
    n_loops: int
    n_repeats: int


def edge_list_graph(
    parts: Sequence[EdgeList], columns: tuple[str, str], *, is_bipartite: bool, is_weighted: bool
) -> EdgeListGraph:
    """Direction is dropped, loops are left out, repeated edges become one: of weight 1, or of the sum of weights.

    Args:
        parts: of the table, in any order.
        columns: names of the two, for the keys of a bipartite graph.
        is_bipartite: whether equal keys in the two columns are different nodes.
        is_weighted: whether weights are summed.

    Raises:
        GraphError: if a weight is negative or not finite, or there is no edge.

    Complexity: O(m log m).
    """
    source = np.concatenate([np.empty(0, np.uint64), *(part.source for part in parts)])
    target = np.concatenate([np.empty(0, np.uint64), *(part.target for part in parts)])
    weight = np.concatenate([np.empty(0), *(part.weight for part in parts)])
    _require_weights(weight)
    _require_edges(len(source))
    nodes, numbers = _numbered(parts, columns, is_bipartite=is_bipartite)
    left, right = (
        numbers[0][1][np.searchsorted(numbers[0][0], source)],
        numbers[1][1][np.searchsorted(numbers[1][0], target)],
    )
    low, high, total, n_loops = _simple(np.minimum(left, right), np.maximum(left, right), weight)
    _require_edges(len(low))
    weights: Float32 = (total if is_weighted else np.ones(len(low))).astype(np.float32)
    edges = EdgeTable(low, high, weights, repeated("edge", len(low)))
    n_rows = sum(part.n_rows for part in parts)
    return EdgeListGraph(Graph(nodes, edges), n_rows - len(source), n_loops, len(source) - n_loops - len(low))


def _simple(low: Int64, high: Int64, weight: NDArray[np.float64]) -> tuple[Int64, Int64, NDArray[np.float64], int]:
    """Ascending pairs without loops and repeats, weights summed in ascending order so that parts do not count."""
    is_edge = low != high
    order = np.lexsort((weight[is_edge], high[is_edge], low[is_edge]))
    low, high, weight = low[is_edge][order], high[is_edge][order], weight[is_edge][order]
    is_first = np.ones(len(low), np.bool_)
    is_first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    starts = np.flatnonzero(is_first)
    total = np.add.reduceat(weight, starts) if len(starts) else weight
    return low[starts], high[starts], total, int((~is_edge).sum())


def _numbered(
    parts: Sequence[EdgeList], columns: tuple[str, str], *, is_bipartite: bool
) -> tuple[NodeTable, tuple[tuple[UInt64, Int64], tuple[UInt64, Int64]]]:
    """The nodes, and for each of the two columns (hashes ascending, node of each)."""
    n_kept = 1 << 62
    sides = (
        merge_samples([part.source_keys for part in parts], n_kept),
        merge_samples([part.target_keys for part in parts], n_kept),
    )
    if not is_bipartite:
        merged = merge_samples(sides, n_kept)
        sides = (merged, merged)
    held = [(columns[0], sides[0])] + ([(columns[1], sides[1])] if is_bipartite else [])
    texts = [_key_texts(name if is_bipartite else None, sample) for name, sample in held]
    keys = pa.concat_arrays(texts)
    order = pc.sort_indices(keys).to_numpy()
    number = np.empty(len(keys), np.int64)
    number[order] = np.arange(len(keys))
    labels = pa.concat_arrays([sample.labels.cast(pa.string()) for _, sample in held])
    nodes = NodeTable(repeated("node", len(keys)), keys.take(pa.array(order)), labels.take(pa.array(order)))
    n_first = len(sides[0].hashes)
    numbers = (number[:n_first], number[n_first:] if is_bipartite else number)
    return nodes, ((sides[0].hashes, numbers[0]), (sides[1].hashes, numbers[1]))


def _key_texts(column: str | None, sample: ValueSample) -> pa.Array:
    """`node:`, the column where that matters, the label, and the hash, which tells cut labels apart."""
    head = "node:" if column is None else f"node:{json.dumps(column, ensure_ascii=False)}:"
    tail = hex_texts("#", sample.hashes)
    return pc.binary_join_element_wise(repeated(head, len(tail)), sample.labels.cast(pa.string()), tail, "")


def _require_weights(weight: NDArray[np.float64]) -> None:
    is_wrong = ~np.isfinite(weight) | (weight < 0)
    if is_wrong.any():
        raise GraphError(
            f"{int(is_wrong.sum()):,} edges have no usable weight",
            value=float(weight[is_wrong][0]),
            expected="a finite number ≥ 0",
            hint="name another column with `lakegraph.edge_table.weight`, or none",
        )


def _require_edges(n_edges: int) -> None:
    if not n_edges:
        raise GraphError(
            "the edge table gives no edge",
            value=0,
            expected="a row with two different keys",
            hint="see `lakegraph.edge_table` in the config: table, source and target",
        )

"""What is said of each node: its topology, how well it is served, and how its test partners differ."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lakebed.tasks.links.kernel.features import unit_vectors
from lakebed.tasks.links.kernel.neighbours import adjacency
from lakebed.tasks.links.kernel.propagation import transition_matrix
from lakebed.tasks.links.kernel.split import EdgeSplit
from lakebed.tasks.links.kernel.topology import approximate_concentration, concentration, recall_of_nodes

Float32 = NDArray[np.float32]
Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
N_PROFILE_COLUMNS, MAX_PROFILE_CELLS = 256, 1 << 25
MAX_EXACT_STEPS = 1 << 29
N_DECILES = 10


@dataclass(frozen=True)
class NodeMetrics:
    """Figures of the asked nodes. Shapes: (k,) each; NaN where there is nothing to measure."""

    node: Int64
    degree: Int64
    tc: Float
    atc: Float
    decile: NDArray[np.int32]
    train_likeness: Float
    test_likeness: Float
    recall: Float
    mrr_random: Float
    mrr_hard: Float

    def with_ranks(self, groups: Sequence[tuple[Int64, Float]]) -> "NodeMetrics":
        """With the mean reciprocal rank of each node's test pairs, beside random and beside hard others.

        Shapes: groups two of pairs (k, 2) and the rank of each (k,).
        """
        n_nodes = int(max((pairs.max(initial=-1) for pairs, _ in groups), default=-1)) + 1
        n_nodes = max(n_nodes, int(self.node.max(initial=-1)) + 1)
        found = [_mean_at_ends(pairs, 1.0 / ranks, n_nodes)[self.node] for pairs, ranks in groups]
        return replace(self, mrr_random=found[0], mrr_hard=found[1])


def node_metrics(
    graph: sparse.csr_array, split: EdgeSplit, asked: Int64, vectors: Float32, k: int, seed: int
) -> NodeMetrics:
    """Topology from the graph alone; recall@k of the vectors' best partners within the asked nodes.

    TC is left out where it would take too many steps; ATC's profiles have fewer columns on large graphs.
    Shapes: graph (n, n); asked (a,) ascending; vectors (n, d).
    """
    degree = np.diff(graph.indptr).astype(np.int64)
    transition = transition_matrix(graph)
    n_columns = int(np.clip(MAX_PROFILE_CELLS // graph.shape[0], 16, N_PROFILE_COLUMNS))
    atc = approximate_concentration(graph, transition, n_columns, seed)[asked]
    is_small = _exact_steps(graph, degree) <= MAX_EXACT_STEPS
    tc = concentration(graph)[asked] if is_small else np.full(len(asked), np.nan)
    unit = unit_vectors(vectors)
    train, test = (_likeness(pairs, unit, split.n_nodes)[asked] for pairs in (split.train, split.test))
    recall = _recall(vectors, split, asked, k)
    nothing = np.full(len(asked), np.nan)
    return NodeMetrics(asked, degree[asked], tc, atc, deciles(atc), train, test, recall, nothing, nothing)


def _exact_steps(graph: sparse.csr_array, degree: Int64) -> float:
    """Entries that `concentration` looks at: for each edge those of both ends' neighbours."""
    reached = np.asarray(graph @ degree.astype(np.float64))
    return float(2.0 * (degree * reached).sum())


def deciles(values: Float) -> NDArray[np.int32]:
    """The decile of each value by rank, from 0; equal values by their place."""
    rank = np.empty(len(values), np.int64)
    rank[np.argsort(values, kind="stable")] = np.arange(len(values))
    return np.asarray(rank * N_DECILES // max(len(values), 1), np.int32)


def _likeness(pairs: Int64, unit: Float32, n_nodes: int) -> Float:
    """Mean cosine of each node with its partners in `pairs`; NaN without one."""
    cosine = np.einsum("ij,ij->i", unit[pairs[:, 0]], unit[pairs[:, 1]], dtype=np.float64)
    return _mean_at_ends(pairs, cosine, n_nodes)


def _mean_at_ends(pairs: Int64, values: Float, n_nodes: int) -> Float:
    """Mean over each node's pairs; NaN without one. Shapes: pairs (k, 2); values (k,); result (n_nodes,)."""
    ends = pairs.T.ravel()
    total = np.bincount(ends, np.tile(values, 2), n_nodes)
    count = np.bincount(ends, minlength=n_nodes)
    return np.asarray(np.divide(total, count, out=np.full(n_nodes, np.nan), where=count > 0))


def _recall(vectors: Float32, split: EdgeSplit, asked: Int64, k: int) -> Float:
    """Recall of the asked nodes with test partners, whose known training partners are out of the ranking."""
    partners = adjacency(split.test, split.n_nodes)
    measured = asked[np.diff(partners.indptr)[asked] > 0]
    ranked = np.full((split.n_nodes, k), -1, np.int64)
    found = rank_among(vectors, adjacency(split.train, split.n_nodes), measured, asked, k)
    ranked[measured, : found.shape[1]] = found
    return recall_of_nodes(ranked, partners)[asked]


BLOCK_CELLS = 1 << 24


def rank_candidates(vectors: Float32, graph: sparse.csr_array, k: int) -> Int64:
    """The k nodes of the largest inner product for each node, best first; -1 where there are fewer.

    Shapes: vectors (n, d); graph (n, n) of known links; result (n, k).
    """
    every = np.arange(len(vectors))
    return rank_among(vectors, graph, every, every, k)


def rank_among(vectors: Float32, graph: sparse.csr_array, asking: Int64, asked: Int64, k: int) -> Int64:
    """The same for some nodes, among some nodes.

    Compares every asking node with every asked one, a block of rows at a time: O(a·b·d) time, bounded memory.
    Shapes: asking (a,); asked (b,) ascending; result (a, min(k, b)) of node numbers.
    """
    k = min(k, len(asked))
    ranked = np.empty((len(asking), k), np.int64)
    n_rows = max(1, BLOCK_CELLS // max(len(asked), 1))
    for start in range(0, len(asking), n_rows):
        rows = asking[start : start + n_rows]
        ranked[start : start + len(rows)] = _best(vectors, graph, rows, asked, k)
    return ranked


def _best(vectors: Float32, graph: sparse.csr_array, rows: Int64, asked: Int64, k: int) -> Int64:
    scores = vectors[rows] @ vectors[asked].T
    _leave_out(scores, graph, rows, asked)
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    values = np.take_along_axis(scores, best, axis=1)
    order = np.lexsort((best, -values), axis=1)
    best, values = np.take_along_axis(best, order, axis=1), np.take_along_axis(values, order, axis=1)
    return np.where(np.isfinite(values), asked[best], -1)


def _leave_out(scores: Float32, graph: sparse.csr_array, rows: Int64, asked: Int64) -> None:
    """Sets known links and the node itself to -inf."""
    known = sparse.csr_array(graph[rows])
    local = np.concatenate([np.repeat(np.arange(len(rows)), np.diff(known.indptr)), np.arange(len(rows))])
    target = np.concatenate([known.indices, rows])
    place = np.searchsorted(asked, target)
    is_asked = (place < len(asked)) & (asked[np.minimum(place, len(asked) - 1)] == target)
    scores[local[is_asked], place[is_asked]] = -np.inf

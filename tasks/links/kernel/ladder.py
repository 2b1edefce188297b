"""The ladder: each rung a scorer of pairs, from shared neighbours to a stack, each with its gain over those below.

Validation pairs are shared out once: a third stops the networks early, the others fit stack and calibration. No rung
below the stack sees the latter, and nobody sees the test.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lakebed.tasks.links.config import LinksConfig, Rung
from lakebed.tasks.links.kernel import neighbours
from lakebed.tasks.links.kernel.features import NodeFeatures, smooth, unit_vectors
from lakebed.tasks.links.kernel.metrics import LinkMetrics, measure
from lakebed.tasks.links.kernel.neighbours import SMOOTHING, resource_allocation
from lakebed.tasks.links.kernel.propagation import transition_matrix
from lakebed.tasks.links.kernel.split import EdgeSplit, TooFewLinksError
from lakebed.tasks.links.kernel.stack import Logistic, Stack, fit_gated_stack, fit_logistic, sigmoid

Float32 = NDArray[np.float32]
Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
Scores = dict[Rung, Float]
BLOCK_ROWS = 2048
MAX_VALUE_COLUMNS, MIN_SHARED = 100, 2
STOP_SHARE = 1 / 3


@dataclass(frozen=True)
class TableOverlaps:
    """The greatest overlap of a column of one table with a column of another, where there is any.

    Shapes: key (k,) ascending, of two tables' nodes; overlap (k,).
    """

    n_nodes: int
    key: Int64
    overlap: Float

    def of(self, pairs: Int64) -> Float:
        """That of each pair of nodes, 0 where they share nothing. Shapes: pairs (m, 2); result (m,)."""
        asked = pairs.min(axis=1) * self.n_nodes + pairs.max(axis=1)
        if not len(self.key):
            return np.zeros(len(asked))
        at = np.minimum(np.searchsorted(self.key, asked), len(self.key) - 1)
        return np.where(self.key[at] == asked, self.overlap[at], 0.0)


def table_overlaps(graph: sparse.csr_array, owner: Int64) -> TableOverlaps:
    """For all tables at once, a block of columns at a time. O(Σ over values of columns²).

    Values of more than MAX_VALUE_COLUMNS columns are left out, and columns that share less than MIN_SHARED values.
    Shapes: graph (n, n); owner (n,) the table of a column, any other node itself.
    """
    n_nodes = graph.shape[0]
    columns = np.flatnonzero(owner != np.arange(n_nodes))
    is_value = np.ones(n_nodes, np.bool_)
    is_value[columns] = is_value[owner[columns]] = False
    degree, weight = np.diff(graph.indptr), resource_allocation(graph)
    values = np.flatnonzero(is_value & (degree > 1) & (degree <= MAX_VALUE_COLUMNS))
    of_columns = graph[columns]
    size = np.asarray(of_columns @ np.where(is_value, weight, 0.0)) + SMOOTHING
    held = sparse.csr_array(of_columns[:, values])
    keys, overlaps = [np.empty(0, np.int64)], [np.empty(0)]
    for start in range(0, len(columns), BLOCK_ROWS):
        first, second, shared = _shared(held, weight[values], start)
        tables = owner[columns[first]], owner[columns[second]]
        key = np.minimum(*tables) * n_nodes + np.maximum(*tables)
        found = _greatest(key, shared / np.minimum(size[first], size[second]), tables[0] != tables[1])
        keys, overlaps = [*keys, found[0]], [*overlaps, found[1]]
    key, overlap = np.concatenate(keys), np.concatenate(overlaps)
    return TableOverlaps(n_nodes, *_greatest(key, overlap, np.ones(len(key), np.bool_)))


def _shared(held: sparse.csr_array, weight: Float, start: int) -> tuple[Int64, Int64, Float]:
    """Pairs of a block's columns with later ones that share enough values, and the weight of what they share."""
    block = sparse.csr_array(held[start : start + BLOCK_ROWS])
    counts, weights = (sparse.csr_array(part @ held.T) for part in (block, block * weight))
    counts.sort_indices()
    weights.sort_indices()
    first = start + np.repeat(np.arange(block.shape[0]), np.diff(counts.indptr))
    kept = (counts.data >= MIN_SHARED) & (first < counts.indices)
    return first[kept], counts.indices[kept].astype(np.int64), weights.data[kept].astype(np.float64)


def _greatest(key: Int64, overlap: Float, is_kept: NDArray[np.bool_]) -> tuple[Int64, Float]:
    """The greatest overlap of each key."""
    key, overlap = key[is_kept], overlap[is_kept]
    order = np.lexsort((overlap, key))
    key, overlap = key[order], overlap[order]
    is_last = np.ones(len(key), np.bool_)
    is_last[:-1] = key[1:] != key[:-1]
    return key[is_last], overlap[is_last]


BLOCK_PAIRS = 1 << 14
NETWORKS: tuple[Rung, ...] = ("gcn", "sage")
SHARED: tuple[Rung, ...] = ("common_neighbours", "adamic_adar", "resource_allocation", "overlap")


@dataclass(frozen=True)
class LadderInputs:
    """What the rungs read: all of it made from training edges, or a visible graph, alone.

    Shapes: graph (n, n); reach (n, n) the neighbourhoods that are compared; fastrp (n, d) float32; networks by kind,
    each (n, d) float32; owner (n,) the table of a column, any other node itself, None where nodes own none.
    """

    split: EdgeSplit
    graph: sparse.csr_array
    reach: sparse.csr_array
    fastrp: Float32
    features: NodeFeatures | None
    networks: Mapping[str, Float32]
    owner: Int64 | None = None


@dataclass(frozen=True)
class RungResult:
    """One rung: its figures on the test, its gain in AUC over the best rung below, and CPU seconds of scoring."""

    rung: Rung
    metrics: LinkMetrics
    gain_auc: float
    cpu_s: float


class PlainRungs:
    """The rungs that are fitted on no pairs; they score pairs all at once, because the first ones share their work."""

    def __init__(self, inputs: LadderInputs, config: LinksConfig) -> None:
        graph, owner = inputs.graph, inputs.owner
        self.cpu_s: dict[Rung, float] = {}
        self._reach, self._size = inputs.reach, np.diff(inputs.reach.indptr).astype(np.float64)
        weights = (neighbours.common_neighbours, neighbours.adamic_adar, neighbours.resource_allocation)
        self._weights = np.stack([weight(graph) for weight in weights], axis=1)
        self._weight_of = np.asarray(self._reach @ self._weights[:, 2]) + neighbours.SMOOTHING
        self._tables = None if owner is None else table_overlaps(graph, owner)
        self._is_table = np.zeros(graph.shape[0], np.bool_)
        if owner is not None:
            self._is_table[owner[owner != np.arange(len(owner))]] = True
        self._vectors: dict[Rung, Float32] = {"fastrp_cosine": unit_vectors(inputs.fastrp)}
        if inputs.features is not None:
            smoothed = smooth(inputs.features, transition_matrix(graph), config.n_hops)
            self._vectors["fastrp_features_cosine"] = unit_vectors(smoothed)
        self._vectors |= {kind: inputs.networks[kind] for kind in NETWORKS if kind in inputs.networks}
        by_columns: tuple[Rung, ...] = () if self._tables is None else ("best_columns",)
        self.names: tuple[Rung, ...] = (*SHARED, *by_columns, *self._vectors)

    def scores(self, pairs: Int64) -> Scores:
        """Every rung's scores. Shapes: pairs (k, 2); each (k,)."""
        with self._timed(*SHARED):
            shared = neighbours.shared_neighbour_scores(self._reach, pairs, self._weights)
            overlap = shared[:, 2] / self._weight_of[pairs].min(axis=1)
            found: Scores = dict(zip(SHARED, (*shared.T, overlap), strict=True))
        if self._tables is not None:
            with self._timed("best_columns"):
                found["best_columns"] = np.where(self._is_table[pairs[:, 0]], self._tables.of(pairs), overlap)
        for name, vectors in self._vectors.items():
            with self._timed(name):
                found[name] = inner_products(vectors, pairs)
        return found

    def columns(self, scores: Scores, pairs: Int64) -> Float:
        """What the stack reads, as logarithms: every score, and the sum and the lesser of the neighbourhoods' sizes.

        On a lake the same once more for tables alone, and whether a pair is one of tables: their scores are of another
        size. Shapes: result (k, columns of each name in `column_names`).
        """
        size = np.log1p(self._size[pairs])
        read = np.stack([*(_log(scores[name]) for name in self.names), size.sum(axis=1), size.min(axis=1)], axis=1)
        if self._tables is None:
            return read
        is_table = self._is_table[pairs[:, :1]].astype(np.float64)
        return np.concatenate([read, read * is_table, is_table], axis=1)

    @property
    def column_names(self) -> tuple[str, ...]:
        """What each column of `columns` is made of; a rung's own column is the first of its name."""
        read = (*self.names, "size", "size")
        return read if self._tables is None else (*read, *read, "kind")

    @contextmanager
    def _timed(self, *names: Rung) -> Iterator[None]:
        started = time.process_time()
        yield
        for name in names:
            self.cpu_s[name] = self.cpu_s.get(name, 0.0) + (time.process_time() - started) / len(names)


@dataclass(frozen=True)
class Ladder:
    """The rungs that the config names and the inputs allow; `logistic` and `stack` are fitted where it names them."""

    rungs: tuple[Rung, ...]
    plain: PlainRungs
    logistic: Logistic | None
    stack: Stack | None

    def scores(self, pairs: Int64) -> Scores:
        """The scores of every rung of the ladder. Shapes: pairs (k, 2); each (k,)."""
        found = self.plain.scores(pairs)
        columns = self.plain.columns(found, pairs)
        if self.logistic is not None:
            found["logistic"] = sigmoid(self.logistic.logits(columns))
        if self.stack is not None:
            found["stack"] = self.stack.scores(columns)
        return {rung: found[rung] for rung in self.rungs}


def stop_pairs(split: EdgeSplit) -> tuple[Int64, Int64]:
    """The validation links and other pairs for early stopping alone."""
    n = max(1, int(len(split.valid) * STOP_SHARE))
    return split.valid[:n], split.valid_negative[:n]


def fit_pairs(split: EdgeSplit) -> tuple[Int64, Int64]:
    """The validation links and other pairs for stack and calibration alone.

    Raises: GraphError: if there are too few.
    """
    n = len(stop_pairs(split)[0])
    if len(split.valid) - n < 2:
        raise TooFewLinksError(
            "there are too few validation edges to fit a stack on",
            value=f"{len(split.valid)} edges",
            expected="5 or more",
            hint="raise links.split.valid_share",
        )
    return split.valid[n:], split.valid_negative[n:]


def labelled_pairs(split: EdgeSplit) -> tuple[Int64, NDArray[np.bool_]]:
    """Those pairs in one array, and which of them are links. Raises: GraphError: as `fit_pairs`."""
    links, others = fit_pairs(split)
    return np.concatenate([links, others]), np.repeat([True, False], [len(links), len(others)])


def build_ladder(inputs: LadderInputs, config: LinksConfig) -> Ladder:
    """Fits what is to be fitted. A stack that beats no single rung on validation is that rung, calibrated."""
    plain = PlainRungs(inputs, config)
    allowed = {*plain.names, "logistic", "stack"}
    rungs = tuple(rung for rung in config.rungs if rung in allowed)
    if not {"logistic", "stack"} & {*rungs}:
        return Ladder(rungs, plain, None, None)
    pairs, is_link = labelled_pairs(inputs.split)
    columns = plain.columns(plain.scores(pairs), pairs)
    below = tuple(place for place, name in enumerate(plain.column_names) if name not in NETWORKS)
    stack, logistic = None, None
    if "logistic" in rungs:
        logistic = fit_logistic(columns[:, below], is_link).widened(below, columns.shape[1])
    if "stack" in rungs:
        simpler: dict[str, tuple[int, ...]] = {"logistic": below} if "logistic" in rungs else {}
        simpler |= {name: (place,) for place, name in enumerate(plain.names)}
        stack = fit_gated_stack(columns, is_link, simpler, config.n_folds, config.split.seed)
    return Ladder(rungs, plain, logistic, stack)


def score_pairs(stack: Stack, inputs: LadderInputs, config: LinksConfig, pairs: Int64) -> tuple[Float, Scores]:
    """Chances of links under a fitted stack, on any graph with the same rungs, and what the plain rungs say.

    Shapes: pairs (k, 2); each result (k,).
    """
    plain = PlainRungs(inputs, config)
    scores = plain.scores(pairs)
    return stack.scores(plain.columns(scores, pairs)), scores


def climb(ladder: Ladder, split: EdgeSplit, tails: Int64, ks: Sequence[int]) -> list[RungResult]:
    """Measures each rung on the test."""
    before = dict(ladder.plain.cpu_s)
    with_tails = np.stack([np.repeat(split.test[:, 0], tails.shape[1]), tails.ravel()], axis=1)
    links, others, tail_scores = (ladder.scores(pairs) for pairs in (split.test, split.test_negative, with_tails))
    results: list[RungResult] = []
    for rung in ladder.rungs:
        metrics = measure(links[rung], others[rung], tail_scores[rung].reshape(tails.shape), ks)
        best = max((below.metrics.auc for below in results), default=0.5)
        cpu_s = ladder.plain.cpu_s.get(rung, 0.0) - before.get(rung, 0.0)
        results.append(RungResult(rung, metrics, metrics.auc - best, cpu_s))
    return results


def inner_products(vectors: Float32, pairs: Int64) -> Float:
    """The inner product of the two nodes of each pair, a block of pairs at a time. Shapes: result (k,)."""
    result = np.empty(len(pairs))
    for start in range(0, len(pairs), BLOCK_PAIRS):
        part = pairs[start : start + BLOCK_PAIRS]
        ends = vectors[part[:, 0]], vectors[part[:, 1]]
        result[start : start + BLOCK_PAIRS] = np.einsum("ij,ij->i", *ends, dtype=np.float64)
    return result


def _log(scores: Float) -> Float:
    """log(1 + x) on either side of zero: a pair that shares a hundred nodes is no hundred times as likely."""
    return np.asarray(np.sign(scores) * np.log1p(np.abs(scores)))

"""The ladder: each rung a scorer of pairs, from shared neighbours to a stack, each with its gain over those below.

Validation pairs are shared out once: a third stops the networks early, the others fit stack and calibration. No rung
below the stack sees the latter, and nobody sees the test.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lakebed.tasks.links.config import LinksConfig, Rung
from lakebed.tasks.links.kernel import neighbours
from lakebed.tasks.links.kernel.column_pairs import table_overlaps
from lakebed.tasks.links.kernel.features import NodeFeatures, smooth, smoothed_symmetric, unit_vectors
from lakebed.tasks.links.kernel.hard_negatives import HardGroups, group_rows, grouped
from lakebed.tasks.links.kernel.listwise import fit_gated_listwise
from lakebed.tasks.links.kernel.metapaths import metapath_columns
from lakebed.tasks.links.kernel.metrics import LinkMetrics, group_ranks, measure, measure_groups, tail_ranks
from lakebed.tasks.links.kernel.propagation import normalised_adjacency, transition_matrix
from lakebed.tasks.links.kernel.split import EdgeSplit, TooFewLinksError
from lakebed.tasks.links.kernel.stack import Chosen, Logistic, Stack, fit_gated_stack, fit_logistic, sigmoid

Float32 = NDArray[np.float32]
Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
Int8 = NDArray[np.int8]
Scores = dict[Rung, Float]
STOP_SHARE = 1 / 3
MIN_LISTS = 20


BLOCK_PAIRS = 1 << 14
NETWORKS: tuple[Rung, ...] = ("gcn", "sage")
SMOOTHED: tuple[Rung, ...] = ("smoothed_one_hop", "smoothed_two_hops")
SHARED: tuple[Rung, ...] = ("common_neighbours", "adamic_adar", "resource_allocation", "overlap")


@dataclass(frozen=True)
class LadderInputs:
    """What the rungs read: all of it made from training edges, or a visible graph, alone.

    Shapes: graph (n, n); reach (n, n) the neighbourhoods that are compared; fastrp (n, d) float32; networks by kind,
    each (n, d) float32; owner (n,) the table of a column, any other node itself, None where nodes own none;
    node_type (n,) the kind of each node as a number, None where all are of one kind.
    """

    split: EdgeSplit
    graph: sparse.csr_array
    reach: sparse.csr_array
    fastrp: Float32
    features: NodeFeatures | None
    networks: Mapping[str, Float32]
    owner: Int64 | None = None
    node_type: Int8 | None = None


@dataclass(frozen=True)
class RungResult:
    """One rung: its figures on the test, its gain in AUC over the best rung below, and CPU seconds of scoring.

    Attributes:
        metrics: beside random others.
        hard: beside hard others; None where there is no link that has any.
        ranks: of each test pair among its random tails, and of each pair of the hard groups among its others.
    """

    rung: Rung
    metrics: LinkMetrics
    gain_auc: float
    cpu_s: float
    hard: LinkMetrics | None = None
    ranks: tuple[Float, Float] | None = field(default=None, compare=False, repr=False)


class PlainRungs:
    """The rungs that are fitted on no pairs; they score pairs all at once, because the first ones share their work."""

    def __init__(self, inputs: LadderInputs, config: LinksConfig) -> None:
        graph, owner = inputs.graph, inputs.owner
        self.cpu_s: dict[Rung, float] = {}
        self._reach, self._size = inputs.reach, np.diff(inputs.reach.indptr).astype(np.float64)
        weights = (neighbours.common_neighbours, neighbours.adamic_adar, neighbours.resource_allocation)
        self._weights = np.stack([weight(graph) for weight in weights], axis=1)
        self._weight_of = np.asarray(self._reach @ self._weights[:, 2]) + neighbours.SMOOTHING
        self._node_type = inputs.node_type
        self._tables = None if owner is None else table_overlaps(graph, owner)
        self._is_table = np.zeros(graph.shape[0], np.bool_)
        if owner is not None:
            self._is_table[owner[owner != np.arange(len(owner))]] = True
        self._vectors: dict[Rung, Float32] = {"fastrp_cosine": inputs.fastrp}
        if inputs.features is not None:
            smoothed = smooth(inputs.features, transition_matrix(graph), config.n_hops)
            self._vectors["fastrp_features_cosine"] = unit_vectors(smoothed)
            hops = smoothed_symmetric(inputs.features, normalised_adjacency(graph), len(SMOOTHED))
            self._vectors |= dict(zip(SMOOTHED, hops, strict=True))
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
                found[name] = inner_products(vectors, pairs, are_unit=name != "fastrp_cosine")
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
    def has_types(self) -> bool:
        """Whether nodes are of several kinds, so that paths between two of them differ."""
        return self._node_type is not None

    def metapaths(self, pairs: Int64) -> Float:
        """What the metapath rung reads. Shapes: pairs (k, 2); result (k, any)."""
        assert self._node_type is not None  # noqa: S101 - asked only where there are types
        return metapath_columns(self._reach, self._node_type, pairs)

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
    """The rungs that the config names and the inputs allow; the later ones are fitted where it names them."""

    rungs: tuple[Rung, ...]
    plain: PlainRungs
    logistic: Logistic | None = None
    stack: Stack | None = None
    metapath: Logistic | None = None
    listwise: Chosen | None = None

    def scores(self, pairs: Int64) -> Scores:
        """The scores of every rung of the ladder. Shapes: pairs (k, 2); each (k,)."""
        found = self.plain.scores(pairs)
        columns = self.plain.columns(found, pairs)
        if self.logistic is not None:
            found["logistic"] = sigmoid(self.logistic.logits(columns))
        if self.metapath is not None:
            found["metapath"] = sigmoid(self.metapath.logits(self.plain.metapaths(pairs)))
        if self.listwise is not None:
            found["listwise"] = self.listwise.model.logits(columns)
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


def build_ladder(inputs: LadderInputs, config: LinksConfig, hard: HardGroups | None = None) -> Ladder:
    """Fits what is to be fitted. A stack that beats no single rung on validation is that rung.

    `hard` are the validation links with hard others; without enough of them there is no listwise rung. It reads no
    network, which stopped on some of these links and tell hard others worst of all rungs.
    """
    plain = PlainRungs(inputs, config)
    has_lists = hard is not None and len(hard.links) >= MIN_LISTS
    allowed = {*plain.names, "logistic", "stack", *(("listwise",) if has_lists else ())}
    allowed |= {"metapath"} if plain.has_types else set()
    rungs = tuple(rung for rung in config.rungs if rung in allowed)
    ladder = Ladder(rungs, plain)
    if {"logistic", "stack", "metapath"} & {*rungs}:
        ladder = _with_fitted(ladder, inputs, config)
    if hard is not None and "listwise" in rungs:
        columns = grouped(plain.columns(plain.scores(group_rows(hard)), group_rows(hard)), hard)
        below = _below_networks(plain)
        lists = (columns[0][:, list(below)], columns[1][..., list(below)])
        found = fit_gated_listwise(lists, _single(plain, below), config.n_folds, config.split.seed)
        model = found.model.widened(below, len(plain.column_names))
        ladder = replace(ladder, listwise=replace(found, model=model))
    return ladder


def _with_fitted(ladder: Ladder, inputs: LadderInputs, config: LinksConfig) -> Ladder:
    """The rungs that are fitted on as many links as other pairs."""
    plain, rungs = ladder.plain, ladder.rungs
    pairs, is_link = labelled_pairs(inputs.split)
    columns = plain.columns(plain.scores(pairs), pairs)
    below = _below_networks(plain)
    if "logistic" in rungs:
        logistic = fit_logistic(columns[:, list(below)], is_link).widened(below, columns.shape[1])
        ladder = replace(ladder, logistic=logistic)
    if "metapath" in rungs:
        ladder = replace(ladder, metapath=fit_logistic(plain.metapaths(pairs), is_link))
    if "stack" in rungs:
        simpler: dict[str, tuple[int, ...]] = {"logistic": below} if "logistic" in rungs else {}
        every = range(columns.shape[1])
        stack = fit_gated_stack(columns, is_link, simpler | _single(plain, every), config.n_folds, config.split.seed)
        ladder = replace(ladder, stack=stack)
    return ladder


def _below_networks(plain: PlainRungs) -> tuple[int, ...]:
    """The places of the columns that are of no network."""
    return tuple(place for place, name in enumerate(plain.column_names) if name not in NETWORKS)


def _single(plain: PlainRungs, places: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """The column of each rung by itself, as its place among some columns: the first of its name."""
    named = [plain.column_names[place] for place in places]
    return {name: (named.index(name),) for name in plain.names if name in named}


def climb(
    ladder: Ladder, split: EdgeSplit, tails: Int64, ks: Sequence[int], hard: HardGroups | None = None
) -> list[RungResult]:
    """Measures each rung on the test, beside random others and beside hard ones."""
    before = dict(ladder.plain.cpu_s)
    with_tails = np.stack([np.repeat(split.test[:, 0], tails.shape[1]), tails.ravel()], axis=1)
    links, others, tail_scores = (ladder.scores(pairs) for pairs in (split.test, split.test_negative, with_tails))
    groups = hard if hard is not None and len(hard.links) else None
    hard_scores = ladder.scores(group_rows(groups)) if groups is not None else {}
    results: list[RungResult] = []
    for rung in ladder.rungs:
        of_tails = tail_scores[rung].reshape(tails.shape)
        metrics = measure(links[rung], others[rung], of_tails, ks)
        best = max((below.metrics.auc for below in results), default=0.5)
        cpu_s = ladder.plain.cpu_s.get(rung, 0.0) - before.get(rung, 0.0)
        result = RungResult(rung, metrics, metrics.auc - best, cpu_s)
        if groups is not None:
            lists = grouped(hard_scores[rung], groups)
            ranks = tail_ranks(links[rung], of_tails), group_ranks(*lists)
            result = replace(result, hard=measure_groups(*lists, ks), ranks=ranks)
        results.append(result)
    return results


def inner_products(vectors: Float32, pairs: Int64, *, are_unit: bool = True) -> Float:
    """The inner product of the two nodes of each pair, a block of pairs at a time; else the cosine. Shapes: (k,)."""
    result = np.empty(len(pairs))
    for start in range(0, len(pairs), BLOCK_PAIRS):
        part = pairs[start : start + BLOCK_PAIRS]
        ends = (vectors[part[:, 0]], vectors[part[:, 1]])
        if not are_unit:
            ends = (unit_vectors(ends[0]), unit_vectors(ends[1]))
        result[start : start + BLOCK_PAIRS] = np.einsum("ij,ij->i", *ends, dtype=np.float64)
    return result


def _log(scores: Float) -> Float:
    """log(1 + x) on either side of zero: a pair that shares a hundred nodes is no hundred times as likely."""
    return np.asarray(np.sign(scores) * np.log1p(np.abs(scores)))

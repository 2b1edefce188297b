"""The ladder: each rung a scorer of pairs, from shared neighbours to a stack, each with its gain over those below.

Validation pairs are shared out once: a third stops the networks early, the others fit stack and calibration. No rung
below the stack sees the latter, and nobody sees the test.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tasks.links.config import LinksConfig, Rung
from tasks.links.kernel import neighbours
from tasks.links.kernel.features import NodeFeatures, smooth, unit_vectors
from tasks.links.kernel.metrics import LinkMetrics, PairScorer, measure
from tasks.links.kernel.propagation import transition_matrix
from tasks.links.kernel.split import EdgeSplit, TooFewLinksError
from tasks.links.kernel.stack import Stack, fit_logistic, fit_stack, sigmoid

Float32 = NDArray[np.float32]
Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
STOP_SHARE = 1 / 3


@dataclass(frozen=True)
class LadderInputs:
    """What the rungs read: all of it made from training edges, or a visible graph, alone.

    Shapes: graph (n, n); fastrp (n, d) float32; networks by kind, each (n, d) float32.
    """

    split: EdgeSplit
    graph: sparse.csr_array
    fastrp: Float32
    features: NodeFeatures | None
    networks: Mapping[str, Float32]


@dataclass(frozen=True)
class RungResult:
    """One rung: its figures on the test, its gain in AUC over the best rung below, and CPU seconds of scoring."""

    rung: Rung
    metrics: LinkMetrics
    gain_auc: float
    cpu_s: float


@dataclass(frozen=True)
class Ladder:
    """Every rung's scorer; `stack` is fitted where the config names it."""

    scorers: Mapping[Rung, PairScorer]
    stack: Stack | None


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


def build_ladder(inputs: LadderInputs, config: LinksConfig) -> Ladder:
    """The scorers of the rungs that the config names and the inputs allow."""
    plain = dict(plain_rungs(inputs, config))
    columns = [*plain.values(), *_degree_columns(inputs.graph)]
    scorers = {rung: plain[rung] for rung in config.rungs if rung in plain}
    if "logistic" in config.rungs:
        below = [score for rung, score in plain.items() if rung not in inputs.networks]
        scorers["logistic"] = _logistic(below, inputs.split)
    stack = None
    if "stack" in config.rungs:
        stack = _fit(columns, inputs.split, config)
        scorers["stack"] = lambda pairs: stack.scores(_table(columns, pairs))
    return Ladder({rung: scorers[rung] for rung in config.rungs if rung in scorers}, stack)


def stack_columns(inputs: LadderInputs, config: LinksConfig) -> list[PairScorer]:
    """What the stack reads of a pair: the plain rungs and the degrees, in one order for every graph."""
    return [*dict(plain_rungs(inputs, config)).values(), *_degree_columns(inputs.graph)]


def score_pairs(stack: Stack, inputs: LadderInputs, config: LinksConfig, pairs: Int64) -> Float:
    """Chances of links under a fitted stack, on any graph with the same rungs. Shapes: pairs (k, 2); result (k,)."""
    return stack.scores(_table(stack_columns(inputs, config), pairs))


def climb(ladder: Ladder, split: EdgeSplit, tails: Int64, ks: Sequence[int]) -> list[RungResult]:
    """Measures each rung on the test."""
    results: list[RungResult] = []
    for rung, score in ladder.scorers.items():
        started = time.process_time()
        metrics = measure(score, (split.test, split.test_negative), tails, ks)
        best = max((below.metrics.auc for below in results), default=0.5)
        results.append(RungResult(rung, metrics, metrics.auc - best, time.process_time() - started))
    return results


def cosine(vectors: Float32) -> PairScorer:
    """Scores a pair by the cosine of its nodes' vectors; 0 where one is a zero vector."""
    unit = unit_vectors(vectors)
    return _inner(unit)


def plain_rungs(inputs: LadderInputs, config: LinksConfig) -> Iterator[tuple[Rung, PairScorer]]:
    """The rungs that are fitted on no pairs, in the order of the ladder."""
    graph = inputs.graph
    yield "common_neighbours", _shared(graph, neighbours.common_neighbours(graph))
    yield "adamic_adar", _shared(graph, neighbours.adamic_adar(graph))
    yield "resource_allocation", _shared(graph, neighbours.resource_allocation(graph))
    yield "fastrp_cosine", cosine(inputs.fastrp)
    if inputs.features is not None:
        yield "fastrp_features_cosine", cosine(smooth(inputs.features, transition_matrix(graph), config.n_hops))
    for kind, vectors in inputs.networks.items():
        if kind == "gcn":
            yield "gcn", _inner(vectors)
        else:
            yield "sage", _inner(vectors)


def _shared(graph: sparse.csr_array, weight: Float) -> PairScorer:
    return lambda pairs: neighbours.shared_neighbour_scores(graph, pairs, weight)


def _inner(vectors: Float32) -> PairScorer:
    def score(pairs: Int64) -> Float:
        return np.asarray(np.einsum("ij,ij->i", vectors[pairs[:, 0]], vectors[pairs[:, 1]], dtype=np.float64))

    return score


def _degree_columns(graph: sparse.csr_array) -> list[PairScorer]:
    """Log degrees of a pair, summed, and the smaller one: what networks and cosines leave out."""
    log = np.log1p(np.diff(graph.indptr).astype(np.float64))
    return [lambda pairs: log[pairs].sum(axis=1), lambda pairs: log[pairs].min(axis=1)]


def _table(columns: Sequence[PairScorer], pairs: Int64) -> Float:
    return np.stack([score(pairs) for score in columns], axis=1)


def _labelled(split: EdgeSplit) -> tuple[Int64, NDArray[np.bool_]]:
    links, others = fit_pairs(split)
    return np.concatenate([links, others]), np.repeat([True, False], [len(links), len(others)])


def _logistic(columns: Sequence[PairScorer], split: EdgeSplit) -> PairScorer:
    pairs, is_link = _labelled(split)
    model = fit_logistic(_table(columns, pairs), is_link)
    return lambda asked: sigmoid(model.logits(_table(columns, asked)))


def _fit(columns: Sequence[PairScorer], split: EdgeSplit, config: LinksConfig) -> Stack:
    pairs, is_link = _labelled(split)
    return fit_stack(_table(columns, pairs), is_link, config.n_folds, config.split.seed)

"""A stack trained on lists: each link against its own hard others, as it is ranked among them afterwards.

Source: the conditional logit (McFadden 1974), which is the listwise loss of Cao et al. (2007) with one right answer.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.links.kernel.metrics import group_ranks
from lakebed.tasks.links.kernel.stack import MAX_STEPS, TOLERANCE, Chosen, Logistic

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]


def fit_listwise(links: Float, others: Float, penalty: float = 10.0) -> Logistic:
    """Ridge-penalised softmax regression on standardised columns, by Newton's method; it has no bias.

    Shapes: links (g, k), one row a link; others (g, m, k). A column without variance gets no weight.
    """
    rows = np.concatenate([links[:, None], others], axis=1)
    mean, spread = rows.mean(axis=(0, 1)), rows.std(axis=(0, 1))
    scale = np.where(spread > 0, spread, 1.0)
    rows = (rows - mean) / scale
    weights, ridge = np.zeros(rows.shape[2]), penalty * np.eye(rows.shape[2])
    loss = _loss(rows, weights, penalty)
    for _ in range(MAX_STEPS):
        chance = _softmax(rows @ weights)
        expected = np.einsum("gm,gmk->gk", chance, rows)
        gradient = (rows[:, 0] - expected).sum(axis=0) - penalty * weights
        curvature = np.einsum("gmk,gml->kl", rows * chance[..., None], rows, optimize=True)
        step = np.linalg.solve(curvature - expected.T @ expected + ridge, gradient)
        # the loss is convex, but a whole step may pass its least point
        while (after := _loss(rows, weights + step, penalty)) > loss and np.abs(step).max() > TOLERANCE:
            step = step / 2
        weights, loss = weights + step, after
        if np.abs(step).max() < TOLERANCE:
            break
    return Logistic(mean, scale, weights, 0.0)


def fit_gated_listwise(
    groups: tuple[Float, Float], simpler: Mapping[str, Sequence[int]], n_folds: int, seed: int
) -> Chosen:
    """The model of all columns where its reciprocal ranks out of fold beat those of every simpler one, else the best.

    A simpler one of a single column is that column itself. Shapes: groups (g, k) of links and (g, m, k) of others.
    """
    links, others = groups
    folds = np.random.Generator(np.random.PCG64([seed, 14])).permutation(len(links)) % n_folds
    quality: dict[str, float] = {}
    every = tuple(range(links.shape[1]))
    for name, places in {**simpler, "listwise": every}.items():
        ranks = _ranks_out_of_fold(links[:, list(places)], others[..., list(places)], folds)
        quality[name] = float(np.mean(1.0 / ranks))
    best = max(simpler, key=lambda name: quality[name], default="listwise")
    used = "listwise" if quality["listwise"] > quality.get(best, -1.0) else best
    places = every if used == "listwise" else tuple(simpler[used])
    model = fit_listwise(links[:, list(places)], others[..., list(places)]).widened(places, links.shape[1])
    return Chosen(model, used, quality)


def _ranks_out_of_fold(links: Float, others: Float, folds: Int64) -> Float:
    scores, other_scores = np.empty(len(links)), np.empty(others.shape[:2])
    for fold in np.unique(folds):
        inside = folds == fold
        model = fit_listwise(links[~inside], others[~inside])
        scores[inside], other_scores[inside] = model.logits(links[inside]), model.logits(others[inside])
    return group_ranks(scores, other_scores)


def _softmax(logits: Float) -> Float:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _loss(rows: Float, weights: Float, penalty: float) -> float:
    logits = rows @ weights
    most = logits.max(axis=1)
    lost = most + np.log(np.exp(logits - most[:, None]).sum(axis=1)) - logits[:, 0]
    return float(lost.sum() + penalty * (weights @ weights) / 2)

"""The last rung: a logistic model over the scores of the others, cross-fitted and calibrated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.links.kernel.metrics import average_precision

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
MAX_STEPS, TOLERANCE = 50, 1e-9


@dataclass(frozen=True)
class Logistic:
    """weight · (x - mean) / scale + bias. Shapes: mean, scale, weight (k,)."""

    mean: Float
    scale: Float
    weight: Float
    bias: float

    def logits(self, rows: Float) -> Float:
        """Shapes: rows (m, k); result (m,)."""
        return np.asarray((rows - self.mean) / self.scale @ self.weight + self.bias)

    def widened(self, places: Sequence[int], n_columns: int) -> "Logistic":
        """The same model of wider rows, of which it reads the columns at these places."""
        at, weight = list(places), np.zeros(n_columns)
        mean, scale = np.zeros(n_columns), np.ones(n_columns)
        mean[at], scale[at], weight[at] = self.mean, self.scale, self.weight
        return Logistic(mean, scale, weight, self.bias)


@dataclass(frozen=True)
class Stack:
    """The model of all pairs, and its calibration by scores of models that had not seen the pairs.

    Attributes:
        used: what the model reads: "stack" for all columns, else the name of what was better by itself.
        quality: average precision of each that was tried, on pairs out of fold.
    """

    model: Logistic
    calibration: Logistic
    out_of_fold: Float
    used: str = "stack"
    quality: Mapping[str, float] = field(default_factory=dict)

    def scores(self, rows: Float) -> Float:
        """Chance of a link in a sample with as many links as pairs without; (m,) in (0, 1)."""
        return sigmoid(self.calibration.logits(self.model.logits(rows)[:, None]))


@dataclass(frozen=True)
class Chosen:
    """A model of which only the order counts: what it reads, and how well each that was tried did out of fold."""

    model: Logistic
    used: str
    quality: Mapping[str, float] = field(default_factory=dict)


def fit_stack(rows: Float, is_link: NDArray[np.bool_], n_folds: int, seed: int) -> Stack:
    """Cross-fits: each fold's scores come from a model of the other folds, and only those calibrate.

    Shapes: rows (m, k), one column a rung; is_link (m,).
    """
    folds = fold_of(is_link, n_folds, seed)
    out_of_fold = np.empty(len(rows))
    for fold in range(n_folds):
        inside = folds == fold
        out_of_fold[inside] = fit_logistic(rows[~inside], is_link[~inside]).logits(rows[inside])
    return Stack(fit_logistic(rows, is_link), fit_logistic(out_of_fold[:, None], is_link), out_of_fold)


def fit_gated_stack(
    rows: Float, is_link: NDArray[np.bool_], simpler: Mapping[str, Sequence[int]], n_folds: int, seed: int
) -> Stack:
    """The stack of all columns where it beats every simpler model on pairs that neither was fitted on, else the best.

    All are cross-fitted on the same folds and compared by average precision, which weighs the head of the ranking as
    Hits@K and MRR do, and the whole of it.
    Shapes: rows (m, k); simpler: the columns of each by name.
    """
    tried = {name: fit_stack(rows[:, list(places)], is_link, n_folds, seed) for name, places in simpler.items()}
    whole = fit_stack(rows, is_link, n_folds, seed)
    quality = {name: average_precision(stack.out_of_fold, is_link) for name, stack in {**tried, "stack": whole}.items()}
    best = max(tried, key=lambda name: quality[name], default="stack")
    if quality["stack"] > quality[best] or best == "stack":
        return replace(whole, quality=quality)
    chosen = tried[best]
    return replace(chosen, model=chosen.model.widened(simpler[best], rows.shape[1]), used=best, quality=quality)


def fold_of(is_link: NDArray[np.bool_], n_folds: int, seed: int) -> Int64:
    """The fold of each pair; links and other pairs are spread evenly."""
    random = np.random.Generator(np.random.PCG64([seed, 3]))
    folds = np.empty(len(is_link), np.int64)
    for kind in (True, False):
        places = np.flatnonzero(is_link == kind)
        folds[places] = random.permutation(len(places)) % n_folds
    return folds


def fit_logistic(rows: Float, is_link: NDArray[np.bool_], penalty: float = 1.0) -> Logistic:
    """Ridge-penalised logistic regression on standardised columns, by Newton's method; the bias is not penalised.

    Shapes: rows (m, k), is_link (m,). A column without variance gets no weight.
    """
    mean, spread = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    design = np.column_stack([(rows - mean) / scale, np.ones(len(rows))])
    ridge = np.diag([*np.full(rows.shape[1], penalty), 1e-9])
    weights = np.zeros(design.shape[1])
    for _ in range(MAX_STEPS):
        chance = sigmoid(design @ weights)
        gradient = design.T @ (is_link - chance) - ridge @ weights
        curvature = (design.T * np.maximum(chance * (1.0 - chance), 1e-9)) @ design + ridge
        step = np.linalg.solve(curvature, gradient)
        weights += step
        if np.abs(step).max() < TOLERANCE:
            break
    return Logistic(mean, scale, weights[:-1], float(weights[-1]))


def sigmoid(logits: Float) -> Float:
    """1 / (1 + exp(-x)), without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))

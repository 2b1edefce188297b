"""The last rung: a logistic model over the scores of the others, cross-fitted and calibrated."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True)
class Stack:
    """The model of all pairs, its calibration by pairs that the calibrated scores were not fitted on, and the folds."""

    model: Logistic
    calibration: Logistic
    out_of_fold: Float

    def scores(self, rows: Float) -> Float:
        """Chance of a link in a sample with as many links as pairs without; (m,) in (0, 1)."""
        return sigmoid(self.calibration.logits(self.model.logits(rows)[:, None]))


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

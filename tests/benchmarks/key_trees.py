"""Training of the trees that find keys: scikit-learn as a build tool, whose trees become arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from lakebed.tasks.keys.kernel.features import FEATURES
from lakebed.tasks.keys.kernel.trees import Trees, log_odds

N_BAGS = 3
RISES = {
    "n_col", "n_tab", "n_tabcol", "n_max", "n_equal", "n_full", "c_a_in_b", "c_tab_in_a", "c_a_col", "forth", "exact",
    "c_short", "uniq_b", "unique_b", "first_unique_b", "first_b", "key_word_b",
}  # fmt: skip
FALLS = {"log_containers_folder", "unique_a", "null_b"}
SETTINGS: dict[str, Any] = {
    "max_iter": 200, "learning_rate": 0.06, "max_leaf_nodes": 6, "min_samples_leaf": 25, "l2_regularization": 3.0,
    "max_features": 0.4, "monotonic_cst": [1 if name in RISES else -1 if name in FALLS else 0 for name in FEATURES],
}  # fmt: skip


def train(features: NDArray[np.float64], is_key: NDArray[np.bool_]) -> Trees:
    """Three bags of 200 trees of six leaves, monotone in names, inclusion and uniqueness. Shapes: (p, f), (p,)."""
    bags = [
        HistGradientBoostingClassifier(random_state=seed, **SETTINGS).fit(features, is_key) for seed in range(N_BAGS)
    ]
    trees = [(bag, one[0].nodes) for bag, model in enumerate(bags) for one in model._predictors]
    roots = np.cumsum([0, *(len(nodes) for _, nodes in trees)])[:-1]
    return Trees(
        feature=_joined([np.where(nodes["is_leaf"], -1, nodes["feature_idx"].astype(np.int64)) for _, nodes in trees]),
        threshold=_joined([np.where(nodes["is_leaf"], 0.0, nodes["num_threshold"]) for _, nodes in trees]),
        left=_joined([_moved(nodes, "left", root) for (_, nodes), root in zip(trees, roots, strict=True)]),
        right=_joined([_moved(nodes, "right", root) for (_, nodes), root in zip(trees, roots, strict=True)]),
        value=_joined([nodes["value"] for _, nodes in trees]),
        roots=roots,
        bag=np.array([bag for bag, _ in trees]),
        bias=np.array([float(model._baseline_prediction.ravel()[0]) for model in bags]),
    )


def platt(chance: NDArray[np.float64], is_key: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset of the log-odds that fit what was found on data the trees had not seen."""
    fitted = LogisticRegression(C=1e6).fit(log_odds(chance)[:, None], is_key)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def _moved(nodes: NDArray[Any], side: str, root: int) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.where(nodes["is_leaf"], 0, nodes[side].astype(np.int64) + root)
    return found


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts)

"""The link ladder: `python -m tests.benchmarks.links [--npz FILE ...] [--seeds N] [--card FILE]`.

One JSON line a rung and seed, in two settings: beside random others, and beside hard ones (`hard_…`; HeaRT, Li et al.
2023). Links of a lake with known keys are measured by `python -m tests.benchmarks.lake_links`.

Then a line a rung with the mean over the seeds and its standard error. The figures of the shared-neighbour rungs and of
FastRP are the baselines of the same run. Without `--npz` Cora and Citeseer of the shared data are taken.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lakebed.tasks.links import outcome
from lakebed.tasks.links.card import model_card
from lakebed.tasks.links.config import GnnConfig, LinksConfig, SplitConfig
from lakebed.tasks.links.fit import Fitted, fit_links
from lakebed.tasks.links.kernel.neighbours import adjacency
from lakebed.tasks.links.kernel.nodes import node_metrics, rank_candidates
from lakebed.tasks.links.kernel.propagation import transition_matrix
from lakebed.tasks.links.kernel.topology import approximate_concentration, concentration, recall_of_nodes

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "graphs"
Figures = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--npz", type=Path, nargs="*", default=[SHARED / "cora.npz", SHARED / "citeseer.npz"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--reweight", type=float, default=0.0, help="also train with this alpha, as rungs of their own")
    parser.add_argument("--card", type=Path, help="write the model card of the first file's first seed there, and end")
    options = parser.parse_args()
    if options.card:
        options.card.write_text(card(options.npz[0]))
        return
    for path in options.npz:
        by_rung: dict[str, list[Figures]] = defaultdict(list)
        for seed in range(options.seeds):
            for line in chain(measure(path, seed), reweighted(path, seed, options.reweight)):
                by_rung[line["rung"]].append(line)
                print(json.dumps(line), flush=True)
        for rung, lines in by_rung.items():
            print(json.dumps(means(rung, lines)), flush=True)


def measure(path: Path, seed: int) -> Iterator[Figures]:
    edges, features = load(path)
    config = LinksConfig(split=SplitConfig(seed=seed))
    fitted = fit_links(edges, features.shape[0], config, features=features)
    common = {"data": path.stem, "seed": seed, "n_test": len(fitted.task.split.test)}
    for result in fitted.results:
        hits = {f"hits_at_{k}": value for k, value in result.metrics.hits.items()}
        if result.hard is not None:
            hits |= {f"hard_hits_at_{k}": value for k, value in result.hard.hits.items()}
            hits |= {"hard_auc": result.hard.auc, "hard_mrr": result.hard.mrr}
        cpu_s = result.cpu_s + fitted.cpu_s.get(result.rung, 0.0)
        yield {
            "rung": result.rung, **common, "auc": result.metrics.auc, **hits, "mrr": result.metrics.mrr,
            "gain_auc": result.gain_auc, "cpu_s": cpu_s,
        }  # fmt: skip
    yield {"rung": "node_metrics", **common, **correlations(fitted, config)}


def card(path: Path) -> str:
    """The model card of one training, as the stage writes it."""
    edges, features = load(path)
    config = LinksConfig()
    fitted = fit_links(edges, features.shape[0], config, features=features)
    task, vectors = fitted.task, outcome.vectors_of(fitted, fitted.inputs)
    measured = node_metrics(task.graph, task.split, task.asked, vectors, config.recall_at, config.split.seed)
    measured = outcome.with_ranks(measured, fitted)
    text = model_card(fitted.results, outcome.deciles(measured), outcome.facts(fitted, "edges", config), config)
    return f"{text}\nMade by `python -m tests.benchmarks.links --npz {path.name} --card FILE`.\n"


def reweighted(path: Path, seed: int, alpha: float) -> Iterator[Figures]:
    """The networks alone under re-weighted edges; nothing where alpha is 0."""
    if not alpha:
        return
    edges, features = load(path)
    config = LinksConfig(split=SplitConfig(seed=seed), rungs=("gcn", "sage"), gnn=GnnConfig(reweight_alpha=alpha))
    fitted = fit_links(edges, features.shape[0], config, features=features)
    for result in fitted.results:
        hits = {f"hits_at_{k}": value for k, value in result.metrics.hits.items()}
        yield {
            "rung": f"{result.rung}_reweighted", "data": path.stem, "seed": seed, "alpha": alpha,
            "auc": result.metrics.auc, **hits, "mrr": result.metrics.mrr, "cpu_s": fitted.cpu_s[result.rung],
        }  # fmt: skip


def correlations(fitted: Fitted, config: LinksConfig) -> Figures:
    """Pearson's correlation of each node metric with the node's recall@20 under the best plain rung."""
    graph, split = fitted.task.graph, fitted.task.split
    ranked = rank_candidates(fitted.trained["gcn"].vectors, graph, config.recall_at)
    recall = recall_of_nodes(ranked, adjacency(split.test, split.n_nodes))
    known = np.isfinite(recall) & (np.diff(graph.indptr) > 0)
    atc = approximate_concentration(graph, transition_matrix(graph), 256, split.n_nodes)
    metrics = {"atc": atc, "tc": concentration(graph), "degree": np.diff(graph.indptr).astype(float)}
    return {f"r_{name}": float(np.corrcoef(values[known], recall[known])[0, 1]) for name, values in metrics.items()}


def means(rung: str, lines: list[Figures]) -> Figures:
    """Mean over the seeds of every figure, and its standard error."""
    names = [name for name, value in lines[0].items() if isinstance(value, float)]
    table = np.array([[line[name] for name in names] for line in lines])
    errors = table.std(axis=0, ddof=1) / np.sqrt(len(lines)) if len(lines) > 1 else np.full(len(names), np.nan)
    figures = {name: round(float(value), 4) for name, value in zip(names, table.mean(axis=0), strict=True)}
    errors_by_name = {f"{name}_se": round(float(value), 4) for name, value in zip(names, errors, strict=True)}
    return {"rung": rung, "data": lines[0]["data"], "seeds": len(lines), **figures, **errors_by_name}


def load(path: Path) -> tuple[NDArray[np.int64], sparse.csr_array]:
    """Edges (m, 2), and features as CSR."""
    data = np.load(path)
    parts = (data["features_data"], data["features_indices"], data["features_indptr"])
    features = sparse.csr_array(parts, shape=tuple(data["features_shape"]))
    return data["edges"].astype(np.int64), features


if __name__ == "__main__":
    main()

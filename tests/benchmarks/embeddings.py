"""FastRP on a labelled graph beside a plain sparse-times-sparse implementation in float64, in the same run.

`python -m tests.benchmarks.embeddings [--mat FILE] [--shuffles 5] [--no-labels]` prints one JSON object a measurement
on standard output; progress goes to standard error. FILE is a Matlab file with a sparse `network` and, for the F1
scores, a sparse `group` (nodes by labels), as BlogCatalog's. Times are CPU seconds; ours are warm, one thread. The
setting is the paper's for BlogCatalog: four powers with weights (0, 0, 1, 6.67), β = -0.64. The rows of
our powers are at length 1 before they are weighted, as is the default.

`--orthogonal`: orthogonal rounds of 128 and 256 numbers beside FastRP of 128 and 512, nothing else; F1 is the mean over
`--seeds` starts, each over the same `--shuffles`, its spread that of the starts.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import scipy.io
import scipy.sparse as sp
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lakebed.tasks.embeddings.config import EmbeddingsConfig
from lakebed.tasks.embeddings.kernel.fastrp import EmbeddingGraph, Transition, embed
from lakebed.tasks.embeddings.kernel.orthogonal import embed_by_rounds
from lakebed.tasks.runtime.memory import peak_memory_bytes
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.cost_model import Choice
from lakebed.tasks.summary.kernel.csr import CsrGraph
from lakebed.tasks.summary.kernel.graph import build_graph
from lakebed.tasks.summary.kernel.operator import CsrOperator, ProductOperator, chosen_operator
from lakebed.tasks.summary.kernel.summarize import summarize_graph
from tests.benchmarks.graphs import graph_folder

Record = dict[str, object]
WEIGHTS, EXPONENT = (0.0, 0.0, 1.0, 6.67), -0.64
SHARES = (0.1, 0.5, 0.9)


def main(arguments: Sequence[str] | None = None) -> int:
    """Console entry."""
    options = _parser().parse_args(arguments)
    path = options.mat or (graph_folder() or Path()) / "blogcatalog.mat"
    if options.orthogonal:
        # threads of the products wait for each other more than they help
        with threadpool_limits(1):
            for record in _methods(path, options):
                _say(record)
        return 0
    if options.memory_only:
        _say(_peak(path, options.dim))
        return 0
    found = scipy.io.loadmat(path)
    network, labels = sp.csr_matrix(found["network"]), found.get("group")
    for record, vectors in _measure(network, options):
        if labels is not None and not options.no_labels:
            _note(f"F1 of {record['method']}")
            record.update(f1_scores(vectors, sp.csr_matrix(labels).toarray() > 0, options.shuffles))
        _say({"graph": path.stem, "n": network.shape[0], "edges": network.nnz // 2, "dim": options.dim, **record})
    command = [sys.executable, "-m", "tests.benchmarks.embeddings", "--mat", str(path), "--dim", str(options.dim)]
    print(subprocess.run([*command, "--memory-only"], check=True, capture_output=True, text=True).stdout, end="")
    return 0


def _measure(network: sp.csr_matrix, options: argparse.Namespace) -> list[tuple[Record, NDArray[np.floating]]]:
    config = _config(options.dim)
    on_csr, by_cost, choice = _operators(network, options.dim)
    ours, ours_s = _timed(lambda: embed(_graph(on_csr), config).vectors, options.repeats)
    chosen, chosen_s = _timed(lambda: embed(_graph(by_cost), config).vectors, options.repeats)
    plain, plain_s = _timed(lambda: plain_fastrp(network, options.dim, seed=0), options.repeats)
    return [
        ({"method": "ours", "cpu_s": ours_s, "times_baseline": round(plain_s / ours_s, 2)}, ours),
        ({"method": "ours_chosen_way", "way": choice.way, "cpu_s": chosen_s,
          "times_baseline": round(plain_s / chosen_s, 2)}, chosen),
        ({"method": "baseline_sparse_float64", "cpu_s": plain_s}, plain),
    ]  # fmt: skip


def _methods(path: Path, options: argparse.Namespace) -> Iterator[Record]:
    """A record each method and size: F1 of each start, their mean and spread, and the least time of a start."""
    found = scipy.io.loadmat(path)
    graph = _graph(_csr_operator(sp.csr_matrix(found["network"])))
    labels = sp.csr_matrix(found["group"]).toarray() > 0
    for method, dim in (("fastrp", 128), ("fastrp", 512), ("orthogonal", 128), ("orthogonal", 256)):
        work = embed if method == "fastrp" else embed_by_rounds
        config = _config(dim).model_copy(update={"method": method})
        seconds, scores = [], []
        for seed in range(options.seeds):
            _note(f"{method} {dim}, start {seed}")
            one = config.model_copy(update={"seed": seed})
            vectors, cpu_s = _timed(partial(lambda work, config: work(graph, config).vectors, work, one), 1)
            seconds.append(cpu_s)
            scores.append([list(each.values())[:2] for each in f1_scores(vectors, labels, options.shuffles).values()])
        means, spread = np.mean(scores, axis=0), np.std(scores, axis=0)
        f1 = {f"f1_{share:.0%}": {"micro": round(means[at, 0], 4), "macro": round(means[at, 1], 4),
                                  "micro_sd": round(spread[at, 0], 4), "macro_sd": round(spread[at, 1], 4)}
              for at, share in enumerate(SHARES)}  # fmt: skip
        yield {"graph": path.stem, "method": method, "dim": dim, "seeds": options.seeds, "shuffles": options.shuffles,
               "cpu_s": min(seconds), **f1}  # fmt: skip


def _csr_operator(network: sp.csr_matrix) -> CsrOperator:
    upper = sp.coo_matrix(sp.triu(network, 1))
    graph = build_graph(np.column_stack([upper.row, upper.col]).astype(np.int64), network.shape[0])
    return CsrOperator(CsrGraph(graph.indptr, graph.neighbours), "walk")


def _config(dim: int) -> EmbeddingsConfig:
    return EmbeddingsConfig(dim=dim, weights=WEIGHTS, degree_exponent=EXPONENT, threads=1)


def _operators(network: sp.csr_matrix, dim: int) -> tuple[ProductOperator, ProductOperator, Choice]:
    upper = sp.coo_matrix(sp.triu(network, 1))
    graph = build_graph(np.column_stack([upper.row, upper.col]).astype(np.int64), network.shape[0])
    csr = CsrGraph(graph.indptr, graph.neighbours)
    _note("summarising")
    chosen, choice = chosen_operator(csr, summarize_graph(graph, SummaryConfig(threads=1)), dim, "walk")
    return CsrOperator(csr, "walk"), chosen, choice


def _graph(operator: ProductOperator) -> EmbeddingGraph:
    hashes = np.arange(operator.shape[0], dtype=np.uint64)
    return EmbeddingGraph(hashes, operator.degrees, [Transition(operator.product)])


def plain_fastrp(network: sp.csr_matrix, dim: int, seed: int) -> NDArray[np.float64]:
    """The paper's steps with scipy's sparse matrices throughout, float64: the baseline."""
    n = network.shape[0]
    draw, s = np.random.default_rng(seed), np.sqrt(n)
    sign = draw.choice([-1.0, 0.0, 1.0], (n, dim), p=[1 / (2 * s), 1 - 1 / s, 1 / (2 * s)])
    projection = sp.csr_matrix(sign * np.sqrt(s / dim))
    degree = np.asarray(network.sum(axis=1), np.float64).reshape(-1)
    walk = sp.diags_array(1 / np.maximum(degree, 1)) @ sp.csr_matrix(network, dtype=np.float64)
    damped = sp.diags_array((np.maximum(degree, 1) / degree.sum()) ** EXPONENT)
    current, total = walk @ (damped @ projection), np.zeros((n, dim))
    for step, weight in enumerate(WEIGHTS):
        current = current if step == 0 else walk @ current
        total += weight * current.toarray()
    total -= total.mean(axis=0)
    return total / np.where(total.std(axis=0) > 0, total.std(axis=0), 1)


def f1_scores(vectors: NDArray[np.floating], labels: NDArray[np.bool_], n_shuffles: int) -> Record:
    """Mean micro and macro F1 in percent of one-vs-rest logistic regression, the number of labels of a node known."""
    from sklearn.metrics import f1_score

    scores: dict[float, list[tuple[float, float]]] = {share: [] for share in SHARES}
    for shuffle in range(n_shuffles):
        order = np.random.default_rng(shuffle).permutation(len(vectors))
        for share in SHARES:
            train, test = np.split(order, [int(share * len(order))])
            is_known = labels[train].any(axis=0)
            # not the values: a label that no training node has would get the value 0, above most
            chance = np.zeros((len(test), labels.shape[1]))
            chance[:, is_known] = chances(vectors[train], labels[train][:, is_known], vectors[test])
            guess = most_likely(chance, labels[test].sum(axis=1))
            f1 = [f1_score(labels[test], guess, average=mean, zero_division=0) for mean in ("micro", "macro")]
            scores[share].append((float(f1[0]), float(f1[1])))
    means = {share: np.mean(values, axis=0) for share, values in scores.items()}
    spread = {share: np.std(values, axis=0) for share, values in scores.items()}
    return {
        f"f1_{share:.0%}": {"micro": round(means[share][0], 4), "macro": round(means[share][1], 4),
                            "micro_sd": round(spread[share][0], 4), "macro_sd": round(spread[share][1], 4)}
        for share in SHARES
    }  # fmt: skip


def chances(
    vectors: NDArray[np.floating], labels: NDArray[np.bool_], asked: NDArray[np.floating], strength: float = 0.1
) -> NDArray[np.float64]:
    """One-vs-rest logistic regression of all labels at once: scikit-learn's liblinear with C = 0.1, many times as fast.

    The bias is a weight like the others, as there. Shapes: (n, d), (n, l), (m, d); (m, l).
    """
    from scipy.optimize import minimize

    rows, others = (np.hstack([each, np.ones((len(each), 1))]).astype(np.float32) for each in (vectors, asked))
    sign = np.where(labels, 1, -1).astype(np.float32)

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(rows.shape[1], -1)
        margin = sign * (rows @ weights.astype(np.float32))
        slope = rows.T @ (-sign / (1 + np.exp(np.minimum(margin, 80))))
        value = 0.5 * float(flat @ flat) + strength * float(np.logaddexp(0, -margin).sum(dtype=np.float64))
        return value, (weights + strength * slope).ravel()

    found = minimize(loss, np.zeros(rows.shape[1] * labels.shape[1]), jac=True, method="L-BFGS-B",
                     options={"maxiter": 200, "ftol": 1e-7})  # fmt: skip
    return np.asarray(1 / (1 + np.exp(-(others @ found.x.reshape(rows.shape[1], -1)))), np.float64)


def most_likely(chance: NDArray[np.float64], n_labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """For each row as many of its likeliest labels as it has."""
    rank = np.argsort(np.argsort(-chance, axis=1, kind="stable"), axis=1, kind="stable")
    return rank < n_labels[:, None]


def _peak(path: Path, dim: int) -> Record:
    """Peak memory of a process that only embeds, over that after loading and compiling."""
    network = sp.csr_matrix(scipy.io.loadmat(path)["network"])
    upper = sp.coo_matrix(sp.triu(network, 1))
    graph = build_graph(np.column_stack([upper.row, upper.col]).astype(np.int64), network.shape[0])
    operator = CsrOperator(CsrGraph(graph.indptr, graph.neighbours), "walk")
    embed(_graph(operator), _config(dim))
    n, entries = network.shape[0], network.nnz
    bound = 3 * n * dim * 4 + 12 * entries + (200 << 20)
    return {"graph": path.stem, "method": "ours_memory", "dim": dim, "peak_rss_bytes": peak_memory_bytes(),
            "bound_bytes": bound}  # fmt: skip


def _timed(work: Callable[[], NDArray[np.floating]], repeats: int) -> tuple[NDArray[np.floating], float]:
    found, least = work(), np.inf
    for _ in range(repeats):
        begun = time.process_time()
        found = work()
        least = min(least, time.process_time() - begun)
    return found, round(least, 4)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.embeddings", description=__doc__)
    parser.add_argument("--mat", type=Path, help="Matlab file with `network` and `group`")
    parser.add_argument("--dim", type=int, default=512, help="of the vectors")
    parser.add_argument("--shuffles", type=int, default=5, help="of which F1 is the mean")
    parser.add_argument("--repeats", type=int, default=3, help="of which the least time is taken")
    parser.add_argument("--no-labels", action="store_true", help="leave the F1 scores out")
    parser.add_argument("--orthogonal", action="store_true", help="orthogonal rounds beside FastRP, nothing else")
    parser.add_argument("--seeds", type=int, default=3, help="starts of which F1 is the mean, with --orthogonal")
    parser.add_argument("--memory-only", action="store_true", help="peak memory of one embedding, nothing else")
    return parser


def _say(record: Record) -> None:
    print(json.dumps(record), flush=True)


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

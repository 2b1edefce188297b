"""Measures summaries: size, CPU seconds, peak memory, and whether they decode to the input.

`python -m tests.benchmarks.summary [--graph FILE.tsv.gz …] [--seeds N] [--iterations T]` prints one JSON object a graph
and seed on standard output, and each graph's mean. Without `--graph`: the ten graphs of `$LAKEBED_GRAPHS`, a folder.
`--generated` adds R-MAT graphs, a star of 10^6 leaves, a clique of 3,000 and a path of 300,000 vertices.

`cpu_s` covers rows, merging, encoding and contraction of one thread, warm; neither reading nor compiling nor decoding.
`peak_rss_bytes` is that of a process that made this summary only, compiled kernels included; `graph_rss_bytes` the same
process's before the work, with the graph loaded. `bits_per_edge` counts the stored arrays, `stored_form` names them.
"""

import argparse
import contextlib
import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lakebed.tasks.runtime.memory import peak_memory_bytes
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.graph import Graph, build_graph
from lakebed.tasks.summary.kernel.merging import MergeLog, merge_graph
from lakebed.tasks.summary.kernel.model import STORED_FORM, Summary
from lakebed.tasks.summary.kernel.summarize import encode_log, summarize

Record = dict[str, object]
Edges = NDArray[np.int64]

GRAPHS = (
    "protein facebook as-caida email-enron ca-astroph amazon-photo ca-condmat musae-squirrel blogcatalog ego-twitter"
).split()
GENERATED = "rmat:250000 rmat:500000 rmat:1000000 rmat:2000000 star:1000000 clique:3000 path:300000".split()
_REPOSITORY = Path(__file__).resolve().parents[2]


def rmat(n_edges: int, seed: int = 1) -> Edges:
    """`n_edges` distinct edges of an R-MAT graph (.57, .19, .19, .05) on an eighth as many ids, or more."""
    generator = np.random.default_rng(seed)
    n_levels = max(1, int(np.ceil(np.log2(n_edges / 8))))
    found = np.empty(0, np.int64)
    while len(found) < n_edges:
        draws = generator.random((n_edges // 2, n_levels))
        row = (draws >= 0.76).astype(np.int64)
        column = (((draws >= 0.57) & (draws < 0.76)) | (draws >= 0.95)).astype(np.int64)
        weights = 1 << np.arange(n_levels)
        source, target = row @ weights, column @ weights
        keys = (np.minimum(source, target) << 32 | np.maximum(source, target))[source != target]
        found = np.unique(np.concatenate([found, keys]))
    chosen = np.sort(generator.choice(found, n_edges, replace=False))
    return np.column_stack([chosen >> 32, chosen & 0xFFFFFFFF])


def load(name: str) -> Edges:
    """The edges of a file of two columns, or of a generated graph such as `star:1000`."""
    kind, _, size = name.partition(":")
    if kind == "rmat":
        return rmat(int(size))
    if kind == "star":
        return np.column_stack([np.zeros(int(size), np.int64), np.arange(1, int(size) + 1)])
    if kind == "clique":
        return np.column_stack(np.triu_indices(int(size), 1)).astype(np.int64)
    if kind == "path":
        return np.column_stack([np.arange(int(size) - 1), np.arange(1, int(size))])
    return np.loadtxt(name, dtype=np.int64, ndmin=2)


def measure(name: str, graph: Graph, config: SummaryConfig) -> Record:
    """One summary, timed step by step."""
    before = reset_peak()
    log, merging = timed(lambda: merge_graph(graph, config))
    summary, encoding = timed(lambda: encode_log(graph, log, config))
    peak = peak_memory_bytes()
    return record(name, graph, summary, log) | {
        "seed": config.seed,
        "threads": config.threads,
        "cpu_s": round(merging[0] + encoding[0], 3),
        "merging_cpu_s": round(merging[0], 3),
        "merging_wall_s": round(merging[1], 3),
        "graph_rss_bytes": before,
        "peak_rss_bytes": peak,
        "lossless": bool(np.array_equal(summary.decode(), graph.edges())),
    }


def record(name: str, graph: Graph, summary: Summary, log: MergeLog) -> Record:
    """What is known of a summary without a clock."""
    signs = summary.signed_edges.sign
    return {
        "graph": Path(name).name.removesuffix(".tsv.gz"),
        "n": graph.n_nodes,
        "edges": graph.n_edges,
        "cost": summary.cost(),
        "ratio": round(summary.cost() / max(graph.n_edges, 1), 5),
        "p_edges": int((signs > 0).sum()),
        "n_edges": int((signs < 0).sum()),
        "h_edges": summary.n_hierarchy,
        "bits_per_edge": round(summary.bits_per_edge(graph.n_edges), 3),
        "stored_form": STORED_FORM,
        "iterations": len(log.ends),
        "entries_compared": int(log.work.sum()),
    }


def reset_peak() -> int:
    """Starts the kernel's count of peak memory anew, where it may, and returns the count."""
    gc.collect()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak_memory_bytes()


def timed(work):  # type: ignore[no-untyped-def]
    """(result, (CPU seconds, wall seconds))."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, (time.process_time() - cpu, time.perf_counter() - wall)


def run_one(name: str, n_seeds: int, config: SummaryConfig) -> list[Record]:
    """`measure` with each seed in this process, its kernels loaded before."""
    summarize(np.array([[0, 1], [1, 2], [0, 2], [2, 3]]), 4, config)
    graph = build_graph(load(name))
    return [measure(name, graph, config.model_copy(update={"seed": seed})) for seed in range(n_seeds)]


def run_in_process(name: str, n_seeds: int, config: SummaryConfig) -> list[Record]:
    """`run_one` in a process of its own, so that its peak memory is that of this graph."""
    command = [sys.executable, "-m", "tests.benchmarks.summary", "--one", name]
    command += ["--seeds", str(n_seeds), "--config", config.model_dump_json()]
    done = subprocess.run(command, cwd=_REPOSITORY, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def run(names: list[str], n_seeds: int, config: SummaryConfig) -> Iterator[Record]:
    """A record a graph and seed, then the graph's mean."""
    for name in names:
        found = run_in_process(name, n_seeds, config)
        yield from found
        yield mean(found)


def mean(found: list[Record]) -> Record:
    """The mean over seeds."""
    keys = ("cost", "ratio", "bits_per_edge", "cpu_s")
    means = {key: round(float(np.mean([float(str(one[key])) for one in found])), 5) for key in keys}
    is_lossless = all(one["lossless"] for one in found)
    return {"graph": found[0]["graph"], "mean_of_seeds": len(found)} | means | {"lossless": is_lossless}


def _names(arguments: argparse.Namespace) -> list[str]:
    if arguments.graph:
        return [name if ":" in name else str(Path(name).resolve()) for name in arguments.graph]
    folder = os.environ.get("LAKEBED_GRAPHS", "")
    files = [str(Path(folder).resolve() / f"{name}.tsv.gz") for name in GRAPHS] if folder else []
    if not files and not arguments.generated:
        raise SystemExit("name graphs with --graph, or the folder of the ten graphs with LAKEBED_GRAPHS=…")
    return files + (GENERATED if arguments.generated else [])


def main() -> None:
    """Runs the measurements that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--graph", nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--generated", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--config", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        config = SummaryConfig.model_validate_json(arguments.config)
        print(json.dumps(run_one(arguments.one, arguments.seeds, config)))
        return
    config = SummaryConfig(iterations=arguments.iterations, threads=arguments.threads)
    for found in run(_names(arguments), arguments.seeds, config):
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()

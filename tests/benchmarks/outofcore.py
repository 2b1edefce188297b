"""Training on features larger than their memory: `python -m tests.benchmarks.outofcore [--graphs NAME ...]`.

Of ego-twitter and an R-MAT graph (Chakrabarti et al. 2004) of 10^6 nodes: the same epochs with all features in memory,
and with a quarter of them, each in a process of its own. One JSON line a run, then one that compares them: whether
losses, scores and weights are the same to the bit, bytes that batches read beside those of an LRU cache of that size
(passes over all nodes leave it as it is, which favours it), which begins empty or, `filled`, with the same rows as
ours, and beside the least that any cache of that size reads (Belady 1966, both beginnings; ours has the rows of the
batch at hand besides), also without the first epoch; seconds an epoch with its validation, peak memory. The file is put
out of the system's own cache before each epoch. `--reads` trains nothing and tells the bytes alone, which are those of
a training.
"""

import argparse
import contextlib
import hashlib
import heapq
import json
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from lakebed.tasks.links.config import GnnConfig, LinksConfig, SplitConfig
from lakebed.tasks.links.feature_file import FeatureFile
from lakebed.tasks.links.fit import deterministic, embed_nodes, propagation_matrix
from lakebed.tasks.links.kernel.dense import DenseInputs, StoredInputs
from lakebed.tasks.links.kernel.ladder import stop_pairs
from lakebed.tasks.links.kernel.neighbours import adjacency
from lakebed.tasks.links.kernel.products import GraphProducts
from lakebed.tasks.links.kernel.propagation import Propagation
from lakebed.tasks.links.kernel.row_cache import RowCache, RowSource
from lakebed.tasks.links.kernel.sampling import NeighbourSampler
from lakebed.tasks.links.kernel.split import EdgeSplit, simple_edges, split_edges
from lakebed.tasks.links.kernel.training import NegativePool, TrainingData, TrainingState, batch_reads, train
from lakebed.tasks.runtime.memory import freed_memory_kept, peak_memory_bytes
from tests.benchmarks.graphs import graph_folder, read_edges

if TYPE_CHECKING:
    from lakebed.tasks.links.kernel.networks import AnyInputs

Int64 = NDArray[np.int64]
Facts = dict[str, Any]
RMAT, RMAT_SCALE, RMAT_NODES, RMAT_EDGES = "rmat", 20, 1_000_000, 4_000_000
QUADRANTS = (0.57, 0.19, 0.19)
PAGE_BYTES = 4096
MODES = ("memory", "stored")


def rmat_edges(scale: int, n_edges: int, seed: int = 0) -> Int64:
    """Ends drawn quadrant by quadrant, nodes numbered at random. Shapes: (n_edges, 2)."""
    random, (a, b, c) = np.random.default_rng(seed), QUADRANTS
    ends = np.zeros((n_edges, 2), np.int64)
    for _ in range(scale):
        drawn = random.random(n_edges, np.float32)
        ends = 2 * ends + np.stack([drawn >= a + b, ((drawn >= a) & (drawn < a + b)) | (drawn >= a + b + c)], axis=1)
    return random.permutation(1 << scale)[ends]


def graph(name: str) -> tuple[Int64, int]:
    """Edges, each once, and the number of nodes."""
    if name == RMAT:
        edges = rmat_edges(RMAT_SCALE, RMAT_EDGES)
        return simple_edges(edges[(edges < RMAT_NODES).all(axis=1)], RMAT_NODES), RMAT_NODES
    folder = graph_folder()
    if folder is None:
        raise SystemExit("no graphs: set LAKEBED_GRAPHS to their folder")
    edges = read_edges(folder / f"{name}.tsv.gz")[:, :2]
    n_nodes = int(edges.max()) + 1
    return simple_edges(edges, n_nodes), n_nodes


class CountingFile(FeatureFile):
    """Counts the pages that are read, too, and can be put out of the system's cache."""

    n_page_bytes = 0

    def gather(self, nodes: Int64, out: NDArray[np.float32], places: Int64) -> None:
        super().gather(nodes, out, places)
        self.n_page_bytes += page_bytes(nodes, 4 * self.shape[1])

    def forget_pages(self) -> None:
        os.sync()
        with open(f"/proc/self/fd/{self._handle()}", "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def _handle(self) -> str:
        """The mapping's own handle on the file, which has no name."""
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                facts = os.stat(f"/proc/self/fd/{name}")
                if stat.S_ISREG(facts.st_mode) and (facts.st_nlink, facts.st_size) == (0, self.n_bytes):
                    return name
        raise RuntimeError("the file of the features is not open")


class RecordingCache(RowCache):
    """Keeps what each batch asked for."""

    def __init__(self, source: RowSource, degrees: Int64, n_bytes: int, rows: NDArray[np.float32]) -> None:
        super().__init__(source, degrees, n_bytes, rows)
        self.first = np.argsort(-degrees, kind="stable")[: self.capacity][::-1]
        self.asked: list[Int64] = []
        self.read_of_batches: list[int] = []

    def take(self, nodes: Int64) -> NDArray[np.float32]:
        before = self.n_read
        rows = super().take(nodes)
        self.asked.append(nodes)
        self.read_of_batches.append(self.n_read - before)
        return rows


def page_bytes(nodes: Int64, row_bytes: int) -> int:
    """Bytes of the pages in which ascending rows begin."""
    pages = nodes * row_bytes // PAGE_BYTES
    return PAGE_BYTES * (int(np.count_nonzero(np.diff(pages))) + 1) if len(nodes) else 0


@numba.njit
def lru_misses(asked, n_nodes, capacity):  # type: ignore[no-untyped-def]
    """Which reads an LRU cache of rows cannot answer, a list linked both ways."""
    after, before = np.full(n_nodes + 1, -1), np.full(n_nodes + 1, -1)
    held, missed = np.zeros(n_nodes, np.bool_), np.zeros(len(asked), np.bool_)
    end, size = n_nodes, 0
    after[end] = before[end] = end
    for at in range(len(asked)):
        node = asked[at]
        if held[node]:
            after[before[node]], before[after[node]] = after[node], before[node]
        else:
            missed[at] = held[node] = True
            size += 1
            if size > capacity:
                last = before[end]
                before[end] = before[last]
                after[before[last]] = end
                held[last] = False
                size -= 1
        first = after[end]
        after[end] = before[first] = node
        before[node], after[node] = end, first
    return missed


@numba.njit
def least_misses(asked, n_nodes, capacity):  # type: ignore[no-untyped-def]
    """Which reads no cache of rows could answer, were all reads known: what is read last goes, or does not come in."""
    never, n_asked = 1 << 40, len(asked)
    due, after = np.full(n_nodes, never), np.empty(n_asked, np.int64)
    for at in range(n_asked - 1, -1, -1):
        after[at], due[asked[at]] = due[asked[at]], at
    due[:] = -1
    missed, size = np.zeros(n_asked, np.bool_), 0
    heap = [(np.int64(0), np.int64(0))]
    heap.pop()
    for at in range(n_asked):
        node = asked[at]
        if due[node] < 0:
            missed[at] = True
            while size == capacity and due[heap[0][1]] != -heap[0][0]:
                heapq.heappop(heap)
            if after[at] == never or (size == capacity and -heap[0][0] <= after[at]):
                continue
            if size == capacity:
                due[heapq.heappop(heap)[1]] = -1
                size -= 1
            size += 1
        due[node] = after[at]
        heapq.heappush(heap, (-after[at], node))
    return missed


def rival_facts(cache: RecordingCache, n_batches: int) -> Facts:
    """Bytes that batches read, and those that rivals would have read for them; also without the first epoch."""
    n_nodes, size, first = cache.shape[0], cache.capacity, cache.first
    asked = np.concatenate(cache.asked)
    after_first = np.concatenate([first, asked])
    ends = np.cumsum([len(nodes) for nodes in cache.asked])[:-1]
    missed = {
        "lru": lru_misses(asked, n_nodes, size), "lru_filled": lru_misses(after_first, n_nodes, size)[len(first) :],
        "least": least_misses(asked, n_nodes, size),
        "least_filled": least_misses(after_first, n_nodes, size)[len(first) :],
    }  # fmt: skip
    read = {name: np.array([part.sum() for part in np.split(found, ends)]) for name, found in missed.items()}
    read["batch"] = np.array(cache.read_of_batches)
    row_bytes = 4 * cache.shape[1]
    return {f"{name}_bytes": int(part.sum()) * row_bytes for name, part in read.items()} | {
        f"{name}_bytes_later": int(part[n_batches:].sum()) * row_bytes for name, part in read.items()
    }


@dataclass(frozen=True)
class Drawn:
    """What a training reads. Shapes: links (m, 2)."""

    split: EdgeSplit
    matrix: sparse.csr_array
    links: Int64
    pools: tuple[NegativePool, ...]


def drawn(edges: Int64, n_nodes: int, options: argparse.Namespace) -> Drawn:
    """The links of all epochs, and the matrix that is sampled."""
    split = split_edges(edges, n_nodes, SplitConfig())
    matrix = propagation_matrix(options.kind, adjacency(split.train, n_nodes))
    some = np.random.default_rng(0).permutation(len(split.train))[: options.edges]
    return Drawn(split, matrix, split.train[np.sort(some)], (NegativePool(np.arange(n_nodes), len(some)),))


class NoRows:
    """A source whose rows are left as they are."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape

    def gather(self, nodes: Int64, out: NDArray[np.float32], places: Int64) -> None:
        """Nothing."""


def reads(name: str, options: argparse.Namespace) -> Facts:
    """The bytes that a training of a graph reads, nothing trained."""
    edges, n_nodes = graph(name)
    given, config = drawn(edges, n_nodes, options), gnn_config(options)
    rows = np.broadcast_to(np.float32(0), (n_nodes, options.columns))
    degrees = np.diff(given.matrix.indptr).astype(np.int64)
    cache = RecordingCache(NoRows(rows.shape), degrees, rows.nbytes // options.times, rows)
    sampler = NeighbourSampler(given.matrix, options.sampled)
    data = TrainingData(StoredInputs(cache), Propagation.by_matrix(given.matrix), given.links, (given.links,) * 2,
                        given.pools, sampler)  # fmt: skip
    for_takes, for_cache = (batch_reads(data, sampler, config, (config.n_layers, 0, 0)) for _ in range(2))
    cache.follow(for_cache)
    for nodes in for_takes:
        cache.take(nodes)
    return {
        "graph": name, "mode": "reads", "feature_bytes": rows.nbytes,
        "cache_bytes": 4 * options.columns * cache.capacity,
        "batches": len(cache.asked), "rows_a_batch": round(float(np.mean([len(nodes) for nodes in cache.asked]))),
        **(facts := rival_facts(cache, -(-len(given.links) // options.batch))), **less_facts(facts),
    }  # fmt: skip


def gnn_config(options: argparse.Namespace) -> GnnConfig:
    return GnnConfig(n_epochs=options.epochs, batch_edges=options.batch)


def run(mode: str, folder: Path, options: argparse.Namespace) -> Facts:
    """One training in this process."""
    torch.set_num_threads(1)
    edges, rows = np.load(folder / "edges.npy"), np.load(folder / "features.npy", mmap_mode="r")
    given = drawn(edges, len(rows), options)
    inputs: AnyInputs
    file = cache = None
    if mode == "memory":
        inputs = DenseInputs.of(np.array(rows))
    else:
        file = CountingFile(rows, folder)
        cache = RecordingCache(file, np.diff(given.matrix.indptr), rows.nbytes // options.times, rows)
        inputs = StoredInputs(cache)
    del rows
    sampler = NeighbourSampler(given.matrix, options.sampled)
    propagation, stop = Propagation.by_matrix(given.matrix), stop_pairs(given.split)
    data = TrainingData(inputs, propagation, given.links, stop, given.pools, sampler)
    config = gnn_config(options)
    clocks = time.perf_counter, time.process_time
    seconds, started = list[list[float]](), [0.0, 0.0]

    def after(_: TrainingState) -> None:
        seconds.append([round(clock() - start, 2) for clock, start in zip(clocks, started, strict=True)])
        if file is not None:
            file.forget_pages()
        started[:] = [clock() for clock in clocks]

    if file is not None:
        file.forget_pages()
    started[:] = [clock() for clock in clocks]
    with deterministic(), freed_memory_kept():
        trained = train(options.kind, data, config, 0, after_epoch=after)
    state, digest = trained.state, hashlib.sha256(trained.vectors.tobytes())
    for part in (state.weights, *state.moments.values()):
        for name in sorted(part):
            digest.update(part[name].tobytes())
    facts: Facts = {
        "mode": mode, "losses": state.losses, "scores": state.history, "sha256": digest.hexdigest(),
        "epoch_s": [wall for wall, _ in seconds], "epoch_cpu_s": [cpu for _, cpu in seconds],
        "peak_bytes": peak_memory_bytes(),
    }  # fmt: skip
    if file is not None and cache is not None:
        facts |= {
            "cache_bytes": 4 * cache.shape[1] * cache.capacity, "batches": len(cache.asked),
            "rows_a_batch": round(float(np.mean([len(nodes) for nodes in cache.asked]))),
            "bytes_read": file.n_bytes_read, "page_bytes_read": file.n_page_bytes,
            **rival_facts(cache, -(-len(given.links) // options.batch)),
        }  # fmt: skip
    return facts


def lines(name: str, options: argparse.Namespace) -> Iterator[Facts]:
    """The runs of a graph, and how they compare."""
    edges, n_nodes = graph(name)
    with tempfile.TemporaryDirectory() as folder:
        seen = adjacency(split_edges(edges, n_nodes, SplitConfig()).train, n_nodes)
        products = GraphProducts.of(seen, 0, 0)
        vectors = embed_nodes(products, LinksConfig(projection_columns=options.columns))
        np.save(f"{folder}/edges.npy", edges)
        np.save(f"{folder}/features.npy", vectors)
        common = {"graph": name, "nodes": n_nodes, "edges": len(edges), "feature_bytes": vectors.nbytes}
        del vectors, products, seen
        found = {}
        for mode in MODES:
            given = [*sys.argv[1:], "--run", mode, "--folder", folder]
            command = [sys.executable, "-m", "tests.benchmarks.outofcore", *given]
            found[mode] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            yield {**common, **found[mode]}
    memory, stored = (found[mode] for mode in MODES)
    yield {
        **common, "mode": "compared", "cache_bytes": stored["cache_bytes"],
        "same": all(memory[name] == stored[name] for name in ("losses", "scores", "sha256")),
        **less_facts(stored),
        "times_the_epoch": round(sum(stored["epoch_s"]) / sum(memory["epoch_s"]), 2),
        "times_the_epoch_cpu": round(sum(stored["epoch_cpu_s"]) / sum(memory["epoch_cpu_s"]), 2),
        "times_the_peak": round(stored["peak_bytes"] / memory["peak_bytes"], 2),
    }  # fmt: skip


def less_facts(stored: Facts) -> Facts:
    """Share of an LRU cache's bytes that ours did not read, and that none need read."""
    facts = {}
    for lru in ("lru", "lru_filled"):
        for part in ("", "_later"):
            of = stored[f"{lru}_bytes{part}"]
            facts[f"less_than_{lru}{part}"] = round(1 - stored[f"batch_bytes{part}"] / of, 3)
            facts[f"at_most{lru[3:]}{part}"] = round(1 - stored[f"least{lru[3:]}_bytes{part}"] / of, 3)
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--graphs", nargs="*", default=["ego-twitter", RMAT])
    parser.add_argument("--columns", type=int, default=128, help="of the features")
    parser.add_argument("--times", type=int, default=4, help="features' bytes over the memory for them")
    parser.add_argument("--edges", type=int, default=1 << 16, help="links that an epoch trains on, drawn once")
    parser.add_argument("--batch", type=int, default=GnnConfig().batch_edges, help="links of a batch")
    parser.add_argument(
        "--sampled", type=int, default=GnnConfig().n_sampled, help="neighbours sampled of a node and layer"
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--kind", choices=("gcn", "sage"), default="sage")
    parser.add_argument("--reads", action="store_true", help="the bytes alone, nothing trained")
    parser.add_argument("--run", choices=MODES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(run(options.run, options.folder, options)), flush=True)
        return
    for name in options.graphs:
        for line in [reads(name, options)] if options.reads else lines(name, options):
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()

"""The benchmark's generator, arithmetic and records."""

import gzip
from pathlib import Path

import numpy as np

from lakebed.tasks.summary.config import SummaryConfig
from tests.benchmarks.summary import load, mean, rmat, run_in_process


def test_rmat_has_as_many_distinct_edges_as_asked() -> None:
    edges = rmat(5_000)
    assert edges.shape == (5_000, 2)
    assert (edges[:, 0] < edges[:, 1]).all()
    assert len(np.unique(edges, axis=0)) == 5_000
    degrees = np.bincount(edges.ravel())
    assert degrees.max() > 10 * degrees[degrees > 0].mean(), "R-MAT has hubs"


def test_generated_graphs() -> None:
    assert [len(load(name)) for name in ("star:10", "clique:5", "path:7", "rmat:100")] == [10, 10, 6, 100]


def test_one_record(tmp_path: Path) -> None:
    file = tmp_path / "small.tsv.gz"
    with gzip.open(file, "wt") as stream:
        stream.writelines(f"{u}\t{v}\n" for u in range(12) for v in range(u))
    found, second = run_in_process(str(file), 2, SummaryConfig(threads=1))
    assert (found["seed"], second["seed"]) == (0, 1)
    assert (found["graph"], found["n"], found["edges"], found["lossless"]) == ("small", 12, 66, True)
    assert found["cost"] == 13
    assert int(str(found["peak_rss_bytes"])) >= int(str(found["graph_rss_bytes"])) > 0


def test_mean_of_seeds() -> None:
    base = {"graph": "g", "cost": 10, "ratio": 0.5, "bits_per_edge": 4.0, "cpu_s": 1.0, "lossless": True}
    found = mean([base, base | {"cost": 14, "ratio": 0.7, "lossless": False}])
    assert (found["cost"], found["ratio"], found["lossless"], found["mean_of_seeds"]) == (12.0, 0.6, False, 2)

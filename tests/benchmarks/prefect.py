"""What Prefect costs the chain: `python -m tests.benchmarks.prefect [--pairs N] [--server]`, as JSON lines.

The sample lake's chain in one process with one Spark session: stage by stage without Prefect, and as the flow, in
pairs whose order alternates, each run into an empty artifact root. One run of each kind warms up and is not counted.
Prefect's server is the run's own, started before (its time is stated apart); with `--server` it is one with a UI, as a
user has it, and the runs create their Prefect artifacts, progress and logs there.

Pairs differ by the machine's other load too, so a second figure comes from within each flow: its wall time less the
seconds inside the stages' own functions, over its wall time.
"""

import argparse
import contextlib
import functools
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from lakebed import run
from lakebed.config import LakebedConfig, load_config
from lakebed.data_samples.generator import generate_sample_lake
from lakebed.run import run_here
from lakebed.scope import RunScope
from lakebed.tasks.runtime.definition import run_stage
from lakebed.tasks.runtime.record import new_run_id

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "benchmarks"
KINDS = ("direct", "flow")


def main(arguments: Sequence[str] | None = None) -> None:
    """Console entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--server", action="store_true", help="a server with a UI, as a user has it")
    options = parser.parse_args(arguments)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lakebed-prefect-", dir=CACHE) as folder:
        generate_sample_lake(Path(folder) / "lake")
        with started_server(Path(folder), users=options.server) as start_s:
            measure(Path(folder), options.pairs, start_s, is_users=options.server)


@contextlib.contextmanager
def started_server(folder: Path, *, users: bool) -> Iterator[float]:
    """Prefect's server, ready and named in the environment before Prefect is imported; its seconds."""
    started = time.monotonic()
    if users:
        from tests.services.prefect_server import prefect_server

        home = folder / "home"
        home.mkdir()
        with prefect_server(home) as server:
            os.environ.update(server.variables)
            yield time.monotonic() - started
        return
    from lakebed.flows.prefect_home import EphemeralServer

    own = EphemeralServer(folder / "home")
    own.start()
    own.wait()
    try:
        yield own.seconds or 0.0
    finally:
        own.stop()


def measure(folder: Path, n_pairs: int, start_s: float, *, is_users: bool) -> None:
    """Pairs of runs, and what they say together."""
    runs = {"direct": run_direct, "flow": run_flow}
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    outside = []
    for pair in range(n_pairs + 1):
        for kind in KINDS if pair % 2 else reversed(KINDS):
            with timed_stages() as inside:
                took = timed(folder, runs[kind])
            if pair:
                seconds[kind].append(took)
                facts = {"pair": pair, "kind": kind, "wall_s": round(took, 3), "stages_s": round(sum(inside), 3)}
                say({"measurement": "run", **facts})
            if pair and kind == "flow":
                outside.append(1 - sum(inside) / took)
    figures = {**overhead(seconds["direct"], seconds["flow"]), "outside_stages": round(statistics.median(outside), 4)}
    say({**figures, "users_server": is_users, "server_start_s": round(start_s, 2)})


def overhead(direct: Sequence[float], flow: Sequence[float]) -> dict[str, Any]:
    """Prefect's share of the flow's wall time: of the medians, and pair by pair."""
    shares = [(with_it - without) / with_it for without, with_it in zip(direct, flow, strict=True)]
    medians = statistics.median(direct), statistics.median(flow)
    return {
        "measurement": "overhead",
        "direct_s": round(medians[0], 3),
        "flow_s": round(medians[1], 3),
        "share_of_medians": round((medians[1] - medians[0]) / medians[1], 4),
        "median_of_shares": round(statistics.median(shares), 4),
        "shares": [round(share, 4) for share in shares],
    }


def timed(folder: Path, run: Callable[[LakebedConfig, RunScope], None]) -> float:
    """Wall seconds of the stages of one run into an empty artifact root; the session is up before they count."""
    root = folder / "artifacts"
    shutil.rmtree(root, ignore_errors=True)
    config = load_config(None, {"lake": {"root": str(folder / "lake")}, "artifacts": str(root)})
    with RunScope(config, new_run_id(), sys.argv) as scope:
        # without Great Expectations, whose process works beside both kinds alike
        scope.session.get()
        started = time.monotonic()
        run(config, scope)
        return time.monotonic() - started


def run_flow(config: LakebedConfig, scope: RunScope) -> None:
    """The chain as `lakebed run` calls it."""
    from lakebed.flows.lake import lake_flow

    sections = {name: getattr(config, name) for name in LakebedConfig.model_fields if name != "quarantine"}
    lake_flow(**sections, run_id=scope.run_id)


def run_direct(config: LakebedConfig, scope: RunScope) -> None:
    """The same stages in the same order, without Prefect."""
    run_here(scope, None, None)


@contextlib.contextmanager
def timed_stages() -> Iterator[list[float]]:
    """The seconds inside each stage's own function, whoever calls it."""
    from lakebed.flows.lake import TASKS

    seconds: list[float] = []
    call = _timed(run_stage, seconds)
    with contextlib.ExitStack() as stack:
        for place, name in [(run, "run_stage"), *((task, "fn") for task in TASKS.values())]:
            stack.enter_context(mock.patch.object(place, name, call))
        yield seconds


def _timed(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*given: Any) -> Any:
        started = time.monotonic()
        try:
            return function(*given)
        finally:
            seconds.append(time.monotonic() - started)

    return call


def say(facts: dict[str, Any]) -> None:
    """One JSON object on one line."""
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()

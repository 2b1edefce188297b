"""Seconds until a wrong master is told: `python -m tests.benchmarks.masters`, as JSON lines.

Four masters that are none: something else listens there (a page), nobody listens, the host is unknown, the address is
malformed. Each is asked by `lakebed run`, by a deployed run (from the start of its process, and from Running, to
Failed, by the server's clock) and by spark-submit with `spark.driver.defaultJavaOptions` as `infra/pack.py` writes it.
`cpu_s` are processor seconds of the command and all that it started. The lake is never read.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from infra.pack import FAST_START
from tests.benchmarks.chain import CACHE, say
from tests.flows.lakes import write_mixed_lake
from tests.flows.processes import Answer, Running, lakebed
from tests.infra.clusters import submitted
from tests.services.prefect_server import PrefectServer, prefect_server, wait_for

CHAIN = "lakebed/chain"


def main(arguments: Sequence[str] | None = None) -> None:
    """Console entry."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of each")
    options = parser.parse_args(arguments)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lakebed-masters-", dir=CACHE) as name:
        folder = Path(name)
        write_mixed_lake(folder / "lake")
        with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as page:
            threading.Thread(target=page.serve_forever, daemon=True).start()
            masters = {
                "another server": f"spark://127.0.0.1:{page.server_port}",
                "dead port": "spark://127.0.0.1:1",
                "unknown host": "spark://nowhere.invalid:7077",
                "malformed": "spark://host",
            }
            for _ in range(options.runs):
                for kind, master in masters.items():
                    commands(folder, kind, master)
            deployed(folder, masters, options.runs)
            page.shutdown()


def commands(folder: Path, kind: str, master: str) -> None:
    """One run by each of the two commands."""
    given = ("run", "--lake", "lake", "--artifacts", "artifacts")
    timed("run", kind, lambda: lakebed(*given, "--master", master, folder=folder))
    # as pack.py prints it
    timed("spark-submit", kind, lambda: submitted(master, *given, folder=folder, SPARK_SUBMIT_OPTS=FAST_START))


def timed(way: str, kind: str, call: Callable[[], Answer]) -> None:
    """Says how long a command took to say what is wrong."""
    before, begun = os.times(), time.monotonic()
    answer = call()
    wall_s, after = time.monotonic() - begun, os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    facts = {"way": way, "kind": kind, "wall_s": round(wall_s, 2), "cpu_s": round(cpu_s, 2)}
    found = next((line.split(":", 1)[1].strip() for line in answer.err.splitlines() if "found:" in line), answer.err)
    say({**facts, "status": answer.status, "found": found, "load": round(os.getloadavg()[0], 1)})


def deployed(folder: Path, masters: Mapping[str, str], n_runs: int) -> None:
    """Runs of one deployment, one after the other; the worker is there already, as it is at night."""
    (folder / "home").mkdir()
    with (
        prefect_server(folder / "home") as server,
        Running("serve", "--lake", "lake", "--artifacts", "artifacts", folder=folder, **server.variables),
    ):
        wait_for(lambda: server.call("GET", f"/deployments/name/{CHAIN}").is_success)
        for _ in range(n_runs):
            for kind, master in masters.items():
                one_deployed(server, kind, master)


def one_deployed(server: PrefectServer, kind: str, master: str) -> None:
    """One run, by the times of its states."""
    run = server.wait_for_run(server.start_run(CHAIN, spark={"master": master}), "FAILED")
    states: list[dict[str, Any]] = server.call("GET", f"/flow_run_states/?flow_run_id={run['id']}").json()
    at = {each["name"]: datetime.fromisoformat(each["timestamp"]) for each in states}
    seconds = {name: round((at["Failed"] - at[name]).total_seconds(), 2) for name in ("Pending", "Running")}
    facts = {"wall_s": seconds["Pending"], "from_running_s": seconds["Running"], "found": run["state"]["message"]}
    say({"way": "flow", "kind": kind, **facts, "load": round(os.getloadavg()[0], 1)})


if __name__ == "__main__":
    main(sys.argv[1:])

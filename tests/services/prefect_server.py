"""A Prefect server with its UI on loopback, on a database of its own: SQLite, or a PostgreSQL server."""

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from lakebed.flows.prefect_home import build_database
from tests.flows.processes import environment
from tests.services.machine import PATIENCE

START_S = 300 * PATIENCE
POLL_S = 0.5
BUSY_TRIES = 10


@dataclass
class PrefectServer:
    """A running server.

    Attributes:
        address: of the UI; the API lies below `/api`.
        environment: for whoever works with it.
        command: that starts it.
        own_environment: of the server alone, with the address of its database.
        log: what it says goes there.
        process: the server's.
    """

    address: str
    environment: dict[str, str]
    command: list[str]
    own_environment: dict[str, str]
    log: Path
    process: subprocess.Popen | None = None

    def start(self):
        """Starts it, also again after a kill, on the same database and port; returns when it answers."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.command, env=self.own_environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        wait_for(lambda: answers(f"{self.address}/api/health"), START_S, self.process)

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    @property
    def variables(self):
        """What names the server to processes that `tests.flows.processes` starts."""
        return {name: value for name, value in self.environment.items() if name.startswith(("PREFECT_", "DO_NOT"))}

    def call(self, method, path, **body):
        """The answer of the API, whatever its status."""
        url = f"{self.address}/api{path}"
        return httpx.request(method, url, json=body or None, trust_env=False, timeout=60)

    def ask(self, method, path, **body):
        answer = self.call(method, path, **body)
        # SQLite under load: the database is locked
        for _ in range(BUSY_TRIES):
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(1)
            answer = self.call(method, path, **body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def deployment(self, name):
        return self.ask("GET", f"/deployments/name/{name}")

    def start_run(self, name, **parameters):
        """Presses Run, with parameters; the flow run's id."""
        found = self.deployment(name)
        made = self.ask(
            "POST", f"/deployments/{found['id']}/create_flow_run", parameters={**found["parameters"], **parameters},
            state={"type": "SCHEDULED"},
        )  # fmt: skip
        return made["id"]

    def run(self, flow_run):
        return self.ask("GET", f"/flow_runs/{flow_run}")

    def runs(self, deployment="", *types):
        """Flow runs, oldest first; of a deployment (`flow/name`), in these types of state."""
        wanted = {"sort": "EXPECTED_START_TIME_ASC", "limit": 200}
        if deployment:
            wanted["deployments"] = {"id": {"any_": [self.deployment(deployment)["id"]]}}
        if types:
            wanted["flow_runs"] = {"state": {"type": {"any_": list(types)}}}
        return self.ask("POST", "/flow_runs/filter", **wanted)

    def logs(self, flow_run):
        wanted = {"logs": {"flow_run_id": {"any_": [flow_run]}}, "limit": 200, "sort": "TIMESTAMP_ASC"}
        return "\n".join(line["message"] for line in self.ask("POST", "/logs/filter", **wanted))

    def artifacts(self, flow_run):
        """The artifacts of a flow run, by the part of their key before the root's."""
        found = self.ask("POST", "/artifacts/filter", artifacts={"flow_run_id": {"any_": [flow_run]}})
        return {"-".join(each["key"].split("-")[:2]): each for each in found}

    def wait_for_run(self, flow_run, *types, timeout_s=START_S):
        """The flow run, as soon as it is in one of these types of state."""

        def found():
            run = self.run(flow_run)
            return run if run["state_type"] in types else None

        return wait_for(found, timeout_s)


def wait_for(condition, timeout_s=START_S, process=None):
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert process is None or process.poll() is None, "the process ended"
        assert time.monotonic() < deadline, f"it did not come true in {timeout_s} s"
        time.sleep(POLL_S)
    return found


def answers(url):
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url, trust_env=False).is_success
    return False


@contextlib.contextmanager
def prefect_server(home, database_url="", **variables):
    """A server whose home is the folder `home`; ended at the end.

    Args:
        home: a folder that is there.
        database_url: `postgresql+asyncpg://…`; empty takes SQLite in `home`.
        variables: more of its environment, which those who work with it take too.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    own = environment(
        PREFECT_HOME=str(home),
        PREFECT_API_URL=f"{address}/api",
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        DO_NOT_TRACK="1",
        NO_PROXY="127.0.0.1",
        **variables,
    )
    if database_url:
        server_only = {"PREFECT_API_DATABASE_CONNECTION_URL": database_url}
    else:
        server_only = {}
        shutil.copyfile(build_database(), Path(home) / "prefect.db")
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = PrefectServer(address, own, command, own | server_only, Path(home) / "server.log")
    try:
        server.start()
        yield server
    finally:
        if server.process is not None:
            server.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.process.wait(30)
            server.kill()

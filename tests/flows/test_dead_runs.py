"""Runs that ended while Prefect's server could not be told, on a real one."""

import json

import pytest

from lakebed.flows import dead_runs
from lakebed.flows.dead_runs import watching
from lakebed.flows.deployments import FLOW_COMMAND
from lakebed.tasks.runtime.lease import Lease
from lakebed.tasks.runtime.record import RunLog
from tests.flows.lakes import write_parquet_lake
from tests.flows.processes import lakebed, python
from tests.services.prefect_server import prefect_server, wait_for
from tests.tasks.runtime.test_record import Config

pytestmark = [pytest.mark.flow, pytest.mark.heavy]
# one process after the other, each the run of one flow run
RUN = """
import sys
from lakebed.flows.deployments import FLOW_COMMAND
from lakebed.tasks.runtime.lease import Lease
from lakebed.tasks.runtime.record import RunLog, new_run_id
from tests.tasks.runtime.test_record import Config
root, flow_run, status = sys.argv[1:]
with Lease(root, flow_run):
    log = RunLog.begin(root, new_run_id(), [*FLOW_COMMAND, flow_run], Config())
    if status != "dead":
        log.finish(status)
"""


def test_what_ended_unheard_is_ended_on_the_server_and_what_goes_on_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(dead_runs, "_LOOK_S", 0.5)
    write_parquet_lake(tmp_path / "lake")
    root, told = str(tmp_path / "artifacts"), []
    (tmp_path / "home").mkdir()
    with prefect_server(tmp_path / "home") as server:
        for name in ("PREFECT_API_URL", "PREFECT_HOME"):
            monkeypatch.setenv(name, server.variables[name])
        serve = ("serve", "--lake", "lake", "--artifacts", "artifacts", "--register-only", "--json")
        queue = lakebed(*serve, folder=tmp_path, **server.variables).json["queue"]
        ended_ones = ("dead", "failed", "completed")
        runs = {status: server.start_run("lakebed/chain") for status in (*ended_ones, "running", "again")}
        for status, flow_run in runs.items():
            server.ask("POST", f"/flow_runs/{flow_run}/set_state", state={"type": "RUNNING"}, force=True)
            if status != "running":
                ended = python(RUN, root, flow_run, status if status in ended_ones else "failed", folder=tmp_path)
                assert ended.status == 0, ended.err
        # somebody tries it again: it runs, and has no record of that yet
        server.ask("POST", f"/flow_runs/{runs['again']}/set_state", state={"type": "RUNNING"}, force=True)
        with Lease(root, "here"), watching(queue, root, told.append):
            RunLog.begin(root, "20990101T000000-abcdef", [*FLOW_COMMAND, runs["running"]], Config())
            wait_for(lambda: server.runs("lakebed/chain", "COMPLETED") and len(told) == len(ended_ones))
        states = {status: server.run(flow_run)["state"] for status, flow_run in runs.items()}
    found = {status: state["type"] for status, state in states.items()}
    assert found == {
        "dead": "CRASHED", "failed": "CRASHED", "completed": "COMPLETED", "running": "RUNNING", "again": "RUNNING",
    }, states  # fmt: skip
    assert "the next run goes on from its artifacts" in states["dead"]["message"]
    assert all(runs[status] in json.dumps(told) for status in ended_ones)

"""The automations of `infra/automations.yaml`, each fired once on a real Prefect server, with a real receiver."""

import http.server
import json
import re
import subprocess
import sys
import threading
from datetime import datetime

import pytest

from tests.docs.pages import ROOT
from tests.flows.lakes import write_parquet_lake
from tests.flows.processes import Running, lakebed
from tests.services.prefect_server import prefect_server, wait_for

pytestmark = [pytest.mark.flow, pytest.mark.heavy]
# the patience of a test; the least that Prefect takes for an event that does not come
WITHIN_S = 10
QUICK = {
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "2",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS": "2",
}
WEBHOOK = """
import sys
from prefect.blocks.notifications import CustomWebhookNotificationBlock
block = CustomWebhookNotificationBlock(
    name="told", url=sys.argv[1], allow_private_urls=True, json_data={"subject": "{{subject}}", "body": "{{body}}"}
)
print(block.save("told"))
"""
# a chain of which one deployment is enough
RUN = "lakebed/chain"


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted to it."""

    def do_POST(self):
        """Of a notification."""
        self.server.found.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Nothing is said."""


@pytest.fixture
def receiver():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as running:
        running.found = []
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture
def server(tmp_path):
    (tmp_path / "home").mkdir()
    with prefect_server(tmp_path / "home", **QUICK) as running:
        yield running


def python(server, *command):
    done = subprocess.run(
        [sys.executable, *command], env=server.environment, capture_output=True, text=True, timeout=300, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def told(receiver, subject):
    """The one notification with such a subject."""

    def found():
        return [each for each in receiver.found if re.fullmatch(subject, each["subject"])]

    wait_for(found)
    return found()


def create_automations(server, receiver, folder):
    """As the head of the file says, but with a test's patience."""
    block = python(server, "-c", WEBHOOK, f"http://127.0.0.1:{receiver.server_port}/")
    text = (ROOT / "infra" / "automations.yaml").read_text().replace("00000000-0000-0000-0000-000000000000", block)
    (folder / "automations.yaml").write_text(re.sub(r"within: \d{2,}", f"within: {WITHIN_S}", text))
    python(server, "-m", "prefect", "automation", "create", "--from-file", str(folder / "automations.yaml"))


def test_a_late_run_and_a_failed_one_are_told_of(server, receiver, tmp_path):
    """The run that nobody takes at first fails afterwards: its cluster's master is not there."""
    write_parquet_lake(tmp_path / "lake")
    serve = ("serve", "--lake", "lake", "--artifacts", "artifacts")
    variables = {**server.variables, "LAKEBED_SPARK__MASTER": "spark://127.0.0.1:1"}
    assert lakebed(*serve, "--register-only", folder=tmp_path, **variables).status == 0
    create_automations(server, receiver, tmp_path)
    run = server.start_run(RUN)
    name = re.escape(server.run(run)["name"])
    (late,) = told(receiver, f"lakebed: {name} has been late for an hour")
    assert late["body"].startswith("chain was due at 20") and server.address in late["body"]
    with Running(*serve, folder=tmp_path, **variables):
        failed = server.wait_for_run(run, "FAILED")
        (failure,) = told(receiver, f"lakebed: {name} Failed")
    assert "the cluster's master cannot be reached" in failure["body"] and "Connection refused" in failure["body"]
    took = datetime.fromisoformat(failed["end_time"]) - datetime.fromisoformat(failed["start_time"])
    print(f"from Running to Failed: {took.total_seconds():.1f} s")
    assert not (tmp_path / "artifacts" / "inventory").exists()
    assert told(receiver, "lakebed: no run was completed for 26 hours")[0]["body"].startswith("`lakebed status`")

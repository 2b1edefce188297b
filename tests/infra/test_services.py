"""Commands and healthchecks of the compose file's Spark services, as processes on loopback."""

import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from tests.infra.places import IMAGE_ROOT, compose_services
from tests.services.machine import free_port

SERVICES = compose_services()
START_S = 180


class Here:
    """Rewrites what the compose file says for this machine: hosts, ports, folders."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = {}

    def text(self, text):
        text = str(text).replace(IMAGE_ROOT, str(ROOT)).replace("/var/lib/lakebed", str(self.folder))
        text = text.replace("/tmp/spark-work", str(self.folder / "work")).replace("spark-master", "127.0.0.1")
        return re.sub(r"\b(7077|8080|8081|18080)\b", lambda found: str(self.port(found[0])), text)

    def port(self, written):
        return self.ports.setdefault(written, free_port())

    @contextlib.contextmanager
    def started(self, name):
        service = SERVICES[name]
        own = {key: self.text(value) for key, value in service.get("environment", {}).items()}
        kept = {key: value for key, value in os.environ.items() if key not in ("SPARK_HOME", "PYTHONPATH")}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [self.text(word) for word in service["command"]], cwd=self.folder, stdout=log, stderr=log,
                env=kept | own | {"PATH": path, "SPARK_LOCAL_DIRS": str(self.folder)}, start_new_session=True,
            )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def is_healthy(self, name):
        _, _, script, url = SERVICES[name]["healthcheck"]["test"]
        command = [sys.executable, self.text(script), self.text(url)]
        return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0


@pytest.mark.heavy
def test_master_worker_and_history_server_come_up_healthy(tmp_path):
    (tmp_path / "events").mkdir()
    here, names = Here(tmp_path), ("spark-master", "spark-worker", "spark-history")
    with contextlib.ExitStack() as stack:
        processes = {name: stack.enter_context(here.started(name)) for name in names}
        end = time.monotonic() + START_S
        waiting = set(names)
        while waiting and time.monotonic() < end:
            waiting = {name for name in waiting if not here.is_healthy(name)}
            for name in names:
                assert processes[name].poll() is None, (tmp_path / f"{name}.log").read_text()[-2000:]
            time.sleep(0.5)
        assert not waiting
        wait_for("Registering worker", tmp_path / "spark-master.log", end)


def wait_for(words, log, end):
    while words not in log.read_text():
        assert time.monotonic() < end, log.read_text()[-2000:]
        time.sleep(0.5)

"""The command line as a process of its own: started, watched, killed, and what it leaves behind."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import psutil

from lakebed.flows.cli.main import STOPS, main
from lakebed.tasks.runtime.progress import Progress, show
from tests.services.machine import PATIENCE

REPOSITORY = Path(__file__).parents[2]
TIMEOUT_S = 600 * PATIENCE
# artifact roots have keys of their own, under which no two of them could be compared
ONE_KEY = {"LAKEBED_CONTAINMENT__HASH_KEY": "1d" * 32}
# runs with a JVM, Prefect's server and Great Expectations, as deployments have them
WITH_ALL = {"LAKEBED_ENGINE": "spark", "LAKEBED_EXPECTATIONS__RUN": "always"}
# the same without Great Expectations, for tests that look at no verdict
UNJUDGED = WITH_ALL | {"LAKEBED_EXPECTATIONS__RUN": "never"}
# what users meet first
LOCAL = {"LAKEBED_ENGINE": "auto", "LAKEBED_EXPECTATIONS__RUN": "deployed"}


def environment(**variables):
    """This process's, without what would change a run's config or Prefect's server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "LAKEBED_"))}
    # the jar folder of set-up may be named by a variable
    kept |= {name: os.environ[name] for name in ("LAKEBED_SPARK_JARS",) if name in os.environ}
    paths = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    return kept | ONE_KEY | {"PYTHONPATH": paths} | WITH_ALL | variables


@dataclass
class Answer:
    """How a process ended."""

    status: int
    out: str
    err: str

    @property
    def json(self):
        """Its standard output, which must be one JSON value on one line and nothing else."""
        assert self.out.endswith("\n") and self.out.count("\n") == 1, self.out
        return json.loads(self.out)

    @property
    def digests(self):
        return {stage["stage"]: (stage["key"], stage["digest"]) for stage in self.json["stages"]}

    @property
    def reused(self):
        return {stage["stage"]: stage["reused"] for stage in self.json["stages"]}


def lakebed(*arguments, folder, **variables):
    """Runs a verb to its end in `folder`."""
    command = [sys.executable, "-P", "-m", "lakebed.flows.cli.main", *map(str, arguments)]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def here(*arguments, folder, **variables):
    """The same in this process, which spares the start-up: for verbs that run no stage."""
    out, err = io.StringIO(), io.StringIO()
    before = {number: signal.getsignal(number) for number in STOPS}
    status = 0
    with (
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, environment(**variables), clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main(list(map(str, arguments)))
        except SystemExit as end:
            status = end.code or 0
        finally:
            show(Progress(is_quiet=True))
            for number, handler in before.items():
                signal.signal(number, handler)
    return Answer(status, out.getvalue(), err.getvalue())


def python(code, *arguments, folder, **variables):
    """Runs a script in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


class Running:
    """A verb that runs in the background; use as a context manager, which leaves no process behind."""

    def __init__(self, *arguments, folder, **variables):
        self._out, self._err = Path(folder) / "stdout.txt", Path(folder) / "stderr.txt"
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "lakebed.flows.cli.main", *map(str, arguments)],
                cwd=folder,
                env=environment(**variables),
                stdout=out,
                stderr=err,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.family: set[psutil.Process] = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.look()
        self.process.kill()
        self.process.wait()
        for process in self.living():
            with contextlib.suppress(psutil.Error):
                process.kill()

    def look(self):
        """Notes every process that the run has started so far."""
        with contextlib.suppress(psutil.Error):
            self.family.update(psutil.Process(self.process.pid).children(recursive=True))
        return self.family

    def wait_until(self, condition, timeout_s=TIMEOUT_S, pause_s=0.05):
        """Polls; False where the run ended before."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if condition():
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(pause_s)
        raise AssertionError("the condition did not come true in time")

    def kill(self):
        """kill -9 of the run's own process only, as by the out-of-memory killer."""
        self.look()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def finish(self):
        status = self.process.wait(TIMEOUT_S)
        return Answer(status, self._out.read_text(), self._err.read_text())

    def living(self):
        """Those of the run's processes that still live."""
        return [process for process in self.family if _is_alive(process)]

    def living_after(self, seconds):
        """The same, after they had this long to end."""
        deadline = time.monotonic() + seconds
        while self.living() and time.monotonic() < deadline:
            time.sleep(0.1)
        return [_name(process) for process in self.living()]


def _is_alive(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _name(process):
    try:
        return " ".join(process.cmdline())[:200]
    except psutil.Error:
        return "gone"

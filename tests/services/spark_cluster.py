"""A Spark standalone cluster on loopback: a master and its workers, each a process of its own."""

import contextlib
import http.client
import itertools
import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.services.machine import PATIENCE, free_port

START_S = 300 * PATIENCE


@dataclass
class SparkCluster:
    """A running cluster.

    Attributes:
        master: its address, `spark://127.0.0.1:port`.
        page: port of the master's page.
        environment: of its processes; drivers take it too.
        java_options: of master and workers.
        processes: the master, then the workers.
    """

    master: str
    page: int
    environment: dict[str, str]
    folder: Path
    java_options: tuple[str, ...] = ()
    processes: list[subprocess.Popen] = field(default_factory=list)

    @property
    def workers(self):
        return self.processes[1:]

    def state(self):
        """What the master's page says of workers and applications."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.page, timeout=10)) as page:
            page.request("GET", "/json/")
            return json.loads(page.getresponse().read())

    def worker_of(self, pid):
        """The worker below which a process runs."""
        above = {process.pid for process in psutil.Process(pid).parents()}
        return next(worker for worker in self.workers if worker.pid in above)

    def lose(self, worker):
        """kill -9 of a worker with all it started, as if its machine had gone; the number of processes killed."""
        family = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        worker.wait()
        return len(family)

    def start_master(self):
        """The master, also again after a kill, on the same port; living workers find it by themselves."""
        port = self.master.rpartition(":")[2]
        self._start("master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", self.page)
        if len(self.processes) > 1:
            self.processes[0] = self.processes.pop()

    def executors(self):
        """The processes of living executors."""
        found = (each for worker in self.workers for each in _below(worker.pid))
        return [each for each in found if _is_executor(each)]

    def mend(self, n_workers):
        """Starts again what is dead of master and workers; returns when the master counts the workers."""
        if self.processes[0].poll() is not None:
            self.start_master()
        self.processes[1:] = [worker for worker in self.workers if worker.poll() is None]
        for _ in range(n_workers - len(self.workers)):
            self.start_worker()
        self.wait_for_workers(n_workers)

    def start_worker(self, *, cores=1, memory="700m", hidden=None):
        """A worker; a folder that is `hidden` looks empty to it and its executors, as one that is not shared."""
        cover = 'mount -t tmpfs none "$0" && exec "$@"'
        before = ["unshare", "-rm", "sh", "-c", cover, str(hidden)] if hidden else []
        number = next(n for n in itertools.count(len(self.processes)) if not (self.folder / f"work{n}").exists())
        (self.folder / f"work{number}").mkdir()
        self._start(
            "worker.Worker", "--host", "127.0.0.1", "--cores", cores, "--memory", memory, "--webui-port", 0,
            "--work-dir", self.folder / f"work{number}", self.master, before=before,
        )  # fmt: skip

    def wait_for_workers(self, n_wanted):
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                if self.state()["aliveworkers"] == n_wanted:
                    return
            time.sleep(0.3)
        raise AssertionError(f"{n_wanted} workers did not come up in {START_S} s")

    def _start(self, name, *arguments, before=()):
        command = [*before, *java_command(*self.java_options), f"org.apache.spark.deploy.{name}"]
        with (self.folder / "cluster.log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(
                    [*command, *map(str, arguments)], env=self.environment, stdout=log, stderr=log, cwd=self.folder
                )
            )


def _below(pid):
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).children(recursive=True)
    return []


def _is_executor(process):
    with contextlib.suppress(psutil.Error):
        return "org.apache.spark.executor.CoarseGrainedExecutorBackend" in process.cmdline()
    return False


def java_command(*options):
    """Java with Spark's classes, as Spark's own programs start it."""
    import pyspark

    from lakebed.connectors.spark.java import find_java

    jars = Path(pyspark.__file__).parent / "jars" / "*"
    return [find_java().path, "-Xmx512m", *options, "-cp", str(jars)]


def bare_environment():
    """What a machine has that knows nothing of lakebed: no Python path, no settings."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME", "TMPDIR") if name in os.environ}


@contextlib.contextmanager
def history_server(folder, event_log):
    """Spark's history server over an event log; its port."""
    port = free_port()
    options = (f"-Dspark.history.fs.logDirectory={event_log.as_uri()}", f"-Dspark.history.ui.port={port}")
    with (folder / "history.log").open("ab") as log:
        process = subprocess.Popen(
            [*java_command(*options), "org.apache.spark.deploy.history.HistoryServer"],
            env=bare_environment() | {"SPARK_LOCAL_IP": "127.0.0.1"}, stdout=log, stderr=log, cwd=folder,
        )  # fmt: skip
    try:
        yield port
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def spark_cluster(folder, *, n_workers=2, cores=1, memory="700m", environment=None, java_options=()):
    """A cluster whose files lie in `folder`; all its processes are killed at the end.

    `environment` replaces the one that gives executors this Python and this checkout, as for packed environments.
    """
    import pyspark

    from lakebed.connectors.spark.config import SparkConfig
    from lakebed.connectors.spark.settings import worker_environment

    page, port = free_port(), free_port()
    variables = dict(worker_environment(SparkConfig()) if environment is None else environment)
    variables["SPARK_LOCAL_DIRS"] = str(folder)
    # what Spark's start scripts, which the wheel has not, would set
    variables |= {"SPARK_HOME": str(Path(pyspark.__file__).parent), "SPARK_SCALA_VERSION": "2.13"}
    cluster = SparkCluster(f"spark://127.0.0.1:{port}", page, variables, Path(folder), tuple(java_options))
    try:
        cluster.start_master()
        for _ in range(n_workers):
            cluster.start_worker(cores=cores, memory=memory)
        cluster.wait_for_workers(n_workers)
        yield cluster
    finally:
        for process in cluster.processes:
            if process.poll() is None:
                cluster.lose(process)

"""A Spark standalone cluster on loopback: a master and its workers, each a process of its own."""

import contextlib
import http.client
import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.machine import free_port

START_S = 120


@dataclass
class SparkCluster:
    """A running cluster.

    Attributes:
        master: its address, `spark://127.0.0.1:port`.
        page: port of the master's page.
        environment: of its processes; drivers take it too.
        processes: the master, then the workers.
    """

    master: str
    page: int
    environment: dict[str, str]
    folder: Path
    processes: list[subprocess.Popen] = field(default_factory=list)

    @property
    def workers(self):
        return self.processes[1:]

    def state(self):
        """What the master's page says of workers and applications."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.page, timeout=10)) as page:
            page.request("GET", "/json/")
            return json.loads(page.getresponse().read())

    def start_worker(self, *, cores=1, memory="700m"):
        number = len(self.processes)
        self._start(
            "worker.Worker", "--host", "127.0.0.1", "--cores", cores, "--memory", memory, "--webui-port", 0,
            "--work-dir", self.folder / f"work{number}", self.master,
        )  # fmt: skip

    def wait_for_workers(self, n_wanted):
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                if self.state()["aliveworkers"] == n_wanted:
                    return
            time.sleep(0.3)
        raise AssertionError(f"{n_wanted} workers did not come up in {START_S} s")

    def _start(self, name, *arguments):
        import pyspark

        from connectors.spark.java import find_java

        jars = Path(pyspark.__file__).parent / "jars" / "*"
        command = [find_java().path, "-Xmx512m", "-cp", str(jars), f"org.apache.spark.deploy.{name}"]
        with (self.folder / "cluster.log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(
                    [*command, *map(str, arguments)], env=self.environment, stdout=log, stderr=log, cwd=self.folder
                )
            )


@contextlib.contextmanager
def spark_cluster(folder, *, n_workers=2, cores=1, memory="700m", environment=None):
    """A cluster whose files lie in `folder`; all its processes are killed at the end.

    `environment` replaces the one that gives executors this Python and this checkout, as for packed environments.
    """
    import pyspark

    from connectors.spark.config import SparkConfig
    from connectors.spark.settings import worker_environment

    page, port = free_port(), free_port()
    variables = dict(worker_environment(SparkConfig()) if environment is None else environment)
    variables["SPARK_LOCAL_DIRS"] = str(folder)
    # what Spark's start scripts, which the wheel has not, would set
    variables |= {"SPARK_HOME": str(Path(pyspark.__file__).parent), "SPARK_SCALA_VERSION": "2.13"}
    cluster = SparkCluster(f"spark://127.0.0.1:{port}", page, variables, Path(folder))
    try:
        cluster._start("master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", page)
        for _ in range(n_workers):
            cluster.start_worker(cores=cores, memory=memory)
        cluster.wait_for_workers(n_workers)
        yield cluster
    finally:
        for process in cluster.processes:
            process.kill()
            process.wait()

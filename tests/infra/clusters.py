"""A packed lakebed, and its runs by spark-submit on a cluster of the tests."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.flows.processes import ONE_KEY, REPOSITORY, TIMEOUT_S, Answer
from tests.services.spark_cluster import bare_environment

SPARK_SUBMIT = Path(sys.executable).parent / "spark-submit"
ENTRY = REPOSITORY / "infra" / "spark_submit.py"
DRIVER = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.executor.memory": "512m",
    "spark.executor.cores": "1",
    "spark.pyspark.driver.python": sys.executable,
    "spark.pyspark.python": sys.executable,
    "spark.ui.enabled": "false",
}


# a small graph, and every stage that has a way through Spark takes it
SPARK_WAYS = {
    "LAKEBED_LAKEGRAPH__VALUES_PER_COLUMN": "16",
    "LAKEBED_SUMMARY__LOCAL_MAX_EDGES": "0",
    "LAKEBED_SUMMARY__ITERATIONS": "4",
    "LAKEBED_SUMMARY__FINAL_ITERATIONS": "1",
    "LAKEBED_EMBEDDINGS__LOCAL_MAX_VALUES": "0",
    "LAKEBED_EMBEDDINGS__DIM": "16",
    "LAKEBED_EMBEDDINGS__ROWS_PER_BLOCK": "1000",
    "LAKEBED_INDEX__SHARD_VECTORS": "100",
    "LAKEBED_INDEX__MAX_FLAT": "0",
}


def jars():
    """The option that brings Delta's."""
    from lakebed.connectors.spark.jars import find_jars

    return ["--jars", ",".join(map(str, find_jars()))]


def command(master, *arguments, options=(), conf=None, entry=ENTRY):
    """Of spark-submit; `conf` is added to what fits this machine, None takes a setting away."""
    settings = {name: value for name, value in {**DRIVER, **(conf or {})}.items() if value is not None}
    given = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
    return [str(part) for part in (SPARK_SUBMIT, "--master", master, *given, *options, entry, *arguments)]


def submitted(master, *arguments, folder, options=(), conf=None, entry=ENTRY, **variables):
    """Runs a verb by spark-submit to its end, in `folder`."""
    done = subprocess.run(
        command(master, *arguments, options=options, conf=conf, entry=entry), cwd=folder,
        env=driver_environment(**variables), capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return Answer(done.returncode, done.stdout, done.stderr)


def driver_environment(**variables):
    jars = {name: os.environ[name] for name in ("LAKEBED_SPARK_JARS",) if name in os.environ}
    # find-spark-home looks PySpark up with this Python
    return bare_environment() | ONE_KEY | jars | {"PYSPARK_DRIVER_PYTHON": sys.executable} | variables


class Killer(threading.Thread):
    """Kills the worker whose task stands at a gate, and brings another in its place, stage by stage.

    Attributes:
        hits: stage → processes killed, of the kills that met a running task.
    """

    def __init__(self, cluster, folder, stages):
        super().__init__(daemon=True)
        self.cluster, self.folder, self.hits = cluster, Path(folder), {}
        self.is_over = threading.Event()
        for stage in stages:
            (self.folder / f"armed-{stage}").touch()

    def run(self):
        while not self.is_over.wait(0.1):
            for held in self.folder.glob("held-*"):
                _, stage, pid = held.name.split("-")
                worker = self.cluster.worker_of(int(pid))
                self.hits[stage] = self.cluster.lose(worker)
                held.unlink()
                self.cluster.start_worker()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.join()


def gate(folder):
    """Settings and variables under which tasks stand at gates in `folder`."""
    import tests.services.worker_gate as module
    from lakebed.connectors.spark.config import SparkConfig

    folder.mkdir()
    shutil.copy(module.__file__, folder / "worker_gate.py")
    conf = {
        "spark.executorEnv.PYTHONPATH": f"lakebed.zip:{folder}",
        f"spark.executorEnv.{module.FOLDER_VARIABLE}": str(folder),
    }
    preload = ["worker_gate:install", *SparkConfig().worker_preload]
    return conf, {"LAKEBED_SPARK__WORKER_PRELOAD": json.dumps(preload)}


def lost_tasks(event_log):
    """Tasks that ended because their executor was lost, by Spark's own event log."""
    lines = [line for path in Path(event_log).rglob("events_*") for line in path.read_text().splitlines()]
    ends = (json.loads(line) for line in lines if '"Event":"SparkListenerTaskEnd"' in line)
    return sum(end["Task End Reason"]["Reason"] == "ExecutorLostFailure" for end in ends)


class Watch(threading.Thread):
    """Fetches pages of a running driver again and again, and keeps the longest answer of each."""

    def __init__(self, port, paths):
        super().__init__(daemon=True)
        self.port, self.found, self.is_over = port, dict.fromkeys(paths, ""), threading.Event()

    def run(self):
        import http.client

        while not self.is_over.wait(0.5):
            for path in self.found:
                page = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(page):
                    page.request("GET", path)
                    text = page.getresponse().read().decode()
                    self.found[path] = max(self.found[path], text, key=len)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.join()


def fetched(port, path, timeout_s=120):
    """JSON of a page that may not be there yet."""
    import http.client

    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        page = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException), contextlib.closing(page):
            page.request("GET", path)
            if found := json.loads(page.getresponse().read()):
                return found
        time.sleep(0.5)
    raise AssertionError(f"no answer at {path} in {timeout_s} s")

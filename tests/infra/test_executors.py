"""All executors of a real cluster gone in the middle of a job: the job ends, and says why."""

import subprocess
import sys
import time

import pytest

from tests.services.spark_cluster import bare_environment, spark_cluster

pytestmark = [pytest.mark.spark, pytest.mark.heavy]

JOB = """
import sys, time
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.executors import executors_watch
from lakebed.connectors.spark.failures import typed_failure
from lakebed.connectors.spark.session import SessionStarter

conf = {
    "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.executor.memory": "512m",
    "spark.executor.cores": "1", "spark.pyspark.python": sys.executable,
}
starter = SessionStarter(SparkConfig(master=sys.argv[1], executors_timeout_s=200, conf=conf, worker_preload=()))
starter.checks = [executors_watch(10, lambda text: print(text, flush=True))]
context = starter.get().sparkContext
print("ready", flush=True)
try:
    context.parallelize(range(2), 2).map(lambda _: time.sleep(600)).collect()
except Exception as error:
    typed = typed_failure(error)
    print(type(typed).__name__, typed.value, flush=True)
starter.stop()
"""


def test_a_job_without_executors_ends(tmp_path):
    """The master lives on, and no worker takes the lost one's place."""
    with spark_cluster(tmp_path, environment=bare_environment()) as cluster:
        command = [sys.executable, "-c", JOB, cluster.master]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as job:
            try:
                assert job.stdout.readline() == "ready\n"
                time.sleep(3)
                for worker in list(cluster.workers):
                    cluster.lose(worker)
                out, _ = job.communicate(timeout=180)
            finally:
                job.kill()
    waiting, ended = out.splitlines()
    assert waiting.startswith("waiting for executors: 0 of 2 since 20")
    assert ended.startswith("SparkLostError ") and "no executor is alive: 0 of 2 for 1" in ended

"""A session that another program began on a cluster is joined, with the code that its executors have already."""

import json
import os
import subprocess
import sys

import pytest

from lakebed.connectors.spark.code import write_code_zip
from lakebed.connectors.spark.jars import find_jars
from tests.docs.pages import ROOT
from tests.infra.clusters import DRIVER
from tests.services.spark_cluster import spark_cluster

pytestmark = [pytest.mark.spark, pytest.mark.heavy]
JOINS = """
import json, sys
from pyspark.sql import SparkSession
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.session import SessionStarter
master, conf, driver = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
builder = SparkSession.builder.master(master)
for name, value in conf.items():
    builder = builder.config(name, value)
theirs = builder.getOrCreate()
theirs.sparkContext.addPyFile(conf["spark.submit.pyFiles"])
ours = SessionStarter(SparkConfig(master=master, conf=driver)).get()
print(ours.sparkContext.applicationId == theirs.sparkContext.applicationId)
theirs.stop()
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with spark_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


def joining(program, *arguments, **variables):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable} | variables
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_another_programs_session_with_our_code_is_joined(cluster, tmp_path):
    conf = DRIVER | {
        "spark.submit.pyFiles": str(write_code_zip(tmp_path)),
        "spark.jars": ",".join(map(str, find_jars())),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.executorEnv.PYTHONPATH": "lakebed.zip",
        "spark.executor.extraJavaOptions": "-Dof.theirs=yes",
    }
    done = joining(JOINS, cluster.master, json.dumps(conf), json.dumps(DRIVER))
    assert (done.returncode, done.stdout.split()) == (0, ["True"]), done.stderr[-2000:]


AFTER_THEIRS = """
import json, os, sys
from pyspark.sql import SparkSession
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.session import SessionStarter
master, driver = sys.argv[1], json.loads(sys.argv[2])
SparkSession.builder.master("local[1]").getOrCreate().stop()
print(SessionStarter(SparkConfig(master=master, conf=driver)).get().range(5).count())
"""


def test_a_jvm_that_was_begun_with_our_code_gives_it_to_a_session_of_ours(cluster, tmp_path):
    """Spark takes `--py-files` from the JVM's properties, also for a context that comes after another has ended."""
    jars = ",".join(map(str, find_jars()))
    options = f"--py-files {write_code_zip(tmp_path)} --jars {jars} pyspark-shell"
    done = joining(AFTER_THEIRS, cluster.master, json.dumps(DRIVER), PYSPARK_SUBMIT_ARGS=options)
    assert (done.returncode, done.stdout.split()) == (0, ["5"]), done.stderr[-2000:]


HANGS = """
import json, sys
from lakebed.connectors.errors import StageError
from lakebed.connectors.spark import cluster
from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.session import SessionStarter
cluster._FIRST_ANSWER_S = 10.0
starter = SessionStarter(SparkConfig(master=sys.argv[1], conf=json.loads(sys.argv[2]), executors_timeout_s=10))
try:
    starter.get()
except StageError as error:
    print(error.what)
starter.stop()
"""


def test_executors_whose_python_never_answers_end_the_wait(cluster, tmp_path):
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    conf = DRIVER | {"spark.pyspark.python": str(hanging)}
    done = joining(HANGS, cluster.master, json.dumps(conf))
    assert done.stdout == "the cluster's executors are there, but do not end their first tasks\n", done.stderr[-2000:]

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


def test_another_programs_session_with_our_code_is_joined(tmp_path):
    conf = DRIVER | {
        "spark.submit.pyFiles": str(write_code_zip(tmp_path)),
        "spark.jars": ",".join(map(str, find_jars())),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.executorEnv.PYTHONPATH": "lakebed.zip",
        "spark.executor.extraJavaOptions": "-Dof.theirs=yes",
    }
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable}
    (tmp_path / "cluster").mkdir()
    with spark_cluster(tmp_path / "cluster") as cluster:
        done = subprocess.run(
            [sys.executable, "-c", JOINS, cluster.master, json.dumps(conf), json.dumps(DRIVER)],
            env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stdout.split()) == (0, ["True"]), done.stderr[-2000:]

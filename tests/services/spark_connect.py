"""A Spark Connect server on loopback, a process of its own that knows nothing of lakebed."""

import contextlib
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.services.machine import free_port
from tests.services.spark_cluster import START_S, bare_environment

_SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"


@contextlib.contextmanager
def connect_server(folder, master="local[2]", **conf):
    """Its address, `sc://127.0.0.1:port`; settings are added to those that it needs."""
    from lakebed.connectors.spark.gateway import jvm_command
    from lakebed.connectors.spark.jars import class_path, find_jars
    from lakebed.connectors.spark.java import find_java

    port = free_port()
    settings = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.pyspark.python": sys.executable,
        **conf,
    }
    options = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
    # with Delta on the class path, since SparkSubmit in this JVM puts no jar there by a setting
    classes = class_path(find_jars(), [])
    command = [*jvm_command(find_java().path, classes, 512), "--master", master, "--class", _SERVER, *options]
    with (folder / "connect.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "spark-internal"], env=bare_environment() | _environment(settings), stdout=log,
            stderr=log, cwd=folder,
        )  # fmt: skip
    try:
        _wait_for(port, process)
        yield f"sc://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _environment(settings):
    """The Python that its workers start with, and PySpark for one that has none."""
    import pyspark

    return {"PYSPARK_PYTHON": settings["spark.pyspark.python"], "SPARK_HOME": str(Path(pyspark.__file__).parent)}


def _wait_for(port, process):
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.3)
    raise AssertionError("the Connect server did not come up")

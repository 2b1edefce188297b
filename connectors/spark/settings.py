"""The pins of a Spark session (design: platform.md)."""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from connectors.spark.config import SparkConfig
from connectors.spark.daemon import PRELOAD_VARIABLE
from connectors.spark.jars import find_set, jar_set

_PINS = {
    "spark.app.name": "lakebed",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # a small table's state in one partition: without it each read of a state runs 50 tasks
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.ui.showConsoleProgress": "false",
}
_LOCAL_PINS = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.python.daemon.module": "connectors.spark.daemon",
    "spark.python.worker.reuse": "true",
}


def session_settings(config: SparkConfig, jars: Sequence[Path]) -> dict[str, str]:
    """Every setting of the session; `config.conf` wins."""
    settings = {"spark.master": config.master, **_PINS}
    further = [path for name in config.jar_sets for path in find_set(jar_set(name))]
    if config.is_local:
        settings |= _LOCAL_PINS | _local_settings(config)
        settings |= {"spark.jars": ",".join(map(str, further))} if further else {}
    else:
        settings["spark.jars"] = ",".join(map(str, [*jars, *further]))
        settings["spark.driver.memory"] = f"{config.driver_memory_mib}m"
    return settings | config.conf


def worker_environment(config: SparkConfig) -> dict[str, str]:
    """Environment of a local JVM and so of its Python workers: this Python, and the folder that lakebed runs from."""
    root = str(Path(__file__).resolve().parents[2])
    path = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    # with SPARK_HOME, workers would import PySpark from its zip, which keeps no byte code
    kept = {name: value for name, value in os.environ.items() if name not in {"SPARK_HOME", "SPARK_TESTING"}}
    return kept | {
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join(path),
        "SPARK_LOCAL_IP": "127.0.0.1",
        PRELOAD_VARIABLE: ",".join(config.worker_preload),
    }


def _local_settings(config: SparkConfig) -> dict[str, str]:
    """Few shuffle partitions: on one machine 200 of them are mostly empty tasks."""
    return {
        "spark.driver.memory": f"{config.driver_memory_mib}m",
        "spark.sql.shuffle.partitions": str(4 * (os.cpu_count() or 1)),
        "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir()) / "lakebed-warehouse"),
    }

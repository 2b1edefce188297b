"""The pins of a Spark session (design: platform.md)."""

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
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
    settings = {"spark.master": config.master, **_PINS, **s3_settings(os.environ)}
    further = [path for name in config.jar_sets for path in find_set(jar_set(name))]
    if config.is_local:
        settings |= _LOCAL_PINS | _local_settings(config)
        settings |= {"spark.jars": ",".join(map(str, further))} if further else {}
    else:
        settings["spark.jars"] = ",".join(map(str, [*jars, *further]))
        settings["spark.driver.memory"] = f"{config.driver_memory_mib}m"
    return settings | config.conf


def s3_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Where Hadoop's S3 connector finds the store: as Arrow and delta-rs, by the variables of Amazon's own tools.

    Credentials are no settings: the connector takes them from the environment of its JVM itself. A cluster's executors
    need them in theirs.
    """
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL", "")
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION", "")
    settings = {"fs.s3a.endpoint.region": region} if region else {}
    if endpoint:
        is_virtual = environment.get("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "").lower() == "true"
        settings["fs.s3a.endpoint"] = endpoint
        settings["fs.s3a.path.style.access"] = str(not is_virtual).lower()
        settings["fs.s3a.connection.ssl.enabled"] = str(not endpoint.startswith("http://")).lower()
    if settings:
        # a store that does not answer is told of within seconds, not after Hadoop's minutes
        settings |= {"fs.s3a.attempts.maximum": "3", "fs.s3a.retry.limit": "3"}
        settings["fs.s3a.connection.establish.timeout"] = "5s"
    return {f"spark.hadoop.{name}": value for name, value in settings.items()}


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

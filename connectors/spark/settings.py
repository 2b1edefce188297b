"""The settings of a Spark session: what is pinned, and what whoever submits the application may choose."""

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lakebed.connectors.python_process import SAFE_PATH, code_root, python_path
from lakebed.connectors.spark.code import ZIP_NAME
from lakebed.connectors.spark.config import REMOTE_VARIABLE, SparkConfig
from lakebed.connectors.spark.daemon import PRELOAD_VARIABLE
from lakebed.connectors.spark.jars import find_set, jar_set

EXTENSIONS = "spark.sql.extensions"
_DELTA = "io.delta.sql.DeltaSparkSessionExtension"
# another value changes results or breaks tables
_PINS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}
# those of them that a client of Spark Connect chooses; the others are its server's
CLIENT_PINS = {name: value for name, value in _PINS.items() if "catalog" not in name}
_DEFAULTS = {
    "spark.app.name": "lakebed",
    # a small table's state in one partition: without it each read of a state runs 50 tasks
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.ui.showConsoleProgress": "false",
    "spark.python.daemon.module": "lakebed.connectors.spark.daemon",
    "spark.python.worker.reuse": "true",
}
# an executor's JVM mostly hands batches on: what it compiles for speed within a short run costs more than the run's own
# work. Ten times as many calls as by default, before the slow compiler takes a method; long loops still get it
_LATE = " ".join(
    f"-XX:Tier4{name}Threshold={calls}"
    for name, calls in (("Invocation", 50_000), ("MinInvocation", 6_000), ("Compile", 150_000), ("BackEdge", 400_000))
)
_SERVLET = "spark.metrics.conf.*.sink.prometheusServlet"


def session_settings(
    config: SparkConfig, jars: Sequence[Path], submitted: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Every setting of the session.

    `config.conf` wins, then the pins, then what spark-submit was told (`submitted`), then what is best for us.
    """
    given = submitted or {}
    chosen = {"spark.master": config.master, "spark.driver.memory": f"{config.driver_memory_mib}m", **_DEFAULTS}
    chosen |= s3_settings(os.environ)
    chosen |= _local_settings() if config.is_local else _cluster_settings(config)
    if submitted is None:
        # a local JVM has Delta's jars on its class path
        further = [path for name in config.jar_sets for path in find_set(jar_set(name))]
        shipped = [*([] if config.is_local else jars), *further]
        chosen |= {"spark.jars": ",".join(map(str, shipped))} if shipped else {}
    elif config.is_local:
        # the JVM's environment is the submitter's
        chosen |= _worker_variables(config, str(code_root()))
    return chosen | _observed(config) | dict(given) | pinned_settings(given) | config.conf


def pinned_settings(given: Mapping[str, str]) -> dict[str, str]:
    """What every session of ours has, whoever made it; extensions of others stay."""
    others = [name for name in given.get(EXTENSIONS, "").split(",") if name and name != _DELTA]
    return {**_PINS, EXTENSIONS: ",".join([*others, _DELTA])}


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
    """Environment of a JVM that we start, and so of a local session's Python workers: this Python, and our code."""
    # with SPARK_HOME, workers would import PySpark from its zip, which keeps no byte code; the JVM's master is named
    left_out = {"SPARK_HOME", "SPARK_TESTING", REMOTE_VARIABLE}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    kept |= {"SPARK_LOCAL_IP": "127.0.0.1"} if config.is_local else {}
    return kept | {
        **SAFE_PATH,
        "PYSPARK_PYTHON": worker_python(config),
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYTHONPATH": python_path(),
        PRELOAD_VARIABLE: ",".join(config.worker_preload),
    }


def worker_python(config: SparkConfig) -> str:
    """The Python of the workers: locally this one; on a cluster what was named, else this one's path there."""
    if config.is_local:
        return sys.executable
    return config.conf.get("spark.pyspark.python") or os.environ.get("PYSPARK_PYTHON") or sys.executable


def _observed(config: SparkConfig) -> dict[str, str]:
    """The event log, and metrics for Prometheus on the driver's page."""
    settings: dict[str, str] = {}
    if config.event_log:
        is_uri = "://" in config.event_log
        place = config.event_log if is_uri else Path(config.event_log).expanduser().absolute().as_uri()
        settings |= {"spark.eventLog.enabled": "true", "spark.eventLog.dir": place}
    if config.prometheus:
        settings |= {
            "spark.ui.enabled": "true",
            "spark.ui.prometheus.enabled": "true",
            f"{_SERVLET}.class": "org.apache.spark.metrics.sink.PrometheusServlet",
            f"{_SERVLET}.path": "/metrics/prometheus",
            # by the application's name, not its id: a series goes on from run to run
            "spark.metrics.namespace": "${spark.app.name}",
        }
    return settings


def _local_settings() -> dict[str, str]:
    """Few shuffle partitions: on one machine 200 of them are mostly empty tasks."""
    return {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": str(4 * (os.cpu_count() or 1)),
        "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir()) / "lakebed-warehouse"),
    }


def _cluster_settings(config: SparkConfig) -> dict[str, str]:
    """Executors fetch our code from the driver; it lies in their working folder, as a zip."""
    return {**_worker_variables(config, ZIP_NAME), "spark.executor.defaultJavaOptions": _LATE}


def _worker_variables(config: SparkConfig, path: str) -> dict[str, str]:
    variables = {**SAFE_PATH, "PYTHONPATH": path, PRELOAD_VARIABLE: ",".join(config.worker_preload)}
    return {f"spark.executorEnv.{name}": value for name, value in variables.items()}

"""What a run's record says of its Spark session."""

from pathlib import Path
from typing import Any, cast

from pyspark import SparkContext
from pyspark.sql import SparkSession

from lakebed.connectors.spark.config import SparkConfig
from lakebed.connectors.spark.connect import is_connect
from lakebed.connectors.spark.jars import find_jars
from lakebed.connectors.spark.submitted import is_submitted


def session_facts(session: SparkSession, config: SparkConfig) -> dict[str, Any]:
    """Application, master, versions of Spark, Scala and Java, and the names of Delta's jars.

    Of a Connect server only what a client can see, its session's id as the application's.
    """
    if is_connect(session):
        return {"application_id": cast("Any", session).session_id, "master": config.master, "version": session.version}
    context = session.sparkContext
    jvm: Any = context._jvm
    system = jvm.java.lang.System
    return {
        "application_id": context.applicationId,
        "master": context.master,
        "version": session.version,
        "scala": str(jvm.scala.util.Properties.versionNumberString()),
        "java": f"{system.getProperty('java.version')} ({system.getProperty('java.vendor')})",
        "jars": _jars(context, config),
    }


def _jars(context: SparkContext, config: SparkConfig) -> list[str]:
    """Names of Delta's jars, under spark-submit of those that it was told."""
    if is_submitted():
        return [Path(path).name for path in context.getConf().get("spark.jars", "").split(",") if path]
    return [path.name for path in find_jars(config.jars)]

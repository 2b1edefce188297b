"""What a run's record says of its Spark session."""

from typing import Any

from pyspark.sql import SparkSession

from connectors.spark.config import SparkConfig
from connectors.spark.jars import find_jars


def session_facts(session: SparkSession, config: SparkConfig) -> dict[str, Any]:
    """Application, master, versions of Spark, Scala and Java, and the names of Delta's jars."""
    context = session.sparkContext
    jvm: Any = context._jvm
    system = jvm.java.lang.System
    return {
        "application_id": context.applicationId,
        "master": context.master,
        "version": session.version,
        "scala": str(jvm.scala.util.Properties.versionNumberString()),
        "java": f"{system.getProperty('java.version')} ({system.getProperty('java.vendor')})",
        "jars": [path.name for path in find_jars(config.jars)],
    }

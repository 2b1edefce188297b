"""Which process is the session's JVM, for whoever measures it."""

import psutil
from pyspark.sql import SparkSession

from lakebed.connectors.spark.connect import is_connect


def jvm_pid(session: SparkSession) -> int:
    """Process id of the driver's JVM: a child of this process, or under spark-submit its parent; else 0."""
    if is_connect(session):
        return 0
    process = getattr(session.sparkContext._gateway, "proc", None)
    if process is not None:
        return int(process.pid)
    parent = psutil.Process().parent()
    return parent.pid if parent is not None and parent.name() == "java" else 0

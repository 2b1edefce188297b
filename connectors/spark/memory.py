"""Which process is the session's JVM, for whoever measures it."""

from pyspark.sql import SparkSession


def jvm_pid(session: SparkSession) -> int:
    """Process id of the driver's JVM; 0 when it is not a child of this process."""
    process = getattr(session.sparkContext._gateway, "proc", None)
    return int(process.pid) if process else 0

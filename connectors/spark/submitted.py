"""Whether spark-submit started this process; loads nothing."""

import os

# the script that spark-submit runs, by which Spark names an application that nobody named
ENTRY_NAME = "spark_submit.py"


def is_submitted() -> bool:
    """Whether a JVM was there first: master, memory and jars are then chosen already."""
    return "PYSPARK_GATEWAY_PORT" in os.environ

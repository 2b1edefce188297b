"""Whether spark-submit started this process, and what it has chosen; loads nothing but what is asked for."""

import os

# the script that spark-submit runs, by which Spark names an application that nobody named
ENTRY_NAME = "spark_submit.py"


def is_submitted() -> bool:
    """Whether a JVM was there first: master, memory and jars are then chosen already."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def submitted_master() -> str:
    """The master that spark-submit has chosen, asked of its JVM before anything of PySpark is loaded."""
    from py4j.java_gateway import GatewayParameters, JavaGateway

    port, token = int(os.environ["PYSPARK_GATEWAY_PORT"]), os.environ["PYSPARK_GATEWAY_SECRET"]
    gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port, auth_token=token))
    try:
        return str(gateway.jvm.java.lang.System.getProperty("spark.master"))
    finally:
        gateway.close()


def submitted_settings() -> dict[str, str] | None:
    """What spark-submit, or whoever made this process's session, has chosen already; None where nobody did."""
    from pyspark import SparkConf, SparkContext

    if (context := SparkContext._active_spark_context) is not None:
        return dict(context.getConf().getAll())
    if not is_submitted():
        return None
    SparkContext._ensure_initialized()
    found = dict(SparkConf(_jvm=SparkContext._jvm).getAll())
    if found.get("spark.app.name") == ENTRY_NAME:
        del found["spark.app.name"]
    return found

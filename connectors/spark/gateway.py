"""Starting the driver's JVM directly, without Spark's shell scripts.

`spark-submit` starts a first JVM only to print the command of the second, and adds the vector incubator module, which
prints a warning and shuts off part of the class-data archive. Here the JVM starts by the same command without both;
`SparkSubmit` itself, and so spark-defaults.conf and `spark.jars.packages`, works as ever.
"""

import atexit
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from py4j.java_gateway import JavaGateway
from pyspark.java_gateway import launch_gateway

from lakebed.connectors.errors import SparkLostError, StageError

START_TIMEOUT_S = 180
_POLL_S = 0.01
# what Spark's JavaModuleOptions opens
_OPENED = (
    *("java.base/java." + name for name in ("lang", "lang.invoke", "lang.reflect", "io", "net", "nio", "util")),
    *("java.base/java.util." + name for name in ("concurrent", "concurrent.atomic")),
    *("java.base/" + name for name in ("jdk.internal.ref", "sun.nio.ch", "sun.nio.cs", "sun.security.action")),
    "java.base/sun.util.calendar",
    "java.security.jgss/sun.security.krb5",
)
_PROPERTIES = (
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dio.netty.allocator.type=pooled",
    "-Dderby.connection.requireAuthentication=false",
)
# standard output belongs to the answer, so the JVM's own warnings are off; its fatal errors go to standard error
_QUIET = ("-Xlog:disable", "-Xlog:all=error:stderr")
SHORT_RUN = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


def jvm_command(java: str, classes: str, memory_mib: int, flags: Sequence[str] = ()) -> list[str]:
    """The java command up to and with the main class.

    Args:
        java: the program.
        classes: its class path.
        memory_mib: heap of the driver.
        flags: those of the archive and of short runs.
    """
    log4j = f"-Dlog4j2.configurationFile={_log_settings().as_uri()}"
    opened = [f"--add-opens={package}=ALL-UNNAMED" for package in _OPENED]
    options = [f"-Xmx{memory_mib}m", *flags, *_QUIET, *opened, *_PROPERTIES, log4j]
    return [java, "-cp", classes, *options, "org.apache.spark.deploy.SparkSubmit"]


def start_gateway(command: Sequence[str], settings: Mapping[str, str], environment: Mapping[str, str]) -> JavaGateway:
    """Starts the JVM and connects to it. The JVM ends when this process does, however that ends: it watches its input.

    Raises: StageError: if the JVM ends or does not answer; a transient one if a signal ended it.
    """
    with tempfile.TemporaryDirectory(prefix="lakebed-") as folder:
        answer = Path(folder) / "connection"
        options = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
        process = subprocess.Popen(
            [*command, *options, "pyspark-shell"],
            stdin=subprocess.PIPE,
            stdout=sys.__stderr__.fileno() if sys.__stderr__ else None,
            env={**environment, "_PYSPARK_DRIVER_CONN_INFO_PATH": str(answer), "SPARK_CONNECT_MODE": "0"},
            process_group=0,  # Ctrl-C is for this process, which then stops the JVM
        )
        # it looks at its input only once it is up: a run that ends before must not leave it behind meanwhile
        atexit.register(process.kill)
        _wait_for(answer, process)
        atexit.unregister(process.kill)
        # as Spark's PythonGatewayServer writes it: port, length of the secret, secret; integers big-endian
        connection = answer.read_bytes()
        port, length = struct.unpack_from(">ii", connection)
        return _connect(port, connection[8 : 8 + length].decode(), process)


def _wait_for(answer: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not answer.is_file():
        status = process.poll()
        if status is not None or time.monotonic() > deadline:
            process.kill()
            kind = SparkLostError if status is not None and status < 0 else StageError
            raise kind(
                "Spark's JVM did not start",
                value=f"exit status {status}" if status is not None else f"no answer in {START_TIMEOUT_S} s",
                hint="read Java's message above; `lakebed doctor` checks Java, memory and the jars",
            )
        time.sleep(_POLL_S)


def _connect(port: int, secret: str, process: "subprocess.Popen[bytes]") -> JavaGateway:
    """PySpark's own way to join a gateway that already runs, which reads these two variables."""
    os.environ.update(PYSPARK_GATEWAY_PORT=str(port), PYSPARK_GATEWAY_SECRET=secret)
    try:
        gateway: JavaGateway = launch_gateway()  # type: ignore[no-untyped-call]
    finally:
        del os.environ["PYSPARK_GATEWAY_PORT"], os.environ["PYSPARK_GATEWAY_SECRET"]
    gateway.proc = process
    return gateway


def _log_settings() -> Path:
    return Path(str(resources.files("lakebed.connectors.spark") / "log4j2.properties"))

"""The JVM's class-data archive: classes of Spark and Delta, parsed and verified once instead of at each start.

Java: https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html. The JVM itself ignores an archive that does
not fit its version or class path, so the key only keeps several environments apart.
"""

import hashlib
import os
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from lakebed.connectors.places import environment_folder
from lakebed.connectors.spark.jars import class_path
from lakebed.connectors.spark.java import Java


def archive_path(java: Java, jars: Sequence[Path]) -> Path:
    """Where the archive of this Java, this PySpark and these jars lies, whether it is there or not."""
    stamps = [f"{jar}:{jar.stat().st_size}:{jar.stat().st_mtime_ns}" for jar in jars]
    parts = [os.path.realpath(java.path), java.text, version("pyspark"), class_path(jars), *stamps]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return environment_folder("class-data") / f"{key}.jsa"


def archive_flags(java: Java, jars: Sequence[Path]) -> list[str]:
    """JVM flags that use the archive where there is one."""
    path = archive_path(java, jars)
    return [f"-XX:SharedArchiveFile={path}", "-Xshare:auto"] if path.is_file() else []


def is_usable(java: Java, jars: Sequence[Path]) -> bool:
    """Whether the archive is there and the JVM accepts it."""
    path = archive_path(java, jars)
    if not path.is_file():
        return False
    flags = ["-XX:+UseSerialGC", f"-XX:SharedArchiveFile={path}", "-Xshare:on", "-Xlog:disable"]
    command = [java.path, *flags, "-cp", class_path(jars), "-version"]
    return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 0

"""Peak memory of this process and of the session's JVM."""

import os
import resource
import sys
from pathlib import Path

from pyspark.sql import SparkSession


def peak_driver_bytes() -> int:
    """Largest resident size that this Python process has had, in bytes.

    From /proc where there is one: `getrusage` counts the peak of the process that started this one, too.
    """
    if own := _high_water_bytes(os.getpid()):
        return own
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_jvm_bytes(session: SparkSession) -> int:
    """Largest resident size that the driver's JVM has had, in bytes; 0 where the system does not tell."""
    pid = jvm_pid(session)
    return _high_water_bytes(pid) if pid else 0


def jvm_pid(session: SparkSession) -> int:
    """Process id of the driver's JVM; 0 when it is not a child of this process."""
    process = getattr(session.sparkContext._gateway, "proc", None)
    return int(process.pid) if process else 0


def _high_water_bytes(pid: int) -> int:
    """`VmHWM` of /proc, which Linux has and macOS has not."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1]) * 1024

"""Which process it was that wrote something, and whether it lives: the one rule of run records, leases and claims.

A process id means something within one name space of one boot alone: hosts may share a name, and containers one host's.
So a process counts as gone only where it was started under this kernel's boot and in this name space, and no process of
its number is there, or one that was started at another time. Of all others this module knows nothing; whether a run
among them goes on, the lease on the artifact root tells.
"""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil


def this_process() -> dict[str, Any]:
    """This process as records name it.

    `host` is a label; `machine` says where `pid` counts; `start_ticks` since boot do not move when somebody sets the
    clock, as `created`, seconds since 1970, does. `machine` and `start_ticks` are empty where the kernel tells neither.
    """
    pid = os.getpid()
    return {
        "host": socket.gethostname(),
        "pid": pid,
        "created": psutil.Process().create_time(),
        "machine": this_machine(),
        "start_ticks": _start_ticks(pid),
    }


def is_here(process: Mapping[str, Any]) -> bool:
    """Whether the number of a process that `this_process` named counts here, so that it can be looked for."""
    return bool(process.get("machine")) and process["machine"] == this_machine()


def is_gone(process: Mapping[str, Any]) -> bool:
    """Whether a process that `this_process` named has certainly ended.

    Records of an older lakebed name no machine, and systems without /proc have none: there the host's name must do.
    """
    is_old_here = not process.get("machine") and process.get("host") == socket.gethostname()
    if not (is_old_here or is_here(process)) or "pid" not in process:
        return False
    try:
        if process.get("start_ticks"):
            os.kill(process["pid"], 0)
            return _start_ticks(process["pid"]) not in (0, process["start_ticks"])
        return bool(psutil.Process(process["pid"]).create_time() != process.get("created"))
    except (ProcessLookupError, psutil.NoSuchProcess):
        return True
    except (OSError, psutil.Error, ValueError, TypeError, OverflowError):
        return False


def this_machine() -> str:
    """The boot of this kernel, and the name space in which process ids count; empty where the kernel tells neither."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _start_ticks(pid: int) -> int:
    """When a process started, in the kernel's ticks since boot; 0 where that cannot be read."""
    try:
        # the second field is the program's name, which may hold anything
        return int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return 0

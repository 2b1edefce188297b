"""Peak memory of processes, as the kernel counted it."""

import re
import resource
from pathlib import Path

_HIGH_WATER = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


def peak_memory_bytes(pid: int | None = None) -> int:
    """The peak resident memory of this process, or of `pid`, in bytes; 0 if `pid` is gone or hidden.

    The kernel starts the count anew at exec, getrusage does not: a process started by a big one
    would inherit its parent's peak.
    """
    path = Path(f"/proc/{pid or 'self'}/status")
    try:
        found = _HIGH_WATER.search(path.read_text())
    except OSError:
        found = None
    if found:
        return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 if pid is None else 0

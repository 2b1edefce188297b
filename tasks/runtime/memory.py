"""Memory: the peak of processes as the kernel counted it, and what freed memory is kept for."""

import contextlib
import ctypes
import re
import resource
from collections.abc import Iterator
from pathlib import Path

# glibc's numbers of what mallopt sets, and the values that its own adjustment of them ends at
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_AFTERWARDS = {_TRIM_THRESHOLD: 64 << 20, _MMAP_THRESHOLD: 32 << 20, _MMAP_MAX: 1 << 16}
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


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Within it, large arrays that are freed are taken again for the next ones, and go back to the system at the end.

    glibc maps an array of more than 32 MiB anew each time, and the kernel fills each of its pages with zeros: in a loop
    of such arrays that costs more than the arithmetic. Where the C library is another one, nothing is changed.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        yield
        return
    library.mallopt(_MMAP_MAX, 0)
    library.mallopt(_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        for option, value in _AFTERWARDS.items():
            library.mallopt(option, value)
        library.malloc_trim(ctypes.c_size_t(0))

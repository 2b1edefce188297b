"""How much memory this process may use: the machine's, or less where a container or a service has a limit.

A limit is that of a control group, of version 1 or 2, or of one above it. Inside a container the group's own path
may not be there: what is mounted is then the container's group itself.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

# version 1 writes a number near 2^63 where nothing is limited
_NO_LIMIT_BYTES = 1 << 60


@dataclass(frozen=True)
class Memory:
    """Bytes that this process may use in all, and that are free now.

    Attributes:
        total_bytes: of the machine, or of the least limit.
        available_bytes: what can be had without swapping; files that are only cached count as free.
        is_limited: whether a limit is less than the machine's memory.
    """

    total_bytes: int
    available_bytes: int
    is_limited: bool


@dataclass(frozen=True)
class _Version:
    """Where a version of control groups has its files, and how they are called."""

    folder: str
    limit: str
    usage: str
    cached: str


_VERSIONS = {
    "memory": _Version("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    "": _Version("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
}


def usable_memory(system: Path = Path("/")) -> Memory:
    """The memory of this machine and of the groups that this process is in; `system` stands for the file system."""
    machine = psutil.virtual_memory()
    total, available = machine.total, machine.available
    for limit, used in _limits(system):
        total, available = min(total, limit), min(available, max(limit - used, 0))
    return Memory(total, available, total < machine.total)


def _limits(system: Path) -> Iterator[tuple[int, int]]:
    """Limit and use, in bytes, of each limited group from this process's own to the root."""
    try:
        lines = (system / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, names, path = line.split(":", 2)
        for name in {"memory", ""} & set(names.split(",")):
            version = _VERSIONS[name]
            for group in (path, *map(str, Path(path).parents)):
                with suppress(OSError, ValueError, KeyError):
                    yield _limit(system / version.folder / group.strip("/"), version)


def _limit(group: Path, version: _Version) -> tuple[int, int]:
    """Raises: OSError, ValueError, KeyError: if there is no such group, or it has no limit."""
    limit = int((group / version.limit).read_text())
    if limit >= _NO_LIMIT_BYTES:
        raise ValueError(limit)
    facts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    return limit, int((group / version.usage).read_text()) - int(facts[version.cached])

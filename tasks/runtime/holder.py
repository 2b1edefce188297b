"""Who holds a lease, and whether that process still is."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from lakebed.connectors.errors import LeaseError

LEASE = "lease.json"


@dataclass(frozen=True)
class Holder:
    """Who holds a lease.

    `machine` tells this kernel's processes from all others: hosts may share a name, and containers a host's. `created`
    is the process's start in seconds, because ids are given again.
    """

    host: str
    pid: int
    run_id: str
    started_at: str
    machine: str = ""
    created: float = 0.0

    def __str__(self) -> str:
        return f"run {self.run_id}, process {self.pid} on {self.host}, since {self.started_at}"

    @classmethod
    def this_process(cls, run_id: str) -> "Holder":
        """This process, for a run."""
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        created = psutil.Process().create_time()
        return cls(socket.gethostname(), os.getpid(), run_id, started_at, this_machine(), created)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Holder":
        """As it was written; what a newer version may add is left out."""
        return cls(**{field.name: facts[field.name] for field in fields(cls) if field.name in facts})

    @property
    def is_gone(self) -> bool:
        """Whether its process has certainly ended; of one elsewhere nothing is known."""
        if not self.machine or self.machine != this_machine():
            return False
        try:
            return bool(psutil.Process(self.pid).create_time() != self.created)
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False


def this_machine() -> str:
    """The boot of this kernel, and the name space in which process ids count; empty where the kernel tells neither."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def refusal(holder: str, since: str = "") -> LeaseError:
    """What the second of two runs is told."""
    return LeaseError(
        "another run works on this artifact root",
        value=holder,
        expected="one run at a time on an artifact root",
        hint=f"wait until it ends{since}, or give another folder with --artifacts",
    )

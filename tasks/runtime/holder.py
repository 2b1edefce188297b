"""Who holds a lease, and whether that process still is."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from lakebed.connectors.errors import LeaseError
from lakebed.tasks.runtime.process_id import is_gone, this_process

LEASE = "lease.json"


@dataclass(frozen=True)
class Holder:
    """Who holds a lease: the run, and its process as `this_process` names it."""

    host: str
    pid: int
    run_id: str
    started_at: str
    machine: str = ""
    created: float = 0.0
    start_ticks: int = 0

    def __str__(self) -> str:
        return f"run {self.run_id}, process {self.pid} on {self.host}, since {self.started_at}"

    @classmethod
    def this_process(cls, run_id: str) -> "Holder":
        """This process, for a run."""
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(run_id=run_id, started_at=started_at, **this_process())

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Holder":
        """As it was written; what a newer version may add is left out."""
        return cls(**{field.name: facts[field.name] for field in fields(cls) if field.name in facts})

    @property
    def is_gone(self) -> bool:
        """Whether its process has certainly ended; of one that names no machine nothing is known."""
        return bool(self.machine) and is_gone(asdict(self))


def refusal(holder: str, since: str = "") -> LeaseError:
    """What the second of two runs is told."""
    return LeaseError(
        "another run works on this artifact root",
        value=holder,
        expected="one run at a time on an artifact root",
        hint=f"wait until it ends{since}, or give another folder with --artifacts",
    )

"""The process that keeps a run's lease on an object store: `python -m lakebed.tasks.runtime.lease_keeper`.

A thread of the run itself would not do: kernels hold Python's lock for longer than a lease lasts. It is told what to
keep on standard input, which its parent closes when it ends, in whatever way; then it gives the lease up, and ends.
It ends before that, with status 3, when the lease is lost; the run looks at this before it publishes.
"""

import contextlib
import json
import os
import secrets
import select
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

from lakebed.connectors.conditional import ConditionalObjects, ObjectVersion
from lakebed.connectors.errors import LakeError
from lakebed.connectors.python_process import module_command, module_environment

LOST = 3
_LEASE = "lease.json"


class Keeper:
    """Renews one lease."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._objects = ConditionalObjects(told["root"])
        self._state: dict[str, Any] = json.loads(told["state"])
        self._version: ObjectVersion | None = ObjectVersion(**told["version"])
        self._beat_s, self._react_s = float(told["beat_s"]), float(told["react_s"])
        self._renewed_at = _now()

    @property
    def is_lost(self) -> bool:
        """Whether another holds it, or might soon because the store did not take a sign of life for long."""
        return self._version is None or _now() - self._renewed_at > self._react_s

    def keep(self) -> int:
        """Renews until standard input closes or the lease is lost; the exit status."""
        while not _is_input_closed(self._beat_s):
            with contextlib.suppress(LakeError):
                self._put(is_given_up=False)
            if self.is_lost:
                return LOST
        if self._version is not None:
            with contextlib.suppress(LakeError):
                self._put(is_given_up=True)
        return 0

    def _put(self, *, is_given_up: bool) -> None:
        begun = _now()
        state = self._state | {"is_given_up": is_given_up, "word": secrets.token_hex(8)}
        assert self._version is not None  # noqa: S101 - for the type checker: the caller has looked
        self._version = self._objects.replace(_LEASE, json.dumps(state).encode(), self._version)
        self._renewed_at = begun


def keeper_command() -> tuple[list[str], Mapping[str, str]]:
    """Command and environment of the process."""
    return module_command("lakebed.tasks.runtime.lease_keeper"), module_environment()


def _now() -> float:
    """Seconds, those in which the machine slept too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _is_input_closed(wait_s: float) -> bool:
    """Whether the parent has closed the pipe, after waiting for it that long."""
    ready, _, _ = select.select([0], [], [], wait_s)
    return bool(ready) and not os.read(0, 1)


def main() -> int:
    """Serves one run; whoever ends all processes of a service at once leaves the end to the run."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return 0
        line += byte
    return Keeper(json.loads(line)).keep()


if __name__ == "__main__":
    sys.exit(main())

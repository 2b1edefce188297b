"""Starts verbs in processes that die at a given moment; see `child_verb`."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]


class Children:
    """Runs verbs, each in a process of its own."""

    def __init__(self, parent: subprocess.Popen[str]) -> None:
        self._parent = parent
        self.n_killed = 0

    def moments(self, verb: str, lake: str, plan: Path) -> list[str]:
        """What happens in a run that nobody kills."""
        status, out = self._call(verb, lake, plan, -1)
        assert status == 0, out
        return list(json.loads(out))

    def kill(self, verb: str, lake: str, plan: Path, moment: int, expected: str) -> None:
        """Runs the verb until it dies at the moment."""
        status, out = self._call(verb, lake, plan, moment)
        assert (status, out) == (-signal.SIGKILL, expected)
        self.n_killed += 1

    def _call(self, verb: str, lake: str, plan: Path, moment: int) -> tuple[int, str]:
        assert self._parent.stdin is not None and self._parent.stdout is not None
        self._parent.stdin.write(json.dumps([verb, lake, str(plan), moment]) + "\n")
        self._parent.stdin.flush()
        status, out = json.loads(self._parent.stdout.readline())
        return status, out


@contextlib.contextmanager
def children(module: str = "child_verb") -> Iterator[Children]:
    """The process from which the others are forked; `module` answers requests as `child_verb` does."""
    with subprocess.Popen(
        [sys.executable, "-m", f"tests.tasks.quarantine.{module}"],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        found = Children(parent)
        yield found
        sys.stderr.write(f"{found.n_killed} processes killed\n")

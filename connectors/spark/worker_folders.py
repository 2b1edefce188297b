"""Folders that the workers of a standalone cluster keep of ended applications: each holds lakebed's unpacked Python.

Only workers on this machine can be looked at; a master tells nothing of its workers' settings.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

_WORKER = "org.apache.spark.deploy.worker.Worker"
_CLEANED = "-Dspark.worker.cleanup.enabled=true"
_OPTIONS = ("-d", "--work-dir")


def kept_folders() -> list[tuple[Path, int]]:
    """The folders of this machine's workers that clean up nothing, and the applications in each."""
    return [(folder, sum(1 for _ in folder.glob("app-*"))) for folder in _folders()]


def _folders() -> Iterator[Path]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            command = process.cmdline()
            if _WORKER in command and _CLEANED not in command:
                yield _folder(process, command)


def _folder(process: psutil.Process, command: list[str]) -> Path:
    named = [command[place + 1] for place, word in enumerate(command[:-1]) if word in _OPTIONS]
    home = process.environ().get("SPARK_HOME") or process.cwd()
    return Path(process.cwd(), named[-1]) if named else Path(home, "work")

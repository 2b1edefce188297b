"""Processes and temporary folders that runs leave behind when they are killed, and how to know whose they were."""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from lakebed.connectors.places import RUN_VARIABLE
from lakebed.tasks.runtime.process_id import is_gone
from lakebed.tasks.runtime.record import RunRecord

FOLDER_KINDS = ("prefect", "docs", "recipe", "hnsw")
STALE_AFTER_S = 3600.0

_END_S = 5.0


@dataclass(frozen=True)
class Orphan:
    """A process that a run of this artifact root started and that outlives it."""

    pid: int
    created: float
    run_id: str
    command: str


def orphans(records: Sequence[RunRecord]) -> list[Orphan]:
    """Processes of this user that carry the id of one of these runs, whose own process is gone.

    The id is inherited through the environment; a process whose environment cannot be read counts as somebody else's.
    """
    ended = {record.run_id for record in records if is_gone(record.process)}
    return sorted((one for one in _with_run_ids() if one.run_id in ended), key=lambda one: one.pid)


def end(found: Sequence[Orphan]) -> list[Orphan]:
    """Ends them, first politely; those that could not be ended come back."""
    living = [process for process in map(_same, found) if process is not None]
    for process in living:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, stubborn = psutil.wait_procs(living, timeout=_END_S)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    _, left = psutil.wait_procs(stubborn, timeout=_END_S)
    pids = {process.pid for process in left}
    return [one for one in found if one.pid in pids]


def stale_folders(records: Sequence[RunRecord], now: float | None = None) -> list[str]:
    """Temporary folders of these runs that no living process works in.

    Their names carry the id of one of the runs: those of other artifact roots are not looked at. They are this user's
    own, nothing in them has changed for an hour, and no process of this machine was started with one as its Prefect
    home or works in one.
    """
    base, used = Path(tempfile.gettempdir()), _folders_in_use()
    before = (time.time() if now is None else now) - STALE_AFTER_S
    found = [path for path in _candidates(base, records) if str(path) not in used and _last_change(path) < before]
    return sorted(map(str, found))


def _with_run_ids() -> Iterator[Orphan]:
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid in own or process.uids().real != os.getuid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if run_id := process.environ().get(RUN_VARIABLE, ""):
                yield Orphan(process.pid, process.create_time(), run_id, " ".join(process.cmdline())[:200])


def _same(orphan: Orphan) -> psutil.Process | None:
    """The process, if its number was not given to another meanwhile."""
    try:
        process = psutil.Process(orphan.pid)
        return process if process.create_time() == orphan.created else None
    except psutil.Error:
        return None


def _candidates(base: Path, records: Sequence[RunRecord]) -> Iterator[Path]:
    prefixes = tuple(f"lakebed-{kind}-{record.run_id}-" for kind in FOLDER_KINDS for record in records)
    for path in base.iterdir():
        with contextlib.suppress(OSError):
            is_ours = path.name.startswith(prefixes) and path.lstat().st_uid == os.getuid()
            if is_ours and path.is_dir() and not path.is_symlink():
                yield path


def _folders_in_use() -> set[str]:
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            found |= {process.environ().get("PREFECT_HOME", ""), process.cwd()}
    return found


def _last_change(folder: Path) -> float:
    """When anything in the folder changed last; now, where that cannot be told."""
    try:
        return max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")))
    except OSError:
        return time.time()

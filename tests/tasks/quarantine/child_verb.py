"""Real processes that apply, restore or purge, and die by SIGKILL at the n-th moment.

A moment lies before and after every journalled step, in the middle of writing one, and before and after every single
change of a file. Without dying a process tells which moments there were. The processes are forked from one that has
imported everything, which spares each the half second that imports take.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path

from lakebed.tasks.quarantine.apply import apply_plan
from lakebed.tasks.quarantine.config import QuarantineConfig
from lakebed.tasks.quarantine.journal import FileJournal, ObjectJournal, encode
from lakebed.tasks.quarantine.mover import LocalMover, ObjectMover
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.purge import purge
from lakebed.tasks.quarantine.restore import restore
from lakebed.tasks.retention.plan import read_plan
from tests.tasks.quarantine.lakes import SliceRebuilder


class Clock:
    """Counts moments, and notes what happens at each."""

    def __init__(self, fatal: int) -> None:
        self.fatal = fatal
        self.moments: list[str] = []

    def pass_by(self, what: str) -> None:
        if len(self.moments) == self.fatal:
            sys.stdout.write(what)
            sys.stdout.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        self.moments.append(what)


CLOCK = Clock(-1)


def dying(name, method):
    def call(self, *arguments, **options):
        CLOCK.pass_by(f"before {name}")
        result = method(self, *arguments, **options)
        CLOCK.pass_by(f"after {name}")
        return result

    return call


class DyingFileJournal(FileJournal):
    """Also dies when half of a line is on the disk."""

    def _write(self, event):
        CLOCK.pass_by(f"before {event.step}")
        if len(CLOCK.moments) == CLOCK.fatal:
            with open(self._path, "ab") as stream:
                stream.write(encode(event)[:-9])
        CLOCK.pass_by(f"within {event.step}")
        super()._write(event)
        CLOCK.pass_by(f"after {event.step}")


class DyingObjectJournal(ObjectJournal):
    def _write(self, event):
        CLOCK.pass_by(f"before {event.step}")
        super()._write(event)
        CLOCK.pass_by(f"after {event.step}")


class DyingLocalMover(LocalMover):
    rename = dying("rename", LocalMover.rename)
    link = dying("link", LocalMover.link)
    unlink = dying("unlink", LocalMover.unlink)


class DyingObjectMover(ObjectMover):
    copy_object = dying("copy", ObjectMover.copy_object)
    delete_object = dying("delete", ObjectMover.delete_object)


def arm(quarantine: Quarantine) -> None:
    """Puts the dying parts in; pointers are written and deleted through the lake's storage."""
    is_local = quarantine.lake.is_local
    quarantine.journal = (DyingFileJournal if is_local else DyingObjectJournal)(quarantine.storage)
    quarantine.mover = (DyingLocalMover if is_local else DyingObjectMover)(quarantine.lake, quarantine.storage)
    for part, storage in (("pointer", quarantine.lake), ("receipt", quarantine.storage)):
        kind = type(storage)
        methods = {
            name: dying(f"{name} of {part}", getattr(kind, name))
            for name in ("write_bytes_atomic", "delete_file", "delete_folder")
        }
        storage.__class__ = type(f"Dying{kind.__name__}", (kind,), methods)


def run(verb: str, lake: str, plan: str, moment: int) -> None:
    """The verb, in a process that dies at the moment; -1 lets it live and tell its moments."""
    CLOCK.fatal = moment
    with Quarantine.hold(lake, QuarantineConfig(grace_days=0), verb) as quarantine:
        arm(quarantine)
        if verb == "apply":
            apply_plan(quarantine, read_plan(Path(plan)), SliceRebuilder())
        elif verb == "restore":
            restore(quarantine, None, SliceRebuilder())
        elif verb == "beside":
            for state in quarantine.live():
                restore(quarantine, [state.table], SliceRebuilder(), f"old/{state.table}")
        else:
            purge(quarantine, None, SliceRebuilder())
    sys.stdout.write(json.dumps(CLOCK.moments))


def forked(request: list[object]) -> tuple[int, str]:
    """Exit status (negative: the signal) and output of a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writer, 1)
        status = 1
        try:
            run(*request)  # type: ignore[arg-type]
            sys.stdout.flush()
            status = 0
        finally:
            if status:
                traceback.print_exc()
            os._exit(status)
    os.close(writer)
    with open(reader) as stream:
        out = stream.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), out


def main() -> None:
    """Answers requests, one a line."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(forked(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

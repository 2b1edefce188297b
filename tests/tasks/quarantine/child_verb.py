"""A real process that applies, restores or purges, and dies by SIGKILL at the n-th moment.

A moment lies before and after every journalled step, in the middle of writing one, and before and after every single
change of a file. Without dying it prints how many moments there were.
"""

import json
import os
import signal
import sys
from pathlib import Path

from tasks.quarantine.apply import apply_plan
from tasks.quarantine.config import QuarantineConfig
from tasks.quarantine.journal import FileJournal, ObjectJournal, encode
from tasks.quarantine.mover import LocalMover, ObjectMover
from tasks.quarantine.place import Quarantine
from tasks.quarantine.purge import purge
from tasks.quarantine.restore import restore
from tasks.retention.plan import read_plan
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


CLOCK = Clock(int(sys.argv[4]))


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


def main() -> None:
    verb, lake, plan = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    with Quarantine.hold(lake, QuarantineConfig(grace_days=0), verb) as quarantine:
        arm(quarantine)
        if verb == "apply":
            apply_plan(quarantine, read_plan(plan), SliceRebuilder())
        elif verb == "restore":
            restore(quarantine, None, SliceRebuilder())
        else:
            purge(quarantine, None, SliceRebuilder())
    sys.stdout.write(json.dumps(CLOCK.moments))


if __name__ == "__main__":
    main()

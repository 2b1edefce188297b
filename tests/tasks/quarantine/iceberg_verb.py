"""As `child_verb`, with the recipes of an Iceberg table; a moment also lies around each renaming in a catalog."""

import json
import sys
from pathlib import Path

import pyiceberg.catalog.sql  # noqa: F401 - each fork has it then

from lakebed.tasks.quarantine.apply import apply_plan
from lakebed.tasks.quarantine.config import QuarantineConfig
from lakebed.tasks.quarantine.mover import LocalMover
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.purge import purge
from lakebed.tasks.quarantine.recipes import RecipeRebuilder
from lakebed.tasks.quarantine.restore import restore
from lakebed.tasks.retention.plan import read_plan
from tests.tasks.quarantine import child_verb
from tests.tasks.quarantine.keys import KEYS


class DyingMover(child_verb.DyingLocalMover):
    rename_entry = child_verb.dying("renaming", LocalMover.rename_entry)


def run(verb: str, lake: str, plan: str, moment: int) -> None:
    """The verb, in a process that dies at the moment; -1 lets it live and tell its moments."""
    child_verb.CLOCK.fatal = moment
    rebuilder = RecipeRebuilder(KEYS, str(Path(plan).parent / "rows"))
    with Quarantine.hold(lake, QuarantineConfig(grace_days=0), verb) as quarantine:
        child_verb.arm(quarantine)
        quarantine.mover = DyingMover(quarantine.lake, quarantine.storage)
        if verb == "apply":
            apply_plan(quarantine, read_plan(Path(plan)), rebuilder)
        elif verb == "restore":
            restore(quarantine, None, rebuilder)
        else:
            purge(quarantine, None, rebuilder)
    sys.stdout.write(json.dumps(child_verb.CLOCK.moments))


if __name__ == "__main__":
    child_verb.run = run
    child_verb.main()

"""Random kills (-9) over plan → apply → append by others → restore → purge on lakes that live: no table is ever lost.

Run: python -m tests.benchmarks.kills --count 200 --seed 1

Each line is one process that was killed: what it did, when, what it left, and that every table's rows are right, told
by content: of the tables that it was about at once, wherever they lie, and of all tables after `restore`. Between the
verbs others append.
"""

import argparse
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from lakebed.connectors.errors import LakeError
from lakebed.data_samples.growing_lakes import GrowingLake, growing_lake
from lakebed.planning import plan_under
from lakebed.quarantine import apply, apply_settings, lake_settings, purge, restore
from lakebed.tasks.quarantine.kernel import EntryState, Phase
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.reading import open_table
from lakebed.tasks.retention.plan import read_plan, write_plan

# imported before the first fork, so that no child has to
PARTS = (
    "lakebed.tasks.quarantine.apply", "lakebed.tasks.quarantine.recipes", "lakebed.tasks.retention.recipes.write",
    "lakebed.tasks.retention.keeper", "lakebed.tasks.quarantine.evidence", "lakebed.holds", "pandas",
    "pyarrow.dataset", "pyarrow.pandas_compat", "pyarrow.substrait",
)  # fmt: skip
# each verb that is killed, and what was done before it
BEFORE = {
    "plan": (), "apply": ("plan",), "restore": ("plan", "apply"), "purge": ("plan", "apply"),
    "rebuild": ("plan", "apply", "purge"), "beside": ("plan", "apply"),
}  # fmt: skip
VERBS = tuple(BEFORE)
N_LAKES, N_CHOICES, N_TABLES = 2, 3, 3
REPOSITORY = Path(__file__).resolve().parents[2]
CONFIG = 'artifacts = "artifacts"\n[lake]\nroot = "lake"\n[quarantine]\ngrace_days = 0\n'


@dataclass
class World:
    """One lake at one place, what is true of it, and the verbs on it, each in a process of its own."""

    folder: Path
    lake: GrowingLake
    day: int = 0

    @property
    def root(self) -> Path:
        """Of the lake."""
        return self.folder / "lake"

    def given(self) -> dict[str, object]:
        return {"artifacts": str(self.folder / "artifacts")}

    def act(self, verb: str, names: Sequence[str]) -> None:
        """Does one thing, to its end."""
        config = self.folder / "lakebed.toml"
        if verb == "night":
            self.lake.grow(self.root, self.day)
        elif verb == "plan":
            write_plan(plan_under(config, self.given()), self.folder / "plan.json")
        elif verb == "apply":
            plan = read_plan(self.folder / "plan.json")
            apply(plan, apply_settings(plan, config, self.given()), only=names)
        elif verb == "purge":
            purge(self.aside(names, but=Phase.PURGED), lake_settings(config, self.given()))
        elif verb == "beside":
            settings = lake_settings(config, self.given())
            for name in self.aside(names):
                restore([name], settings, beside=f"{name}_before")
        else:
            restore(self.aside(names) or None, lake_settings(config, self.given()))

    def states(self) -> list[EntryState]:
        """What is in quarantine."""
        settings = lake_settings(self.folder / "lakebed.toml", self.given())
        return list(Quarantine.look(str(self.root), settings.quarantine).live())

    def aside(self, names: Sequence[str], but: Phase | None = None) -> list[str]:
        """Those of the tables that are in quarantine still, but in one phase."""
        return [state.table for state in self.states() if state.table in names and state.phase is not but]

    def run(self, verb: str, names: Sequence[str], after_s: float | None = None) -> int:
        """The same in a process of its own, killed after a time if one is given; its status."""
        return in_process(lambda: self.act(verb, names), after_s)[0]

    def night(self) -> None:
        """Others append."""
        self.run("night", ())
        self.day += 1

    def wrong(self, names: Sequence[str], is_beside: bool, *, only_named: bool = False) -> list[str]:
        """The tables whose rows are not what they must be, at their place, in quarantine or in their parents."""
        warnings.simplefilter("ignore")
        n = self.lake.n_days
        days = [*range(self.day), *(day + 100 for day in range(n, self.day))]
        looked = {name: self.lake.extracts[name] for name in names} if only_named else self.lake.extracts
        tables = {table.name: table for table, _ in looked.values()}.values()
        bad = [table.name for table in tables if not self._has(table.name, table.rows(days))]
        for name, (table, extract) in looked.items():
            places = [f"{name}_before", name] if is_beside and name in names else [name]
            if not any(self._has(place, table.extracted(extract)) for place in places):
                bad.append(name)
        return bad

    def _has(self, name: str, rows: pa.Table) -> bool:
        try:
            found = open_table(f"{self.root}/{name}")
        except LakeError:
            return False
        columns = rows.schema.names
        order = [(columns[0], "ascending")]
        same = found.select(columns).cast(rows.schema).sort_by(order)
        return bool(same.equals(rows.sort_by(order)))


def in_process(call: Callable[[], object], after_s: float | None = None) -> tuple[int, object]:
    """Status (negative: the signal) and result of a call in a process of its own, killed after a time if given."""
    reader, writer = os.pipe()
    started, child = time.monotonic(), os.fork()
    if child == 0:
        os.close(reader)
        status = 1
        try:
            os.write(writer, json.dumps(call()).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    os.close(writer)
    if after_s is not None:
        time.sleep(max(started + after_s - time.monotonic(), 0.0))
        os.kill(child, signal.SIGKILL)
    with open(reader, encoding="utf-8") as stream:
        out = stream.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise SystemExit(f"a verb failed: {status}")
    return status, json.loads(out) if out else None


def make_lakes(folder: Path, seed: int) -> None:
    """Writes lakes, runs them to their decisions, and keeps each as it is then in `ready-N`, with its artifacts."""
    for number in range(N_LAKES):
        ready, work = folder / f"ready-{number}", folder / "work"
        if ready.exists():
            continue
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        # the main process forks: it must not start what has threads
        in_process(partial(growing_lake(seed + number).write, work / "lake"))
        (work / "lakebed.toml").write_text(CONFIG, encoding="utf-8")
        command = [sys.executable, "-P", "-m", "lakebed.flows.cli.main", "run", "--to", "retention"]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        subprocess.run(command, cwd=work, env=environment, check=True, capture_output=True)
        work.rename(ready)


class Sitting:
    """All kills, one after the other; the states before them are made once for each lake and choice of tables."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.rng, self.seed = folder, np.random.default_rng(seed), seed
        self.seconds: dict[str, float] = {}
        self.n_killed = 0

    def before(self, verb: str, number: int) -> tuple[World, list[str]]:
        """The lake right before a verb, and the tables that the verb is about; others may have appended meanwhile."""
        lake, work = growing_lake(self.seed + number), self.folder / "work"
        chosen = int(self.rng.integers(N_CHOICES))
        names = np.random.default_rng([self.seed, number, chosen]).choice(
            sorted(lake.extracts), N_TABLES, replace=False
        )
        world = World(work, lake, lake.n_days)
        self.restore_state(world, number, list(map(str, names)), BEFORE[verb])
        if self.rng.random() < 0.5:
            world.night()
        return world, list(map(str, names))

    def restore_state(self, world: World, number: int, names: Sequence[str], steps: Sequence[str]) -> None:
        """The lake after some verbs, made once."""
        kept = self.folder / "-".join(
            ["ready", str(number), *steps, *(name.replace("/", "_") for name in names if steps)]
        )
        if not kept.exists():
            self.restore_state(world, number, names, steps[:-1])
            world.run(steps[-1], names)
            shutil.copytree(world.folder, kept)
        shutil.rmtree(world.folder, ignore_errors=True)
        shutil.copytree(kept, world.folder)

    def kill(self, verb: str) -> str:
        """One killed process, and what became of all tables; tries again where it ended before its time."""
        while True:
            number = int(self.rng.integers(N_LAKES))
            world, names = self.before(verb, number)
            if verb not in self.seconds:
                started = time.monotonic()
                world.run(verb, names)
                self.seconds[verb] = time.monotonic() - started
                continue
            after_s = float(self.rng.uniform(0.0, self.seconds[verb]))
            status = world.run(verb, names, after_s)
            if status == 0:
                self.seconds[verb] *= 0.9
                continue
            self.n_killed += 1
            return f"{self.n_killed:4} {verb:8} lake {number} after {after_s:6.3f} s  {self.judged(verb, world, names)}"

    def judged(self, verb: str, world: World, names: Sequence[str]) -> str:
        """What the killed verb left, and that no table is lost, at once and after `restore`."""
        left = ", ".join(f"{state.table} {state.phase}" for state in world.states()) or "nothing in quarantine"
        self.require_right(verb, world, names, left, only_named=True)
        told = "then restored"
        if self.rng.random() < 0.5:
            world.run(verb, names)
            told = "same command again, then restored"
        if self.rng.random() < 0.5:
            world.night()
            told = f"others appended, {told}"
        world.run("restore", sorted(world.lake.extracts))
        self.require_right(verb, world, names, left)
        if (world.root / "_lakebed_quarantine").exists():
            raise SystemExit(f"{verb}: the quarantine is still there; {left}")
        return f"{left}; {told}: {len(world.lake.extracts) + len(world.lake.tables)} of as many tables right"

    def require_right(
        self, verb: str, world: World, names: Sequence[str], left: str, *, only_named: bool = False
    ) -> None:
        """Ends the sitting where a table is lost or wrong."""
        _, bad = in_process(lambda: world.wrong(names, verb == "beside", only_named=only_named))
        if bad:
            raise SystemExit(f"{verb} of {', '.join(names)} was killed; {left}; lost or wrong: {bad}")


def main() -> None:
    """Kills as often as asked, and says each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lakes", type=Path, help="folder in which this seed's lakes are made, or were")
    options = parser.parse_args()
    started = time.monotonic()
    for part in PARTS:
        importlib.import_module(part)
    with tempfile.TemporaryDirectory(prefix="lakebed-kills-") as temporary:
        folder = options.lakes or Path(temporary)
        make_lakes(folder, options.seed)
        sitting = Sitting(folder, options.seed)
        while sitting.n_killed < options.count:
            print(sitting.kill(VERBS[sitting.n_killed % len(VERBS)]), flush=True)
    seconds = time.monotonic() - started
    print(f"{sitting.n_killed} processes killed, every table readable or restorable each time; {seconds:,.0f} s")


if __name__ == "__main__":
    main()

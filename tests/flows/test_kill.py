"""Runs that die: killed with -9 at chosen and at random moments, or losing one of their processes."""

import contextlib
import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import psutil
import pytest

from lakebed.chain import chosen_stages
from lakebed.tasks.runtime.artifacts import MANIFEST, ArtifactStore
from lakebed.tasks.runtime.lease import is_held, read_holder
from lakebed.tasks.runtime.record import list_runs
from tests.flows.lakes import snapshot
from tests.flows.processes import Running, lakebed
from tests.lakebed.test_run import watched

pytestmark = [pytest.mark.flow, pytest.mark.heavy]

ORPHANS_END_WITHIN_S = 10
ATTEMPTS = 4
N_RANDOM = 5

STAGES = tuple(stage.name for stage in chosen_stages())


def reused(*names):
    """What a run takes over: these stages, and no other."""
    return {name: name in names for name in STAGES}


class Case:
    """The lake of the undisturbed run, with an artifact root of its own."""

    def __init__(self, finished, folder):
        self.origin, self.undisturbed = finished
        self.folder = folder
        self.root = folder / "artifacts"
        self.arguments = ("run", "--lake", self.origin / "lake", "--artifacts", "artifacts", "--json")
        # a JVM that is still starting sees that its input was closed only when it is up
        self.orphans_end_within_s = max(ORPHANS_END_WITHIN_S, 2 * self.undisturbed.json["session_start_s"])
        self.keys = {stage: key for stage, (key, _) in self.undisturbed.digests.items()}

    def start(self):
        return Running(*self.arguments, folder=self.folder)

    def artifact(self, stage):
        return self.root / stage / self.keys[stage]

    def has_manifest(self, stage):
        return (self.artifact(stage) / MANIFEST).exists()

    def tables(self, stage):
        origin = self.origin / "artifacts" / stage / self.keys[stage]
        return [path.parent.name for path in origin.glob("*/_delta_log")]

    def has_all_data(self, stage):
        logs = [self.artifact(stage) / name / "_delta_log" / f"{0:020}.json" for name in self.tables(stage)]
        return bool(logs) and all(map(os.path.exists, logs))

    def check_killed(self, run):
        """What must hold of a killed run, whenever it died."""
        assert run.living_after(self.orphans_end_within_s) == []
        assert not self.root.exists() or not is_held(str(self.root))
        store = ArtifactStore(str(self.root))
        for stage, (key, digest) in self.undisturbed.digests.items():
            found = store.find(stage, key)
            assert found is None or found.digest == digest
            assert (found is not None) == self.has_manifest(stage)

    def check_resumed(self, answer, reused):
        assert answer.status == 0, answer.err
        assert answer.reused == reused
        assert answer.digests == self.undisturbed.digests
        ours = lakebed("containments", "--artifacts", self.root, "--json", folder=self.folder)
        theirs = lakebed("containments", "--artifacts", self.origin / "artifacts", "--json", folder=self.folder)
        assert ours.out == theirs.out != ""
        assert Path(answer.json["report"]).is_relative_to(self.root) and Path(answer.json["report"]).is_file()


@pytest.fixture
def case(finished, tmp_path):
    before = snapshot(finished[0] / "lake")
    yield Case(finished, tmp_path)
    assert snapshot(finished[0] / "lake") == before


def killed_when(case, condition, still, pause_s=0.001):
    """Kills a run at a moment at which `condition` has come true and, with the run standing still, `still` is true."""
    for _ in range(ATTEMPTS):
        with case.start() as run:
            assert run.wait_until(condition, pause_s=pause_s), run.finish().err
            run.process.send_signal(signal.SIGSTOP)
            is_there = still()
            run.kill()
            case.check_killed(run)
        if is_there:
            return
        # the moment had passed when the run stood still: once more from this stage's beginning
        newest_first = sorted(case.root.glob(f"*/*/{MANIFEST}"), key=lambda path: -path.stat().st_mtime_ns)
        for manifest in newest_first:
            if not still():
                manifest.unlink()
    pytest.fail(f"the moment was missed {ATTEMPTS} times")


def test_killed_at_each_step_and_resumed(case):
    inventory, containment = case.artifact("inventory"), case.artifact("containment")
    no_inventory = lambda: not case.has_manifest("inventory")  # noqa: E731
    no_containment = lambda: not case.has_manifest("containment")  # noqa: E731

    killed_when(case, inventory.exists, no_inventory)
    assert list_runs(str(case.root))[0].status == "dead"
    killed_when(case, lambda: case.has_all_data("inventory"), no_inventory)
    killed_when(case, lambda: any(containment.glob("row_hashes/**/*.rows")), no_containment)
    assert case.has_manifest("inventory")
    made_at = (inventory / MANIFEST).stat().st_mtime_ns
    killed_when(case, lambda: case.has_all_data("containment"), no_containment)
    case.check_resumed(
        lakebed(*case.arguments, folder=case.folder),
        reused("inventory"),
    )
    assert (inventory / MANIFEST).stat().st_mtime_ns == made_at
    statuses = [run.status for run in list_runs(str(case.root))]
    assert statuses[0] == "completed" and set(statuses[1:]) == {"dead"}


def test_killed_before_the_verdict_is_judged_by_the_next_run(case):
    verdict = case.artifact(STAGES[-1]) / "expectations.json"
    killed_when(case, lambda: all(map(case.has_manifest, STAGES)), lambda: not verdict.exists())
    answer, started, imported = watched(*case.arguments, folder=case.folder)
    case.check_resumed(answer, reused(*STAGES))
    assert len(started) == 1 and "great_expectations" not in imported
    assert answer.json["expectations"]["status"] == "passed"
    assert json.loads(verdict.read_text())["status"] == "passed"


@pytest.mark.long
def test_killed_while_each_later_stage_writes_and_resumed(case, monkeypatch):
    # so that it is known which stages are there
    monkeypatch.setenv("LAKEBED_STAGES_AT_ONCE", "1")
    later = STAGES[STAGES.index("containment") + 1 :]
    for stage in later:
        killed_when(
            case,
            lambda stage=stage: any(path.is_file() for path in case.artifact(stage).rglob("*")),
            lambda stage=stage: not case.has_manifest(stage),
        )
    last = later[-1]
    case.check_resumed(lakebed(*case.arguments, folder=case.folder), reused(*STAGES[: STAGES.index(last)]))


def test_killed_at_random_moments(case):
    moments = random.Random(20261123)
    longest_s, n_killed = case.undisturbed.json["total_s"], 0
    for _ in range(3 * N_RANDOM):
        if case.has_manifest(STAGES[-1]):
            shutil.rmtree(case.root)
        with case.start() as run:
            end = time.monotonic() + moments.uniform(0.1, longest_s)
            if run.wait_until(lambda end=end: time.monotonic() > end):
                run.kill()
                case.check_killed(run)
                n_killed += 1
            else:
                # later runs are quicker than the first one on this machine
                longest_s *= 0.8
        if n_killed == N_RANDOM:
            break
    assert n_killed == N_RANDOM
    answer = lakebed(*case.arguments, folder=case.folder)
    assert answer.status == 0, answer.err
    case.check_resumed(answer, answer.reused)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_all_it_started(case, number):
    with case.start() as run:
        assert run.wait_until(lambda: any("java" in process.name() for process in run.look()))
        assert run.wait_until(lambda: is_held(str(case.root)))
        second = lakebed(*case.arguments, folder=case.folder)
        assert second.status == 1
        assert second.json["error"] == "LeaseError"
        holder = read_holder(str(case.root))
        assert holder is not None and holder.pid == run.process.pid
        assert f"process {run.process.pid} " in second.json["value"]
        run.look()
        # Ctrl-C in a terminal reaches the whole group
        os.killpg(run.process.pid, number)
        answer = run.finish()
        assert answer.status == 128 + number
        assert answer.json == {"error": "Stopped", "what": number.name}
        assert "Traceback" not in answer.err
        assert run.living_after(ORPHANS_END_WITHIN_S) == []
    assert list_runs(str(case.root))[0].status == "failed"
    assert not is_held(str(case.root))


def test_without_great_expectations_the_run_is_not_complete_and_the_next_one_completes_it(case):
    with case.start() as run:
        assert run.wait_until(lambda: expectations_of(run))
        expectations_of(run)[0].kill()
        answer = run.finish()
    assert answer.status == 1
    assert answer.json["error"] == "ArtifactError"
    assert "Great Expectations" in answer.json["what"] and "same command" in answer.json["hint"]
    assert "Traceback" not in answer.err
    again, started, _ = watched(*case.arguments, folder=case.folder)
    case.check_resumed(again, reused(*STAGES))
    assert len(started) == 1


def test_a_run_whose_jvm_dies_goes_on_in_a_new_one(case):
    containment = case.artifact("containment")
    with case.start() as run:
        assert run.wait_until(lambda: case.has_manifest("inventory"), pause_s=0.002)
        run.process.send_signal(signal.SIGSTOP)
        assert not (containment / MANIFEST).exists()
        for process in run.look():
            if process.name() == "java":
                process.kill()
        run.process.send_signal(signal.SIGCONT)
        answer = run.finish()
        assert run.living_after(ORPHANS_END_WITHIN_S) == []
    case.check_resumed(answer, reused())


def expectations_of(run):
    found = []
    for process in run.look():
        with contextlib.suppress(psutil.Error):
            found += [process for part in process.cmdline() if "expectations_worker" in part]
    return found

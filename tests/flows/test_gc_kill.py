"""`lakebed gc` killed at random points: afterwards the same command ends where an undisturbed one ends."""

import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.record import RECORD, RUNS
from tests.flows.processes import environment, lakebed
from tests.tasks.runtime.lakes import STAGES, key, publish, record_run, snapshot

pytestmark = pytest.mark.heavy

N_KILLS = 12
N_OLD = 60
# tells when it begins to remove, and dies at the removal of this number
DYING = """
import os, signal, sys
from lakebed.connectors import storage
at, n = int(sys.argv[1]), 0
def dying(method):
    def call(self, path):
        global n
        n += 1
        if n == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return method(self, path)
    return call
for name in ("delete_file", "delete_folder"):
    setattr(storage.LocalStorage, name, dying(getattr(storage.LocalStorage, name)))
from lakebed.flows.cli.main import main
main(sys.argv[2:])
"""
ARGUMENTS = ("gc", "--artifacts", "artifacts", "--keep", "1", "--keep-days", "0", "--yes")


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    root = tmp_path_factory.mktemp("template") / "artifacts"
    for number in range(N_OLD):
        record_run(root, f"20260101T0000{number:02}-{number:06x}", [publish(root, "inventory", number)])
    record_run(root, "20260201T000000-ffffff", [publish(root, "inventory", 1000), publish(root, "summary", 1)])
    return root


@pytest.fixture(scope="module")
def swept(template, tmp_path_factory):
    """What an undisturbed call leaves."""
    folder = tmp_path_factory.mktemp("swept")
    shutil.copytree(template, folder / "artifacts", copy_function=shutil.copy2)
    assert lakebed(*ARGUMENTS, folder=folder, TMPDIR=str(folder)).status == 0
    return left(folder / "artifacts")


def left(root):
    """All files but the lease, which names its last holder."""
    return {path: data for path, data in snapshot(root).items() if path != "lease.json"}


def require_sound(root):
    """No artifact looks whole that is not, and no run that is listed names one that is gone."""
    store = ArtifactStore(str(root))
    for stage in STAGES:
        for name in store.storage.list_folders(stage):
            if store.peek(stage, name) is not None:
                assert store.find(stage, name) is not None
    for folder in (root / RUNS).iterdir():
        if (folder / RECORD).exists():
            number = int(folder.name.rpartition("-")[2], 16)
            assert number == 0xFFFFFF or store.find("inventory", key(number)) is not None


def kill_at(moment, folder):
    command = [sys.executable, "-c", DYING, str(moment), *ARGUMENTS]
    done = subprocess.run(
        command, cwd=folder, env=environment(TMPDIR=str(folder)), capture_output=True, timeout=300, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_killed_at_removals_the_next_call_ends_where_an_undisturbed_one_does(template, swept, tmp_path):
    assert len(swept) < 20
    shutil.copytree(template, tmp_path / "artifacts", copy_function=shutil.copy2)
    chosen = random.Random(7)
    # runs go first, then artifacts: two removals each, and after a kill fewer are left
    for _ in range(N_KILLS):
        kill_at(chosen.randrange(1, 18), tmp_path)
        require_sound(tmp_path / "artifacts")
    assert lakebed(*ARGUMENTS, folder=tmp_path, TMPDIR=str(tmp_path)).status == 0
    assert left(tmp_path / "artifacts") == swept


def test_killed_at_any_time_too(template, swept, tmp_path):
    shutil.copytree(template, tmp_path / "artifacts", copy_function=shutil.copy2)
    chosen, n_killed = random.Random(11), 0
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-m", "lakebed.flows.cli.main", *ARGUMENTS],
            cwd=tmp_path, env=environment(TMPDIR=str(tmp_path)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        n_before = len(list((tmp_path / "artifacts" / RUNS).iterdir()))
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if len(list((tmp_path / "artifacts" / RUNS).iterdir())) < n_before:
                time.sleep(chosen.random() * 0.02)
                break
            time.sleep(0.001)
        process.kill()
        n_killed += process.wait() == -signal.SIGKILL
        require_sound(tmp_path / "artifacts")
    assert n_killed
    assert lakebed(*ARGUMENTS, folder=tmp_path, TMPDIR=str(tmp_path)).status == 0
    assert left(tmp_path / "artifacts") == swept


def test_nothing_but_garbage_is_gone(template, swept):
    kept = ("inventory/" + key(1000), "summary/" + key(1), f"{RUNS}/20260201T000000-ffffff")
    assert swept == {path: data for path, data in left(template).items() if path.startswith(kept)}

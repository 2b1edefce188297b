import json
import os
import signal
import subprocess
import sys

import pytest

from lakebed.connectors.errors import ArtifactError, LeaseError
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.lease import Lease, is_held, read_holder

HOLD = """
import sys, time
from lakebed.tasks.runtime.lease import Lease
with Lease(sys.argv[1], "run-a"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_run_is_refused_and_told_who_holds_it(tmp_path, holder):
    with pytest.raises(LeaseError) as caught, Lease(str(tmp_path), "run-b"):
        pass
    assert "run-a" in str(caught.value)
    assert str(holder.pid) in str(caught.value)
    assert json.loads((tmp_path / "lease.json").read_text())["run_id"] == "run-a"
    assert is_held(str(tmp_path))


def test_a_run_that_has_ended_publishes_nothing(tmp_path):
    """Its stage may work on in a thread, where somebody has interrupted it."""
    mine, others = ArtifactStore(str(tmp_path), "run-b"), ArtifactStore(str(tmp_path))
    with Lease(str(tmp_path), "run-b"):
        mine.clear("inventory", "ab")
    with pytest.raises(LeaseError, match="worked on after its run had ended"):
        mine.clear("inventory", "ab")
    with Lease(str(tmp_path), "run-c"), pytest.raises(LeaseError, match="run-b"):
        mine.clear("inventory", "ab")
    others.clear("inventory", "ab")
    with Lease(str(tmp_path), "run-b"):
        mine.clear("inventory", "ab")


def test_kill_9_gives_the_lease_back(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with Lease(str(tmp_path), "run-b") as mine:
        assert read_holder(str(tmp_path)) == mine
    assert not is_held(str(tmp_path))


def test_a_lease_is_given_back_at_the_end(tmp_path):
    for run_id in ("one", "two"):
        with Lease(str(tmp_path), run_id):
            assert is_held(str(tmp_path))


def test_a_full_disk_is_typed(tmp_path):
    (tmp_path / "lease.json").symlink_to("/dev/full")
    with pytest.raises(ArtifactError, match=r"disk is full") as caught, Lease(str(tmp_path), "run"):
        pass
    assert not isinstance(caught.value, LeaseError)


def test_a_root_that_cannot_be_made_is_typed(tmp_path):
    (tmp_path / "file").write_text("")
    for root in (str(tmp_path / "file"), "/proc/lakebed"):
        with pytest.raises(ArtifactError, match="cannot"), Lease(root, "run"):
            pass


def test_nobody_holds_a_new_root(tmp_path):
    assert read_holder(str(tmp_path)) is None
    assert not is_held(str(tmp_path))

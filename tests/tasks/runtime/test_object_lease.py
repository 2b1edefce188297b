"""The lease on an object store, against a real server."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import psutil
import pytest

from lakebed.connectors.conditional import ConditionalObjects
from lakebed.connectors.errors import ArtifactError, LeaseError
from lakebed.connectors.storage import Storage
from lakebed.tasks.runtime import object_lease
from lakebed.tasks.runtime.artifacts import ArtifactStore, Manifest
from lakebed.tasks.runtime.holder import LEASE, Holder
from lakebed.tasks.runtime.lease import Lease, is_held, read_holder, require_lease
from lakebed.tasks.runtime.object_lease import LeaseState
from tests.services.versitygw import BUCKET, s3_server

pytestmark = pytest.mark.heavy
WAIT_S = 60

HOLD = """
import sys, time
from lakebed.tasks.runtime.lease import Lease
with Lease(sys.argv[1], "run-a"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def server():
    with s3_server() as running:
        yield running


@pytest.fixture
def root(server, request):
    return f"s3://{BUCKET}/{request.node.name}"


@pytest.fixture
def holder(root):
    process = subprocess.Popen([sys.executable, "-c", HOLD, root], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def wait_until(condition):
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.05)


def elsewhere(run_id="run-elsewhere"):
    """What a run on another machine would have written; nobody here can tell whether it lives."""
    return Holder("elsewhere", 1, run_id, "2026-01-01T00:00:00+00:00", "another boot", 1.0)


def put_lease(root, holder):
    state = LeaseState(holder, is_given_up=False, word="word")
    Storage.at(root).write_bytes_atomic(LEASE, state.encoded())


def test_a_second_run_is_refused_and_told_who_holds_it(root, holder):
    with pytest.raises(LeaseError) as caught, Lease(root, "run-b"):
        pass
    assert "run-a" in str(caught.value) and str(holder.pid) in str(caught.value)
    assert read_holder(root).run_id == "run-a"
    assert is_held(root)


def test_a_lease_is_given_back_at_the_end_and_leaves_one_object(root):
    for run_id in ("one", "two"):
        with Lease(root, run_id):
            assert is_held(root)
    assert not is_held(root)
    assert [file.path for file in Storage.at(root).list_files()] == [LEASE]


def test_kill_9_gives_it_back_through_the_keeper(root, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    wait_until(lambda: json.loads(Storage.at(root).read_bytes(LEASE))["is_given_up"])
    with Lease(root, "run-b"):
        pass


def test_a_dead_process_of_this_machine_holds_nothing_though_its_keeper_died_too(root):
    """As when the out-of-memory killer takes both."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    put_lease(root, Holder.of(vars(Holder.this_process("run-a")) | {"pid": gone.pid}))
    with Lease(root, "run-b") as mine:
        assert read_holder(root) == mine


def test_one_of_another_machine_counts_until_it_is_old(root, monkeypatch):
    put_lease(root, elsewhere())
    with pytest.raises(LeaseError, match="another run") as caught, Lease(root, "run-b"):
        pass
    assert "run-elsewhere" in str(caught.value) and "120 s" in str(caught.value)
    monkeypatch.setattr(object_lease, "EXPIRY_S", 0)
    time.sleep(1.1)  # the store tells whole seconds
    with Lease(root, "run-b"):
        assert read_holder(root).run_id == "run-b"


def test_the_age_is_of_the_stores_clock_alone(root):
    put_lease(root, elsewhere())
    objects = ConditionalObjects(root)
    age = objects.now() - objects.read(LEASE).changed_at
    assert timedelta(0) <= age < timedelta(seconds=WAIT_S)
    assert [file.path for file in Storage.at(root).list_files()] == [LEASE]


@pytest.mark.parametrize("n_runs", [2, 8])
def test_of_runs_that_race_for_a_dead_ones_lease_one_wins(root, n_runs):
    put_lease(root, elsewhere())
    found = ConditionalObjects(root).read(LEASE)
    start, versions = threading.Barrier(n_runs), []

    def take(number):
        objects = ConditionalObjects(root)
        state = LeaseState(Holder.this_process(f"run-{number}"), is_given_up=False, word=str(number))
        start.wait()
        versions.append((objects.replace(LEASE, state.encoded(), found.version), number))

    threads = [threading.Thread(target=take, args=(number,)) for number in range(n_runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [number for version, number in versions if version is not None]
    assert len(winners) == 1
    assert read_holder(root).run_id == f"run-{winners[0]}"


def test_of_processes_that_race_for_a_new_root_one_wins(root):
    processes = [
        subprocess.Popen([sys.executable, "-c", HOLD, root], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    try:
        wait_until(lambda: sum(process.poll() is None for process in processes) == 1)
        (winner,) = (process for process in processes if process.poll() is None)
        assert winner.stdout.readline() == b"held\n"
        errors = [process.stderr.read().decode() for process in processes if process is not winner]
        assert all("another run works on this artifact root" in error for error in errors)
        assert read_holder(root).pid == winner.pid
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()


def test_who_has_lost_it_publishes_nothing_more(root, monkeypatch):
    monkeypatch.setattr(object_lease, "BEAT_S", 0.1)
    store = ArtifactStore(root)
    manifest = Manifest(stage="stage", key="key", digest="digest", version=1)
    with Lease(root, "run-a"):
        require_lease(root)
        put_lease(root, elsewhere("thief"))
        lost = LeaseError

        def is_lost():
            try:
                require_lease(root)
            except lost:
                return True
            return False

        wait_until(is_lost)
        with pytest.raises(LeaseError, match="has lost its lease") as caught:
            store.write_manifest(manifest)
        with pytest.raises(LeaseError):
            store.clear("stage", "key")
    assert "thief" in str(caught.value)
    assert store.find("stage", "key") is None
    assert read_holder(root).run_id == "thief", "the lease of the other run was given up"


def test_it_is_renewed_and_survives_a_store_that_is_away_for_a_while(root, server, monkeypatch):
    monkeypatch.setattr(object_lease, "BEAT_S", 0.1)
    with Lease(root, "run-a"):
        first = Storage.at(root).read_bytes(LEASE)
        wait_until(lambda: Storage.at(root).read_bytes(LEASE) != first)
        server.stop()
        time.sleep(1)
        server.start()
        second = Storage.at(root).read_bytes(LEASE)
        wait_until(lambda: Storage.at(root).read_bytes(LEASE) != second)
        require_lease(root)
    assert not is_held(root)


def test_a_signal_to_all_processes_of_a_service_does_not_end_the_keeper(root, monkeypatch):
    monkeypatch.setattr(object_lease, "BEAT_S", 0.1)
    with Lease(root, "run-a") as _:
        first = Storage.at(root).read_bytes(LEASE)
        wait_until(lambda: Storage.at(root).read_bytes(LEASE) != first)
        (keeper,) = (
            child for child in psutil.Process().children() if "lakebed.tasks.runtime.lease_keeper" in child.cmdline()
        )
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            keeper.send_signal(number)
        second = Storage.at(root).read_bytes(LEASE)
        wait_until(lambda: Storage.at(root).read_bytes(LEASE) != second)
        require_lease(root)
    assert not is_held(root)


def test_who_cannot_reach_the_store_for_long_has_lost_it(root, server, monkeypatch):
    monkeypatch.setattr(object_lease, "BEAT_S", 0.1)
    monkeypatch.setattr(object_lease, "REACT_S", 1)
    lease = Lease(root, "run-a")
    lease.__enter__()
    server.stop()
    try:
        wait_until(lambda: lease._lock._keeper.poll() == 3)
    finally:
        server.start()
    with pytest.raises(LeaseError, match="has lost its lease"):
        require_lease(root)
    lease.__exit__()


def test_a_store_that_does_not_heed_conditions_is_refused(root, monkeypatch):
    plain = ConditionalObjects.create

    def careless(self, path, data):
        Storage.at(self.root).write_bytes_atomic(path, data)
        return plain(self, path, data)

    monkeypatch.setattr(ConditionalObjects, "create", careless)
    with pytest.raises(LeaseError, match="ignores conditions"), Lease(root, "run"):
        pass


def test_what_is_no_lease_counts_as_held_until_it_is_old(root):
    Storage.at(root).write_bytes_atomic(LEASE, b"not a lease")
    with pytest.raises(LeaseError, match="another run"), Lease(root, "run"):
        pass


def test_a_store_that_refuses_is_told_within_seconds(server, monkeypatch):
    begun = time.monotonic()
    with pytest.raises(ArtifactError, match="no such bucket"), Lease("s3://no-such-bucket/root", "run"):
        pass
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    with pytest.raises(ArtifactError, match="does not know these credentials"), Lease(f"s3://{BUCKET}/root", "run"):
        pass
    assert time.monotonic() - begun < WAIT_S

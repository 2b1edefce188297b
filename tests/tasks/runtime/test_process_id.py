"""Who lives: also where two containers have one host name, and count their processes from 1."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict

import psutil
import pytest

from lakebed.connectors.errors import LeaseError
from lakebed.connectors.storage import Storage
from lakebed.flows.dead_runs import crash_dead_runs
from lakebed.flows.deployments import FLOW_COMMAND
from lakebed.tasks.quarantine.lease import CLAIMS
from lakebed.tasks.runtime.config import GcConfig
from lakebed.tasks.runtime.garbage import kept_runs
from lakebed.tasks.runtime.holder import Holder
from lakebed.tasks.runtime.lease import Lease, is_free, is_held, read_holder
from lakebed.tasks.runtime.process_id import is_gone, is_here, this_process
from lakebed.tasks.runtime.processes import orphans
from lakebed.tasks.runtime.record import list_runs, mark_dead_runs
from tests.tasks.runtime.test_record import begin

OTHER_BOOT = {"machine": "another boot/pid:[1]"}
RUN = "20260101T000000-abc123"
NEXT = "20260102T000000-abc124"
# a run that holds the lease, until its input ends
LIVE = f"""
import sys
from lakebed.tasks.runtime.lease import Lease
from lakebed.tasks.runtime.record import RunLog
from tests.tasks.runtime.test_record import Config
with Lease(sys.argv[1], "{RUN}"):
    log = RunLog.begin(sys.argv[1], "{RUN}", {[*FLOW_COMMAND, "0" * 8]!r}, Config())
    print("up", flush=True)
    if sys.stdin.readline():
        log.finish("completed")
"""
# what a process of another container sees of the run that goes on
LOOK = """
import json, os, socket, sys
from lakebed.flows.dead_runs import crash_dead_runs
from lakebed.tasks.runtime.lease import is_held, read_holder
from lakebed.tasks.runtime.processes import orphans
from lakebed.tasks.runtime.record import list_runs
runs = list_runs(sys.argv[1])
print(json.dumps({
    "status": [run.status for run in runs], "orphans": len(orphans(runs)), "held": is_held(sys.argv[1]),
    "gone": read_holder(sys.argv[1]).is_gone, "crashed": crash_dead_runs(None, sys.argv[1]),
    "host": socket.gethostname(), "pid": os.getpid(),
}))
"""


def in_container(code, root):
    """The command that runs Python in name spaces of its own for process ids and the host's name, which it keeps."""
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--uts", "--kill-child"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("no name spaces to be had here: needs root and unshare(1)")
    return [*unshare, sys.executable, "-c", code, str(root)]


@contextlib.contextmanager
def live_run(root):
    """A run in a container of its own; killed at the end with its container."""
    process = subprocess.Popen(in_container(LIVE, root), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"up\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def look(root):
    done = subprocess.run(in_container(LOOK, root), check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def status(root):
    return [run.status for run in list_runs(str(root))]


def ended():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    facts = {"pid": child.pid, "created": psutil.Process(child.pid).create_time()}
    child.communicate(b"\n")
    return facts


def test_a_live_run_in_a_second_container_of_the_same_host_name_is_never_called_dead(tmp_path):
    with live_run(tmp_path):
        [run] = list_runs(str(tmp_path))
        assert (run.process["host"], run.process["pid"]) == (socket.gethostname(), 1)
        assert run.status == "running" and not is_here(run.process)
        assert orphans([run]) == [] and crash_dead_runs(None, str(tmp_path)) == ()
        assert kept_runs([run], GcConfig(keep_runs=1, keep_days=0)) == [run]
        assert is_held(str(tmp_path)) and not is_free(str(tmp_path)) and not read_holder(str(tmp_path)).is_gone
        seen = look(tmp_path)
        # there, too, process 1 is another one than here
        assert (seen.pop("host"), seen.pop("pid")) == (socket.gethostname(), 1)
        assert seen == {"status": ["running"], "orphans": 0, "held": True, "gone": False, "crashed": []}
        with pytest.raises(LeaseError, match=RUN), Lease(str(tmp_path), NEXT):
            pass


def test_one_killed_with_its_container_is_dead_as_soon_as_nobody_holds_the_lease(tmp_path):
    with live_run(tmp_path):
        pass
    assert status(tmp_path) == ["dead"]
    with Lease(str(tmp_path), NEXT):
        # whoever holds it now may be that very run, as far as can be told
        assert status(tmp_path) == ["running"]
        assert mark_dead_runs(str(tmp_path)) == [RUN]


def test_one_that_ends_in_its_container_is_not_dead(tmp_path):
    with live_run(tmp_path) as process:
        process.communicate(b"\n")
        assert status(tmp_path) == look(tmp_path)["status"] == ["completed"]


def test_after_a_restart_of_the_machine_the_lease_tells(tmp_path):
    log = begin(tmp_path, RUN)
    log.update(process=log.record.process | OTHER_BOOT)
    assert status(tmp_path) == ["running"]
    with Lease(str(tmp_path), RUN):
        assert status(tmp_path) == ["running"]
    assert status(tmp_path) == ["dead"]


def test_a_record_of_an_older_lakebed_says_less_and_is_judged_with_more_care(tmp_path):
    process = {"host": socket.gethostname(), **ended()}
    log = begin(tmp_path, RUN)
    log.update(process=process)
    assert is_gone(process) and not is_gone(process | {"host": "elsewhere"})
    with Lease(str(tmp_path), RUN):
        assert status(tmp_path) == ["running"]
    assert status(tmp_path) == ["dead"]


def test_this_process_lives_and_what_has_its_number_is_another():
    own = this_process()
    assert is_here(own) and not is_gone(own)
    # somebody set the clock
    assert not is_gone(own | {"created": own["created"] + 3600})
    assert is_gone(own | {"start_ticks": own["start_ticks"] + 1})
    assert is_gone(own | ended())
    assert not is_gone(own | {"host": "renamed"})


@pytest.mark.parametrize("facts", [OTHER_BOOT, {"pid": "x"}, {"pid": -(10**30)}, {"pid": None}])
def test_of_what_is_elsewhere_or_damaged_nothing_is_known(facts):
    assert not is_gone(this_process() | ended() | facts)
    assert not is_gone(facts)


def test_a_holder_without_a_machine_is_never_gone():
    old = {"host": socket.gethostname(), "run_id": RUN, "started_at": "", **ended()}
    assert not Holder.of(old).is_gone
    assert Holder.of(asdict(Holder.this_process(RUN)) | ended()).is_gone


def test_a_claim_of_another_container_stays(tmp_path):
    """The lease of a quarantine on an object store; local folders have locks, so the object's half is called here."""
    from lakebed.connectors.errors import PlanError
    from lakebed.tasks.quarantine.lease import _object_lease

    storage, claim = Storage.at(str(tmp_path)), f"{CLAIMS}/other.json"
    storage.write_bytes_atomic(claim, json.dumps({"verb": "apply", **this_process(), **ended(), **OTHER_BOOT}).encode())
    with pytest.raises(PlanError, match="another verb works"), _object_lease(storage, "restore"):
        pass
    storage.write_bytes_atomic(claim, json.dumps({"verb": "apply", **this_process(), **ended()}).encode())
    with _object_lease(storage, "restore"):
        assert not os.path.exists(storage.uri(claim))

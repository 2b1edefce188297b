import os
import subprocess
import sys
import tempfile
import time

import psutil
import pytest

from lakebed.connectors.places import RUN_VARIABLE
from lakebed.tasks.runtime.processes import STALE_AFTER_S, end, orphans, stale_folders
from lakebed.tasks.runtime.record import RunRecord

SLEEP = "import time; print('up', flush=True); time.sleep(120)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
RUN = "20260101T000000-abc123"


def gone_process():
    """Host, pid and time of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    created = psutil.Process(child.pid).create_time()
    child.communicate(b"\n")
    return {"pid": child.pid, "created": created}


def record(run_id=RUN, **process):
    import socket

    facts = {"host": socket.gethostname(), **gone_process(), **process}
    return RunRecord(run_id=run_id, started_at="2026-01-01T00:00:00+00:00", process=facts)


@pytest.fixture
def child():
    started = []

    def start(code=SLEEP, **variables):
        process = subprocess.Popen(
            [sys.executable, "-c", code], env=os.environ | variables, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "up\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_process_of_a_run_that_is_gone_is_an_orphan(child):
    ours, other = child(**{RUN_VARIABLE: RUN}), child(**{RUN_VARIABLE: "20260101T000000-other0"})
    bare = child()
    found = orphans([record()])
    assert [one.pid for one in found] == [ours.pid]
    assert (found[0].run_id, "time.sleep" in found[0].command) == (RUN, True)
    assert end(found) == []
    assert not psutil.pid_exists(ours.pid)
    assert other.poll() is None and bare.poll() is None


def test_one_that_does_not_listen_is_killed(child):
    process = child(STUBBORN, **{RUN_VARIABLE: RUN})
    assert end(orphans([record()])) == []
    assert not psutil.pid_exists(process.pid)


@pytest.mark.parametrize(
    "facts", [{"host": "another-host"}, {"pid": os.getpid(), "created": psutil.Process().create_time()}]
)
def test_a_run_that_lives_or_is_elsewhere_has_no_orphans(child, facts):
    child(**{RUN_VARIABLE: RUN})
    assert orphans([record(**facts)]) == []


def test_this_process_and_those_above_it_are_never_orphans(monkeypatch, child):
    code = (
        "import sys; from tests.tasks.runtime.test_processes import record, RUN; "
        "from lakebed.tasks.runtime.processes import orphans; print('up', flush=True); n = len(orphans([record()])); "
        "print(n, flush=True)"
    )
    process = child(code, **{RUN_VARIABLE: RUN})
    assert process.stdout.readline() == "0\n"


def test_a_number_that_was_given_again_is_not_ended(child):
    process = child(**{RUN_VARIABLE: RUN})
    (found,) = orphans([record()])
    from dataclasses import replace

    assert end([replace(found, created=found.created - 100)]) == []
    assert process.poll() is None


def test_stale_temporary_folders(tmp_path, monkeypatch, child):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    old, used, young = (f"lakebed-prefect-{RUN}-{what}" for what in ("old", "used", "young"))
    # of another artifact root, and of no run
    others = ("lakebed-prefect-20260101T000000-other0-old", "lakebed-prefect-old", "else-old")
    names = (old, used, young, f"lakebed-hnsw-{RUN}-old", *others)
    before = time.time() - 2 * STALE_AFTER_S
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "prefect.db").write_text("x")
        for path in (tmp_path / name / "prefect.db", tmp_path / name):
            os.utime(path, (before, before))
    (tmp_path / young / "prefect.db").write_text("just written")
    (tmp_path / f"lakebed-prefect-{RUN}-link").symlink_to(tmp_path / "else-old")
    child(PREFECT_HOME=str(tmp_path / used))
    found = stale_folders([record()])
    assert found == [str(tmp_path / f"lakebed-hnsw-{RUN}-old"), str(tmp_path / old)]
    assert stale_folders([]) == []

import json
import os
import signal
import subprocess
import sys

import pytest

from lakebed.connectors.config import FrozenConfig
from lakebed.connectors.errors import ArtifactError
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.record import RunLog, StageRecord, find_run, last_run, list_runs, new_run_id

BEGIN = """
import sys, time
from lakebed.tasks.runtime.record import RunLog
from tests.tasks.runtime.test_record import Config
RunLog.begin(sys.argv[1], "20260101T000000-dead00", ["lakebed", "run"], Config())
print("begun", flush=True)
time.sleep(60)
"""
REF = ArtifactRef(stage="inventory", key="k", digest="d")
METRICS = {"seconds": 9.0, "bytes_read": 100, "rows": 5, "peak_worker_bytes": 7, "steps": [["footers", 1.5, 100]]}


class Config(FrozenConfig):
    depth: int = 3


def begin(root, run_id):
    return RunLog.begin(str(root), run_id, ["lakebed", "run"], Config())


def test_the_record_is_on_disk_after_every_change(tmp_path):
    log = begin(tmp_path, "r1")
    path = tmp_path / "runs" / "r1" / "run.json"
    assert json.loads(path.read_text())["status"] == "running"
    log.add_stage(StageRecord.of(REF, METRICS | {"created_at": "…"}, reused=False, seconds=2.0))
    log.update(session_start_s=6.5)
    facts = json.loads(path.read_text())
    assert facts["stages"][0]["steps"] == [["footers", 1.5, 100]]
    assert (facts["session_start_s"], facts["config"]) == (6.5, {"depth": 3})
    assert log.finish("completed").total_s > 0
    assert last_run(str(tmp_path)).status == "completed"
    assert last_run(str(tmp_path)).peak_driver_bytes > 10 << 20


def test_a_reused_stage_has_read_nothing():
    record = StageRecord.of(REF, METRICS, reused=True, seconds=0.1)
    assert (record.bytes_read, record.seconds, record.rows, record.steps) == (0, 0.1, 5, [])


def test_a_killed_run_is_shown_and_then_marked_as_dead(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", BEGIN, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"begun\n"
        assert list_runs(str(tmp_path))[0].status == "running"
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    assert list_runs(str(tmp_path))[0].status == "dead"
    begin(tmp_path, "20260102T000000-aaaaaa")
    assert [run.status for run in list_runs(str(tmp_path))] == ["running", "dead"]
    stored = json.loads((tmp_path / "runs" / "20260101T000000-dead00" / "run.json").read_text())
    assert stored["status"] == "dead"


def test_an_unreadable_record_is_left_out(tmp_path):
    begin(tmp_path, "r1")
    (tmp_path / "runs" / "r2").mkdir()
    (tmp_path / "runs" / "r3").mkdir()
    (tmp_path / "runs" / "r3" / "run.json").write_text("{")
    assert [run.run_id for run in list_runs(str(tmp_path))] == ["r1"]


def test_no_run_at_all_is_typed(tmp_path):
    with pytest.raises(ArtifactError, match="no run"):
        last_run(str(tmp_path))


def test_run_ids_differ():
    assert len({new_run_id() for _ in range(50)}) == 50


def test_a_record_of_an_older_version_is_read(tmp_path):
    old = {
        "run_id": "20250101T000000-aaaaaa", "status": "completed", "started_at": "2025-01-01T00:00:00.000+00:00",
        "finished_at": "2025-01-01T00:01:00.000+00:00", "command": ["lakebed", "run"], "error": None,
        "process": {"host": "h", "pid": 1, "created": 1.0}, "host": {"python": "3.11"}, "versions": {"lakebed": "0.1"},
        "config": {"lake": {"root": "/data"}},
        "stages": [
            {
                "stage": "inventory", "key": "k", "digest": "d", "reused": False, "seconds": 1.0, "bytes_read": 1,
                "rows": 2, "peak_driver_bytes": 3, "peak_worker_bytes": 4, "changes": {}, "steps": [["a", 1.0, 2]],
            }
        ],
        "session_start_s": 1.0, "prefect_start_s": 1.0,
        "expectations": {"status": "passed", "seconds": 1.0, "docs": ""},
        "wall_after_session_s": 1.0, "total_s": 60.0, "peak_driver_bytes": 5,
    }  # fmt: skip
    folder = tmp_path / "runs" / old["run_id"]
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(old))
    record = last_run(str(tmp_path))
    assert (record.status, record.commit, record.spark, record.stages[0].task_run_id) == ("completed", "", {}, "")


def test_a_run_is_found_by_its_beginning(tmp_path):
    for run_id in ("20260101T000000-aaaaaa", "20260101T000000-bbbbbb", "20260102T000000-cccccc"):
        begin(tmp_path, run_id).finish("completed")
    assert find_run(str(tmp_path), "20260102").run_id == "20260102T000000-cccccc"
    assert find_run(str(tmp_path), "20260101T000000-b").run_id == "20260101T000000-bbbbbb"
    for wrong, reason in (("20260101", "more than one"), ("2027", "no such run")):
        with pytest.raises(ArtifactError, match=reason):
            find_run(str(tmp_path), wrong)

import json

import pytest

from lakebed.config import load_config
from lakebed.connectors.errors import ArtifactError
from lakebed.flows.cli.status import status
from lakebed.tasks.runtime.artifacts import ArtifactRef
from lakebed.tasks.runtime.record import RunLog, StageRecord


def run_of(root, run_id):
    log = RunLog.begin(str(root), run_id, ["test"], load_config(None, {"lake": {"root": "lake"}}))
    ref = ArtifactRef(stage="inventory", key="k" * 64, digest="d" * 64)
    log.add_stage(StageRecord.of(ref, {"rows": 1234, "bytes_read": 5000}, reused=False, seconds=1.5))
    return log


def test_runs_newest_first_and_a_dead_one_is_called_so(tmp_path, capsys, monkeypatch):
    run_of(tmp_path, "20260101T000000-aaaaaa").finish("completed")
    died = run_of(tmp_path, "20260102T000000-bbbbbb")
    died.update(process={**died.record.process, "start_ticks": 1})
    status(artifacts=str(tmp_path), n=10, as_json=True)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert [(run["run_id"][:8], run["status"]) for run in json.loads(out)["runs"]] == [
        ("20260102", "dead"),
        ("20260101", "completed"),
    ]
    status(artifacts=str(tmp_path), n=1)
    text = capsys.readouterr().out
    assert "20260102" in text and "dead" in text and "1,234" in text and "5.0 kB" in text
    assert "20260101" not in text


def test_an_empty_root_is_a_typed_error(tmp_path):
    with pytest.raises(ArtifactError) as caught:
        status(artifacts=str(tmp_path / "none"), n=10)
    assert caught.value.hint.startswith("lakebed run --lake PATH --artifacts")

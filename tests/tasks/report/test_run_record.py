import json
from pathlib import Path

from lakebed.tasks.report.model import RunFacts, StageFacts
from lakebed.tasks.report.run_record import read_run_record, run_record
from lakebed.tasks.runtime.artifacts import ArtifactStore

RUN = {
    "command": ["lakebed", "run", "--to", "containment"],
    "stages": [
        {
            "stage": "inventory",
            "key": "k",
            "digest": "d",
            "reused": True,
            "seconds": 0.5,
            "bytes_read": 7,
            "peak_worker_bytes": 0,
        }
    ],
    "versions": {"python": "3.11"},
    "session_start_s": 6.5,
    "something_new": [1, 2],
}


def test_facts_that_are_not_known_by_name_are_kept() -> None:
    record = run_record(RUN, {"lake": {"root": "x"}})
    assert record.command == "lakebed run --to containment"
    assert record.stages == (StageFacts("inventory", "k", "d", True, 0.5, 7),)
    assert record.facts == {"session_start_s": 6.5, "something_new": [1, 2]}
    assert record.config == {"lake": {"root": "x"}}


def test_what_was_taken_from_the_last_run_is_told() -> None:
    changed = {**RUN["stages"][0], "changes": {"tables_reused": 2, "tables_new": 1}}
    record = run_record({**RUN, "stages": [changed]}, {})
    assert record.facts["changes_since_the_last_run"] == "inventory: 2 tables reused, 1 tables new"


def test_the_record_is_read_from_the_runs_folder(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "r1"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(RUN))
    (folder / "config.json").write_text(json.dumps({"lake": {"root": "x"}}))
    store = ArtifactStore(str(tmp_path))
    assert read_run_record(store, "r1") == run_record(RUN | {"run_id": "r1"}, {"lake": {"root": "x"}})


def test_a_run_without_a_record_has_an_empty_one(tmp_path: Path) -> None:
    assert read_run_record(ArtifactStore(str(tmp_path)), "r9") == RunFacts(run_id="r9")

"""Where the verbs find their settings, and what `status` and `run` say of the quarantine."""

import json

import pytest

from lakebed.connectors.errors import ConfigError, PlanError
from lakebed.quarantine import apply_settings, lake_settings, quarantine_told
from lakebed.tasks.quarantine.apply import apply_plan
from lakebed.tasks.quarantine.place import Quarantine
from tests.tasks.quarantine.conftest import case, lake_template  # noqa: F401 - fixtures
from tests.tasks.quarantine.lakes import CHILDREN, SliceRebuilder


def record(artifacts, lake, **sections):
    """What a run leaves that says which lake it was for."""
    folder = artifacts / "runs" / "20261126T000000-abcdef"
    folder.mkdir(parents=True)
    run = {
        "run_id": folder.name,
        "status": "completed",
        "started_at": "",
        "config": {"lake": {"root": lake}} | sections,
    }
    (folder / "run.json").write_text(json.dumps(run))


def test_the_lake_is_that_of_the_newest_run_unless_another_is_named(tmp_path):
    record(tmp_path / "artifacts", "/data/lake", quarantine={"folder": "/data/aside", "grace_days": 3})
    given = {"artifacts": str(tmp_path / "artifacts")}
    found = lake_settings(None, given)
    assert (found.lake.root, found.quarantine.folder, found.quarantine.grace_days) == ("/data/lake", "/data/aside", 3)
    assert lake_settings(None, {**given, "lake": {"root": "/other"}}).lake.root == "/other"
    (tmp_path / "own.toml").write_text("[quarantine]\ngrace_days = 9\n")
    assert lake_settings(tmp_path / "own.toml", given).quarantine.grace_days == 9
    assert lake_settings(tmp_path / "own.toml", given).lake.root == "/data/lake"


def test_without_run_and_name_there_is_no_lake(tmp_path):
    with pytest.raises(ConfigError, match="lake"):
        lake_settings(None, {"artifacts": str(tmp_path / "none")})


def test_a_plan_brings_its_own_lake_and_refuses_another(case):  # noqa: F811 - the fixture
    plan = case.plan.model_copy(update={"artifact_root": "/data/artifacts"})
    found = apply_settings(plan, None, {})
    assert (found.lake.root, found.artifacts) == (str(case.root), "/data/artifacts")
    with pytest.raises(PlanError, match="another lake"):
        apply_settings(plan, None, {"lake": {"root": "/data/other"}})


def test_what_status_and_run_say(case):  # noqa: F811 - the fixture
    settings = apply_settings(case.plan, None, {})
    assert quarantine_told(settings)[1] == {"quarantine": [], "pins": []}
    with Quarantine.hold(str(case.root), case.config, "apply") as quarantine:
        apply_plan(quarantine, case.plan, SliceRebuilder())
    facts = quarantine_told(settings)[1]
    assert {entry["table"] for entry in facts["quarantine"]} == set(CHILDREN)
    assert [pin["parent"] for pin in facts["pins"]] == ["all"]
    assert quarantine_told(settings)[0] == []
    (case.root / "all.parquet").unlink()
    assert "all has changed" in quarantine_told(settings)[0][0]
    (case.root / "_lakebed_quarantine" / "journal.jsonl").write_text("damaged\nand more\n")
    assert "cannot be looked at" in quarantine_told(settings)[0][0]
    assert quarantine_told(settings)[1] == {"quarantine": [], "pins": []}

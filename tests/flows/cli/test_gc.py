import json
import os
import shutil
import tempfile
import time

import pytest

from lakebed.connectors.errors import ArtifactError, LeaseError
from lakebed.flows.cli.main import main
from lakebed.quarantine import apply
from lakebed.tasks.quarantine.config import QuarantineConfig
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.lease import Lease
from lakebed.tasks.runtime.record import RUNS
from tests.tasks.quarantine.conftest import Case
from tests.tasks.quarantine.lakes import write_lake
from tests.tasks.runtime.lakes import key, publish, record_run, snapshot

OLD, NEW = "20260101T000000-aaaaaa", "20260102T000000-bbbbbb"


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path, monkeypatch):
    """What other runs left on this machine is not this test's."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


@pytest.fixture
def root(tmp_path):
    """Two runs, each with an artifact of its own."""
    root = tmp_path / "artifacts"
    record_run(root, OLD, [publish(root, "inventory", 1)])
    record_run(root, NEW, [publish(root, "inventory", 2)])
    return root


def ended(capsys, *arguments):
    with pytest.raises(SystemExit) as caught:
        main(["gc", *map(str, arguments)])
    out, err = capsys.readouterr()
    return caught.value.code or 0, out, err


def few(root):
    return ("--artifacts", root, "--keep", 1, "--keep-days", 0)


def test_by_default_young_runs_and_the_newest_ten_stay(root, capsys):
    before = snapshot(root)
    status, out, _ = ended(capsys, "--artifacts", root, "--yes")
    assert status == 0 and "nothing was changed" in out
    assert snapshot(root) == before


def test_dry_run_lists_and_changes_nothing(root, capsys):
    before = snapshot(root)
    status, out, _ = ended(capsys, *few(root), "--dry-run")
    assert status == 0
    assert f"{RUNS}/{OLD}" in out and f"inventory/{key(1)}" in out and "kept: 1 run, 1 artifact" in out
    assert snapshot(root) == before


def test_without_a_yes_nothing_is_removed(root, capsys):
    before = snapshot(root)
    status, out, err = ended(capsys, *few(root))
    assert status == 2 and f"inventory/{key(1)}" in out
    assert "not confirmed" in err and "lakebed gc --artifacts" in err
    assert snapshot(root) == before


def test_with_yes_it_is_done_once(root, capsys):
    status, out, _ = ended(capsys, *few(root), "--yes", "--json")
    facts = json.loads(out)
    assert status == 0 and [one["path"] for one in facts["artifacts"]] == [f"inventory/{key(1)}"]
    assert [one["path"] for one in facts["runs"]] == [f"{RUNS}/{OLD}"]
    assert facts["kept_runs"] == [NEW]
    assert not (root / "inventory" / key(1)).exists() and (root / "inventory" / key(2)).exists()
    status, out, _ = ended(capsys, *few(root), "--yes", "--json")
    facts = json.loads(out)
    assert (status, facts["artifacts"], facts["runs"], facts["n_bytes"]) == (0, [], [], 0)


def test_settings_come_from_the_config_file(root, capsys, tmp_path):
    (tmp_path / "lakebed.toml").write_text("[gc]\nkeep_runs = 1\nkeep_days = 0\n")
    _, out, _ = ended(capsys, "--artifacts", root, "--config", tmp_path / "lakebed.toml", "--dry-run", "--json")
    assert len(json.loads(out)["runs"]) == 1


def test_while_a_run_holds_the_root_it_only_looks(root, capsys):
    with Lease(str(root), "a-run"):
        before = snapshot(root)
        status, out, _ = ended(capsys, *few(root), "--dry-run")
        assert status == 0 and "a run works on this artifact root" in out
        status, _, err = ended(capsys, *few(root), "--yes")
        assert status == LeaseError.exit_code and "another run works" in err
        assert snapshot(root) == before


def test_an_unreadable_record_stops_it(root, capsys):
    (root / RUNS / OLD / "run.json").write_text("{}")
    before = snapshot(root)
    status, _, err = ended(capsys, *few(root), "--yes")
    assert status == ArtifactError.exit_code and "nothing was removed" in err
    assert snapshot(root) == before


@pytest.fixture
def lake(tmp_path):
    return Case(write_lake(tmp_path / "lake"))


def test_artifacts_of_receipts_stay_and_neither_lake_nor_quarantine_is_touched(root, lake, capsys, monkeypatch):
    monkeypatch.setattr("lakebed.tasks.quarantine.evidence.require_evidence", lambda plan: None)
    monkeypatch.setattr("lakebed.tasks.quarantine.recipes.RecipeRebuilder", _slices)
    pinned = ArtifactStore(str(root)).find("inventory", key(1))
    plan = lake.plan.model_copy(update={"artifacts": {"inventory": pinned}, "artifact_root": str(root)}).sealed("")
    from lakebed.config import load_config

    anything = {"allow_lesser_keeper": True}
    settings = load_config(None, {"lake": {"root": str(lake.root)}, "artifacts": str(root), "retention": anything})
    apply(plan, settings)
    config = {"lake": {"root": str(lake.root)}, "quarantine": QuarantineConfig().model_dump()}
    record_run(root, OLD, [pinned], config=config)
    before = lake.snapshot()
    _, out, _ = ended(capsys, *few(root), "--yes", "--json")
    facts = json.loads(out)
    assert [one["path"] for one in facts["runs"]] == [f"{RUNS}/{OLD}"] and facts["artifacts"] == []
    assert lake.snapshot() == before
    assert ArtifactStore(str(root)).find("inventory", key(1)) is not None


def _slices(*_, **__):
    from tests.tasks.quarantine.lakes import SliceRebuilder

    return SliceRebuilder()


def test_artifacts_of_a_plan_that_is_named_stay(root, lake, capsys, tmp_path):
    from lakebed.tasks.retention.plan import write_plan

    pinned = ArtifactStore(str(root)).find("inventory", key(1))
    plan = lake.plan.model_copy(update={"artifacts": {"inventory": pinned}}).sealed("")
    write_plan(plan, tmp_path / "plan.json")
    _, out, _ = ended(capsys, *few(root), "--plan", tmp_path / "plan.json", "--dry-run", "--json")
    assert json.loads(out)["artifacts"] == []
    (tmp_path / "plan.json").write_text("{}")
    status, _, _ = ended(capsys, *few(root), "--plan", tmp_path / "plan.json", "--dry-run")
    assert status == 4


def test_a_lake_that_is_gone_stops_nothing(root, lake, capsys):
    config = {"lake": {"root": str(lake.root)}}
    record_run(root, OLD, [], config=config)
    shutil.rmtree(lake.root)
    status, _, _ = ended(capsys, *few(root), "--dry-run")
    assert status == 0


def test_temporary_folders_of_the_dead_go_too(root, capsys, tmp_path):
    home, others = (tmp_path / "tmp" / f"lakebed-prefect-{run}-x" for run in (OLD, "20260103T000000-cccccc"))
    for folder in (home, others):
        folder.mkdir()
        os.utime(folder, (time.time() - 7200,) * 2)
    status, out, _ = ended(capsys, "--artifacts", root, "--dry-run")
    assert status == 0 and home.name in out and home.exists() and others.name not in out
    status, out, _ = ended(capsys, "--artifacts", root, "--yes")
    assert status == 0 and "removed 1 things" in out and not home.exists() and others.exists()


def test_a_root_that_does_not_exist_is_named_and_nothing_is_offered(tmp_path, capsys):
    status, out, err = ended(capsys, "--artifacts", tmp_path / "none", "--dry-run")
    assert status == 1 and out == "" and "there is no such artifact root" in err and str(tmp_path / "none") in err
    assert not (tmp_path / "none").exists()

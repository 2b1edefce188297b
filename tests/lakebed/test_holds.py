"""Holds of the moment and of the run, through the command line, on what 274a0e1 left."""

import fcntl
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from lakebed.config import load_config
from lakebed.connectors.errors import ConfigError
from lakebed.holds import other_settings
from lakebed.tasks.retention.config import RetentionConfig
from tests.flows.processes import here as lakebed

HOME = Path("/tmp/lakebed-upgrade-274a0e1")  # plans and receipts of the fixture name it
FIXTURE = Path(__file__).parents[1] / "fixtures" / "upgrade_274a0e1.tar.gz"


@pytest.fixture
def older():
    """The fixture at its place: two tables in quarantine, one purged, one that its plan would set aside again."""
    with HOME.with_suffix(".lock").open("w") as lock:
        # the place is one for all who test on this machine
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(HOME, ignore_errors=True)
        with tarfile.open(FIXTURE) as packed:
            packed.extractall(HOME, filter="data")
        yield HOME
        shutil.rmtree(HOME)


def held(older, *lines):
    """A configuration whose only lines are pins."""
    (older / "pins.toml").write_text("[quarantine]\ngrace_days = 0\n[retention.pins]\n" + "\n".join(lines) + "\n")
    return "pins.toml"


@pytest.mark.parametrize("kind", ["legal_hold", "veto"])
def test_a_table_under_a_hold_is_not_set_aside(older, kind):
    lakebed("restore", "exports/clicks", "sales/orders_first_half", "--lake", "lake", folder=older)
    config = held(older, f'{kind} = ["exports/**"]')
    # what was purged comes back with another time, so the plan no longer fits it
    arguments = ("apply", "plan.json", "--config", config, "--exclude", "sales/orders_small", "--yes", "--json")
    alone = lakebed(*arguments, "--only", "exports/orders", folder=older)
    assert alone.status == 4 and f"exports/orders: {kind}, by the configuration" in alone.err
    answer = lakebed(*arguments, folder=older)
    assert answer.status == 0, answer.err
    assert [entry["table"] for entry in answer.json["tables"]] == ["sales/orders_first_half"]
    left = {entry["table"]: entry["why"] for entry in answer.json["left"]}
    assert left["exports/orders"] == left["exports/clicks"] == f"{kind}, by the configuration"
    assert (older / "lake" / "exports" / "orders.csv").exists()


def test_a_table_that_was_set_aside_before_the_hold_came_is_not_purged(older):
    config = held(older, 'legal_hold = ["sales/orders_first_half"]')
    common = ("--lake", "lake", "--artifacts", "artifacts", "--config", config, "--yes")
    named = lakebed("purge", "sales/orders_first_half", *common, folder=older)
    assert named.status == 4 and "under a hold may not be purged" in named.err
    answer = lakebed("purge", "--all", *common, "--json", folder=older)
    assert answer.status == 0, answer.err
    assert answer.json["tables"] == ["exports/clicks"]
    assert [entry["table"] for entry in answer.json["waiting"]] == ["sales/orders_first_half"]
    again = lakebed("purge", "--all", *common, folder=older)
    assert again.status == 0 and "no table is due; nothing was deleted" in again.out
    back = lakebed("restore", "sales/orders_first_half", "--lake", "lake", folder=older)
    assert back.status == 0, back.err
    assert (older / "lake" / "sales" / "orders_first_half.parquet").exists()


def test_a_hold_that_names_nothing_is_an_error_a_veto_a_warning(older):
    arguments = ("purge", "--all", "--lake", "lake", "--artifacts", "artifacts", "--yes", "--config")
    refused = lakebed(*arguments, held(older, 'legal_hold = ["sales/ordres_*"]'), folder=older)
    assert refused.status == 2 and "sales/ordres_*" in refused.err
    warned = lakebed(*arguments, held(older, 'veto = ["ordres/**"]'), folder=older)
    assert warned.status == 0 and "retention.pins.veto names no table: ordres/**" in warned.err


def test_globs_and_the_plans_own_list_choose_what_goes(older):
    unknown = lakebed("apply", "plan.json", "--only", "nothing/**", "--dry-run", folder=older)
    assert unknown.status == 2 and "nothing/**" in unknown.err
    plan = json.loads((older / "plan.json").read_text())
    # people may edit the list: the seal does not cover it
    (older / "plan.json").write_text(json.dumps({**plan, "skip": ["sales/**", "exports/clicks"]}))
    answer = lakebed("apply", "plan.json", "--yes", "--json", folder=older)
    assert answer.status == 0, answer.err
    assert [entry["table"] for entry in answer.json["tables"]] == ["exports/orders"]
    assert {entry["why"] for entry in answer.json["left"]} == {"left out by the plan's own list"}


def test_settings_that_differ_from_those_of_the_run_are_named():
    given = {"solver_seconds": 30, "pins": {"veto": ["a"], "legal_hold": []}, "max_rebuild_s": 3600.0}
    assert other_settings(given, RetentionConfig()) == ["retention.solver_seconds", "retention.pins.veto"]
    assert other_settings({}, RetentionConfig()) == []


def test_relative_paths_of_a_file_count_from_its_folder(tmp_path, monkeypatch):
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for folder in (project, elsewhere):
        folder.mkdir()
    file = project / "own.toml"
    file.write_text(
        'artifacts = "artifacts"\n[lake]\nroot = "data"\n[quarantine]\nfolder = "aside"\n'
        '[retention.accesses]\nlog = "s3://bucket/log.csv"\n'
    )
    monkeypatch.chdir(elsewhere)
    found = load_config(file)
    assert (found.lake.root, found.artifacts) == (str(project / "data"), str(project / "artifacts"))
    assert found.quarantine.folder == str(project / "aside")
    assert found.retention.accesses.log == "s3://bucket/log.csv"
    assert load_config(file, {"artifacts": "here"}).artifacts == str(elsewhere / "here")


@pytest.mark.parametrize(("old", "key"), [("artifacts/runs", "artifacts"), ("aside", "quarantine.folder")])
def test_a_root_at_the_place_of_before_is_named_and_not_forked(tmp_path, monkeypatch, old, key):
    (tmp_path / "elsewhere" / old).mkdir(parents=True)
    (tmp_path / "own.toml").write_text('artifacts = "artifacts"\n[lake]\nroot = "/d"\n[quarantine]\nfolder = "aside"\n')
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=f"{key} is relative to the config file's folder now") as caught:
        load_config(tmp_path / "own.toml")
    assert str(tmp_path / "elsewhere") in str(caught.value.value)

"""The whole story on the sample lake, in real processes: run, plan, apply, read meanwhile, restore, purge, rebuild."""

import json

import pytest

import lakebed
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.listing import list_lake
from lakebed.data_samples.generator import generate_sample_lake
from tests.flows.lakes import snapshot
from tests.flows.processes import lakebed as call

pytestmark = [pytest.mark.flow, pytest.mark.heavy]


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """The sample lake after a run, with its plan; the tests follow each other on it."""
    folder = tmp_path_factory.mktemp("story")
    generate_sample_lake(folder / "lake")
    ran = call("run", "--lake", "lake", "--artifacts", "artifacts", "--to", "retention", "--json", folder=folder)
    assert ran.status == 0, ran.err
    made = call("plan", "--artifacts", "artifacts", "--out", "plan.json", "--json", folder=folder)
    assert made.status == 0, made.err
    return folder


def files(root):
    """Files and links with content, size and time of change; folders get new times when tables leave and return."""
    return {path: facts for path, facts in snapshot(root).items() if facts[0] != "folder"}


def deleted(folder):
    plan = json.loads((folder / "plan.json").read_text())
    return [table for table in plan["tables"] if table["decision"] == "delete"]


def n_rows(folder):
    return {
        one["name"]: lakebed.open_table(f"{folder}/lake/{one['identity']['path']}").num_rows for one in deleted(folder)
    }


def tables(folder):
    lake = LakeConfig(root=str(folder / "lake"))
    return {table.path for table in discover(list_lake(lake), lake).tables}


def done(*arguments, folder):
    answer = call(*arguments, folder=folder)
    assert answer.status == 0, answer.err
    return answer


def test_the_whole_story(planned):
    before, was = files(planned / "lake"), tables(planned)
    names = {one["name"] for one in deleted(planned)}
    paths = {one["identity"]["path"] for one in deleted(planned)}
    assert len(names) >= 5
    rows = n_rows(planned)
    dry = done("apply", "plan.json", "--dry-run", "--json", folder=planned)
    assert dry.json["n_tables"] == len(names) and files(planned / "lake") == before

    applied = done("apply", "plan.json", "--yes", "--json", folder=planned)
    assert {one["table"] for one in applied.json["tables"]} == names
    assert applied.json["n_bytes"] > 0
    assert tables(planned) == was - paths
    assert n_rows(planned) == rows

    status = done("status", "--artifacts", "artifacts", "--json", folder=planned)
    assert {one["table"] for one in status.json["quarantine"]} == names
    assert status.json["warnings"] == [] and status.json["pins"]

    restored = done("restore", "--all", "--artifacts", "artifacts", "--json", folder=planned)
    assert set(restored.json["moved"]) == names
    assert files(planned / "lake") == before
    assert not (planned / "lake" / "_lakebed_quarantine").exists()
    assert list((planned / "artifacts" / "quarantine").glob("*.jsonl"))


def test_purged_tables_are_rebuilt_from_their_parents(planned):
    """On the lake that the story gave back, whose plan still holds; last, because it leaves rebuilt files."""
    rows, was = n_rows(planned), tables(planned)
    (planned / "lakebed.toml").write_text("[quarantine]\ngrace_days = 0\n")
    done("apply", "plan.json", "--yes", folder=planned)
    purged = done("purge", "--all", "--artifacts", "artifacts", "--yes", "--json", folder=planned)
    assert set(purged.json["tables"]) == set(rows)
    assert not list((planned / "lake" / "_lakebed_quarantine").glob("entries/*/data"))
    assert n_rows(planned) == rows
    back = done("restore", "--all", "--artifacts", "artifacts", "--json", folder=planned)
    assert set(back.json["rebuilt"]) == set(rows)
    assert n_rows(planned) == rows
    assert tables(planned) == was

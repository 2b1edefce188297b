import json
import os
import shutil

import pytest

from lakebed.connectors.errors import ConfigError, PlanError
from lakebed.flows.cli.plan import plan
from lakebed.tasks.retention.plan import read_plan
from tests.flows.lakes import snapshot
from tests.flows.processes import lakebed


@pytest.mark.flow
def test_the_plan_of_a_run_names_every_table_and_changes_nothing(finished, tmp_path):
    folder, _ = finished
    before = snapshot(folder / "lake")
    out = tmp_path / "plan.json"
    answer = lakebed("plan", "--artifacts", folder / "artifacts", "--out", out, "--json", folder=tmp_path)
    assert answer.status == 0, answer.err
    made = read_plan(out)
    assert {table.name: table.decision for table in made.tables} == {
        "cities": "keep", "names": "delete", "orders": "keep", "orders_part": "delete",
    }  # fmt: skip
    assert answer.json["plan_id"] == made.plan_id
    assert answer.json["n_deleted"] == 2
    assert answer.json["saving_per_month"] == pytest.approx(sum(table.saving.total for table in made.deleted))
    assert answer.json["byte_identical"]["n_deleted"] == 0
    assert all(table["how"] for table in answer.json["tables"] if table["decision"] == "delete")
    beside = {table["name"]: table["beside"] for table in answer.json["tables"]}
    assert beside == {"cities": [], "names": ["cities", "orders"], "orders": [], "orders_part": ["cities", "orders"]}
    assert snapshot(folder / "lake") == before


@pytest.mark.flow
def test_in_words(finished, capsys, tmp_path):
    folder, _ = finished
    plan(artifacts=str(folder / "artifacts"), out=tmp_path / "plan.json")
    text = capsys.readouterr().out
    assert "2 tables to delete" in text
    assert "orders_part" in text and "parent" in text
    assert "2 of them share a folder with tables that stay" in text
    assert "names: beside cities, orders" in text
    assert "byte-identical copies alone: 0 tables" in text
    assert "nothing was changed" in text
    assert "1 table that no other contains" in text


@pytest.mark.flow
def test_a_lake_that_changed_since_is_refused(finished, tmp_path):
    folder, _ = finished
    shutil.copytree(folder / "artifacts", tmp_path / "artifacts")
    table = folder / "lake" / "orders_part.parquet"
    facts = table.stat()
    os.utime(table, ns=(1, 1))
    try:
        answer = lakebed("plan", "--artifacts", "artifacts", "--json", folder=tmp_path)
        with pytest.raises(PlanError, match="changed since the run"):
            plan(artifacts=str(tmp_path / "artifacts"), out=tmp_path / "plan.json")
    finally:
        os.utime(table, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert answer.status == 4
    assert answer.json["error"] == "PlanError"
    assert "lakebed run" in answer.json["hint"]
    assert not (tmp_path / "plan.json").exists()


def test_before_any_run(tmp_path):
    answer = lakebed("plan", "--artifacts", "none", "--json", folder=tmp_path)
    assert answer.status == 1
    assert "lakebed run" in json.loads(answer.out)["hint"]


@pytest.mark.flow
def test_nothing_is_written_into_the_lake(finished):
    folder, _ = finished
    with pytest.raises(ConfigError, match="in the lake"):
        plan(artifacts=str(folder / "artifacts"), out=folder / "lake" / "plan.json")
    assert not (folder / "lake" / "plan.json").exists()


@pytest.mark.flow
def test_explain_tells_the_decision(finished):
    folder, _ = finished
    answer = lakebed("explain", "orders_part", "--artifacts", "artifacts", "--json", folder=folder)
    decision = answer.json["decision"]
    assert decision["decision"] == "delete"
    assert decision["parents"] == ["orders"]
    assert [option["status"] for option in decision["options"]] == ["chosen"]
    assert "SELECT" in decision["rebuild"]["sql"]
    text = lakebed("explain", "orders_part", "--artifacts", "artifacts", folder=folder).out
    assert "delete: rebuilt from orders" in text and "SELECT" in text

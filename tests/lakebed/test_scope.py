import io
import json
import os
from pathlib import Path

import pytest

from lakebed.config import load_config
from lakebed.connectors.errors import ArtifactError, ConfigError, ContractError, LeaseError
from lakebed.connectors.places import RUN_VARIABLE
from lakebed.scope import RunScope
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.config import SecurityConfig
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.lease import is_held
from lakebed.tasks.runtime.progress import Progress, show
from lakebed.tasks.runtime.provenance import source_commit
from lakebed.tasks.runtime.record import list_runs
from tests.services.openlineage import require_valid


@pytest.fixture
def config(parquet_lake, tmp_path):
    return load_config(None, {"lake": {"root": str(parquet_lake)}, "artifacts": str(tmp_path / "artifacts")})


def test_a_scope_holds_lease_and_record(config):
    with RunScope(config, "r1", ["x"]) as scope:
        assert is_held(config.artifacts)
        assert RunScope.joined() is scope
        assert [run.status for run in list_runs(config.artifacts)] == ["running"]
    assert not is_held(config.artifacts)
    assert RunScope.joined() is None
    assert [run.status for run in list_runs(config.artifacts)] == ["completed"]


def test_a_second_run_is_refused_and_leaves_no_record(config):
    with RunScope(config, "r1", ["x"]):
        with pytest.raises(LeaseError, match="another run") as caught, RunScope(config, "r2", ["x"]):
            pass
        assert "run r1" in str(caught.value.value)
        assert "--artifacts" in caught.value.hint
        assert RunScope.joined().run_id == "r1"
    assert [run.run_id for run in list_runs(config.artifacts)] == ["r1"]


@pytest.mark.parametrize("error", [ContractError("column x broke"), ValueError("odd"), KeyboardInterrupt()])
def test_a_failure_is_noted_and_the_lease_given_up(config, error):
    with pytest.raises(type(error)), RunScope(config, "r1", ["x"]):
        raise error
    record = list_runs(config.artifacts)[0]
    assert record.status == "failed"
    assert record.error is not None and record.error["error"] == type(error).__name__
    assert not is_held(config.artifacts)


def test_a_root_inside_the_lake_is_refused_before_anything_is_written(config):
    inside = config.model_copy(update={"artifacts": f"{config.lake.root}/a"})
    with pytest.raises(ConfigError, match="lie in each other"), RunScope(inside, "r1", ["x"]):
        pass
    assert not Path(inside.artifacts).exists()


def test_the_lease_is_free_again_when_the_record_cannot_be_written(config, tmp_path):
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "runs").write_text("in the way")
    with pytest.raises(Exception, match="file, not a folder"), RunScope(config, "r1", ["x"]):
        pass
    assert not is_held(config.artifacts)


def test_stages_of_this_run_and_reused_ones_are_told_apart(config):
    with RunScope(config, "r1", ["x"]) as scope:
        ref = run_stage(INVENTORY, Inputs.of(scope.workspace, config.inventory))
        scope.done(ref, 2.0)
    with RunScope(config, "r2", ["x"]) as scope:
        scope.done(ref, 0.1)
        assert scope.summaries()["inventory"]["tables"] == 3
    newest, oldest = (run.stages[0] for run in list_runs(config.artifacts))
    assert (oldest.reused, newest.reused) == (False, True)
    assert newest.bytes_read == 0
    assert newest.digest == oldest.digest


def test_a_root_that_others_may_write_into_is_told_or_refused(config):
    root = Path(config.artifacts)
    root.mkdir()
    root.chmod(0o777)
    stream = io.StringIO()
    show(Progress(stream))
    with RunScope(config, "r1", ["x"]):
        pass
    assert "everybody may write" in stream.getvalue().replace("\n", " ")
    refusing = config.model_copy(update={"security": SecurityConfig(shared_root="refuse")})
    with pytest.raises(ArtifactError, match="not safe from others"), RunScope(refusing, "r2", ["x"]):
        pass
    bearing = config.model_copy(update={"security": SecurityConfig(shared_root="allow")})
    show(Progress(quiet := io.StringIO()))
    with RunScope(bearing, "r3", ["x"]):
        pass
    assert quiet.getvalue() == ""
    assert [run.run_id for run in list_runs(config.artifacts)] == ["r3", "r1"]


def test_what_a_run_starts_knows_whose_it_is(config, monkeypatch):
    monkeypatch.delenv(RUN_VARIABLE, raising=False)
    with RunScope(config, "r1", ["x"]):
        assert os.environ[RUN_VARIABLE] == "r1"
    assert RUN_VARIABLE not in os.environ


def test_what_is_written_beside_the_record(config):
    with pytest.raises(ValueError, match="odd"), RunScope(config, "r1", ["x", "--password", "hunter2-w"]) as scope:
        with scope.stage("inventory"):
            pass
        raise ValueError("odd: jdbc:postgresql://u:hunter2-v@h/d")
    folder = Path(config.artifacts) / "runs"
    events = [json.loads(line)["eventType"] for line in (folder / "r1" / "openlineage.jsonl").read_text().splitlines()]
    assert events == ["START", "START", "FAIL", "FAIL"]
    assert 'lakebed_runs{status="failed"} 1' in (folder / "lakebed.prom").read_text()
    assert "hunter2" not in "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    record = list_runs(config.artifacts)[0]
    assert record.command == ["x", "--password", "***"] and record.seeds["summary.seed"] == 0
    assert record.commit == source_commit()


def test_the_event_of_a_stage_names_the_lakes_tables_and_its_own(config):
    with RunScope(config, "r1", ["x"]) as scope:
        with scope.stage("inventory"):
            ref = run_stage(INVENTORY, Inputs.of(scope.workspace, config.inventory))
        scope.done(ref, 1.0)
    path = Path(config.artifacts) / "runs" / "r1" / "openlineage.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        require_valid(event)
    (done,) = [event for event in events if event["job"]["name"] == "run.inventory" and event["eventType"] != "START"]
    inputs = {one["name"]: one["facets"] for one in done["inputs"]}
    lake = config.lake.root
    assert inputs.keys() == {lake, *(f"{lake}/{name}.parquet" for name in ("names", "orders", "orders_part"))}
    fields = inputs[f"{lake}/orders.parquet"]["schema"]["fields"]
    assert [(field["name"], field["type"]) for field in fields] == [
        ("id", "int64"),
        ("name", "string"),
        ("x", "double"),
    ]
    rows = {
        one["name"].rpartition("/")[2]: one["outputFacets"]["outputStatistics"]["rowCount"] for one in done["outputs"]
    }
    assert rows["tables"] == 3 and rows["columns"] == 8


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ({"name": "a/b", "path": "a/b.csv", "format": "csv"}, ("file", "/lake/a/b.csv")),
        ({"name": "all", "path": ".", "format": "delta"}, ("file", "/lake")),
        ({"name": "shop/sales.x", "path": "", "format": "postgresql"}, ("postgres://db:1", "d.sales.x")),
        ({"name": "hive/mart.x", "path": "", "format": "catalog"}, ("catalog://hive", "mart.x")),
    ],
)
def test_where_a_table_of_the_lake_lies(row, place):
    from lakebed.lineage import _place

    assert _place(row, "/lake", {"shop": "jdbc:postgresql://db:1/d"}) == place

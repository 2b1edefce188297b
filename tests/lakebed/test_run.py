import json
import shutil

import pyarrow.parquet as pq
import pytest

from lakebed.chain import chosen_stages
from lakebed.config import load_config
from lakebed.connectors.errors import ConfigError, StageError
from lakebed.run import run
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.lease import is_held
from lakebed.tasks.runtime.record import list_runs
from tests.flows.lakes import orders, replace_in_place, snapshot, write_mixed_lake, write_parquet_lake
from tests.flows.processes import LOCAL, UNJUDGED, lakebed, python

NEEDED = {"tables", "unreadable", "distinct_schemas", "schema_edges", "after_min_max", "after_sketches", "proven"}
NEEDED |= {"coincidental", "stages", "session_start_s", "wall_after_session_s", "peak_driver_bytes"}
OF_STAGE = {"stage", "key", "digest", "reused", "seconds", "bytes_read"}

# the command line, telling on its last line which processes it started and what it imported
WATCHED = """
import atexit, json, sys
started = []
sys.addaudithook(lambda event, args: started.append(str(args[0])) if event in ("subprocess.Popen", "os.exec") else None)
heavy = ("pyspark", "prefect", "great_expectations", "numba")
def tell():
    sys.stderr.write("WATCHED " + json.dumps([started, [name for name in heavy if name in sys.modules]]))
atexit.register(tell)
from lakebed.flows.cli.main import main
main(sys.argv[1:])
"""


def watched(*arguments, folder, **variables):
    answer = python(WATCHED, *arguments, folder=folder, **variables)
    started, imported = json.loads(answer.err.rpartition("WATCHED ")[2])
    # `platform` asks `uname` what machine this is
    return answer, [name for name in started if name != "uname"], imported


@pytest.fixture
def config(parquet_lake, tmp_path):
    return load_config(None, {"lake": {"root": str(parquet_lake)}, "artifacts": str(tmp_path / "artifacts")})


def test_only_without_its_inputs_starts_nothing(config):
    with pytest.raises(StageError, match="not there"):
        run(config, only="containment")
    assert list_runs(config.artifacts)[0].status == "failed"
    assert not is_held(config.artifacts)


def test_a_wrong_stage_is_refused_before_anything_is_written(config, tmp_path):
    with pytest.raises(ConfigError):
        run(config, to="nope")
    assert not (tmp_path / "artifacts").exists()


def test_paranoid_catches_a_file_changed_in_place(parquet_lake, tmp_path):
    pq.write_table(orders(), parquet_lake / "orders.parquet", compression="none", use_dictionary=False)

    def inventory(is_paranoid):
        lake = {"root": str(parquet_lake), "paranoid": is_paranoid}
        config = load_config(None, {"lake": lake, "artifacts": str(tmp_path / "a")})
        ref = run_stage(INVENTORY, Inputs.of(config.workspace(), config.inventory))
        return ref.key, CONTAINMENT.open(Inputs.of(config.workspace(), ref, config.containment)).key

    trusting, paranoid = inventory(False), inventory(True)
    assert inventory(True) == paranoid
    replace_in_place(parquet_lake / "orders.parquet", b"n2093", b"n3093")
    assert inventory(False) == trusting
    # the statistics are the same, the data is not: containment must be searched anew as well
    assert all(new != old for new, old in zip(inventory(True), paranoid, strict=True))


@pytest.mark.flow
def test_one_run_gives_one_json_object(finished):
    folder, answer = finished
    found = answer.json
    assert found.keys() >= NEEDED
    assert all(stage.keys() >= OF_STAGE for stage in found["stages"])
    assert [stage["stage"] for stage in found["stages"]] == [stage.name for stage in chosen_stages()]
    assert (found["tables"], found["unreadable"], found["proven"]) == (4, 1, 2)
    assert found["schema_edges"] >= found["after_min_max"] >= found["after_sketches"] >= found["proven"]
    assert not any(stage["reused"] for stage in found["stages"])
    assert found["session_start_s"] > 0 and found["wall_after_session_s"] > 0
    assert found["peak_driver_bytes"] > 100 << 20
    assert found["expectations"]["status"] == "passed"
    assert "Traceback" not in answer.err and "Waiting for Great Expectations" in answer.err
    total = sum(path.stat().st_size for path in (folder / "lake").rglob("*"))
    assert sum(stage["bytes_read"] for stage in found["stages"][:2]) <= 1.25 * total
    assert found["deletable_tables"] == 2


@pytest.mark.flow
def test_one_run_leaves_report_record_and_docs(finished):
    folder, answer = finished
    run_folder = folder / "artifacts" / "runs" / answer.json["run_id"]
    assert answer.json["report"] == str(run_folder / "report.html")
    assert "orders_part" in (run_folder / "report.html").read_text()
    assert (run_folder / "expectations" / "docs" / "index.html").is_file()
    record = json.loads((run_folder / "run.json").read_text())
    assert record["status"] == "completed"
    assert record["config"]["lake"]["root"] == str(folder / "lake")


@pytest.mark.flow
def test_an_unchanged_lake_starts_and_reads_nothing(finished):
    folder, first = finished
    before = snapshot(folder / "lake")
    again, started, imported = watched("run", "--lake", "lake", "--artifacts", "artifacts", "--json", folder=folder)
    assert again.status == 0
    assert (started, imported) == ([], [])
    assert again.digests == first.digests
    assert all(again.reused.values())
    assert [stage["bytes_read"] for stage in again.json["stages"]] == [0] * len(chosen_stages())
    assert again.json["report"] == first.json["report"]
    counts = {name for name in NEEDED if isinstance(first.json[name], int)} - {"peak_driver_bytes"}
    assert {name: again.json[name] for name in counts} == {name: first.json[name] for name in counts}
    assert snapshot(folder / "lake") == before


@pytest.mark.flow
def test_another_config_of_containment_reuses_the_inventory(finished, tmp_path):
    folder, first = finished
    shutil.copytree(folder / "artifacts", tmp_path / "artifacts")
    arguments = ("run", "--lake", folder / "lake", "--artifacts", "artifacts", "--only", "containment", "--json")
    answer = lakebed(*arguments, folder=tmp_path, **LOCAL, LAKEBED_CONTAINMENT__SEMANTICS="bag")
    assert answer.status == 0, answer.err
    assert answer.reused == {"inventory": True, "containment": False}
    assert answer.digests["inventory"] == first.digests["inventory"]
    assert answer.digests["containment"] != first.digests["containment"]
    assert answer.json["report"] == ""
    listed = lakebed("containments", "--artifacts", "artifacts", "--json", folder=tmp_path)
    assert {json.loads(line)["semantics"] for line in listed.out.splitlines()} == {"bag"}


@pytest.mark.flow
def test_a_changed_file_runs_again_up_to_a_stage(finished, tmp_path):
    folder, _ = finished
    write_mixed_lake(tmp_path / "lake")
    shutil.copytree(folder / "artifacts", tmp_path / "artifacts")
    pq.write_table(orders(301), tmp_path / "lake" / "orders.parquet")
    arguments = ("run", "--lake", "lake", "--artifacts", "artifacts", "--to", "inventory", "--json")
    answer = lakebed(*arguments, folder=tmp_path, **LOCAL)
    assert answer.status == 0, answer.err
    assert answer.reused == {"inventory": False}
    assert answer.json["rows"] == 301 + 100 + 120 + 50
    assert "proven" not in answer.json
    again, started, _ = watched(*arguments, folder=tmp_path, **LOCAL)
    assert again.reused == {"inventory": True} and started == []


@pytest.mark.flow
def test_an_error_of_a_stage_is_typed_and_nothing_is_published(tmp_path):
    lake = write_mixed_lake(tmp_path / "lake")
    before = snapshot(lake)
    arguments = ("run", "--lake", "lake", "--artifacts", "artifacts", "--strict", "--json")
    answer = lakebed(*arguments, folder=tmp_path, **UNJUDGED)
    assert answer.status == 1
    assert answer.json["error"] == "SourceError"
    assert "broken" in answer.json["examples"][0]
    assert "SourceError: 1 tables of the lake cannot be read" in answer.err
    assert "Traceback" not in answer.err
    assert list(tmp_path.glob("artifacts/*/*/manifest.json")) == []
    assert list_runs(str(tmp_path / "artifacts"))[0].status == "failed"
    assert snapshot(lake) == before


@pytest.mark.flow
def test_a_server_that_is_not_there_is_a_typed_error(tmp_path):
    write_parquet_lake(tmp_path / "lake")
    arguments = ("run", "--lake", "lake", "--artifacts", "artifacts", "--to", "inventory", "--json")
    answer = lakebed(*arguments, folder=tmp_path, **UNJUDGED, PREFECT_API_URL="http://127.0.0.1:9/api")
    assert answer.status == 1
    assert answer.json["error"] == "StageError"
    assert answer.json["value"] == "http://127.0.0.1:9/api"
    assert "Traceback" not in answer.err


@pytest.mark.flow
@pytest.mark.heavy
def test_a_java_that_is_not_there_is_a_typed_error(tmp_path):
    write_parquet_lake(tmp_path / "lake")
    arguments = ("run", "--lake", "lake", "--artifacts", "artifacts", "--json")
    answer = lakebed(*arguments, folder=tmp_path, JAVA_HOME="/nonexistent", PATH="/nonexistent")
    assert answer.status in (1, 2)
    assert "java" in answer.json["what"].lower() and answer.json["hint"]
    assert "Traceback" not in answer.err
    # the inventory needs no Spark here, so it is whole and waits for the next run
    assert len(list(tmp_path.glob("artifacts/inventory/*/manifest.json"))) == 1
    assert list(tmp_path.glob("artifacts/containment/*/manifest.json")) == []


@pytest.mark.flow
@pytest.mark.heavy
def test_two_runs_in_one_process(tmp_path):
    write_parquet_lake(tmp_path / "lake")
    code = """
import json
from lakebed.config import load_config
from lakebed.run import run
def one(**more):
    return run(load_config(None, {"lake": {"root": "lake"}, "artifacts": "artifacts", **more})).as_dict()
print(json.dumps([one(), one(containment={"semantics": "bag"})]))
"""
    answer = python(code, folder=tmp_path)
    assert answer.status == 0, answer.err
    first, second = answer.json
    assert not any(stage["reused"] for stage in first["stages"])
    # bag or set is the business of what asks for containments: the graph is the same
    anew = {stage["stage"] for stage in second["stages"] if not stage["reused"]}
    assert anew == {"containment", "relations", "retention"}
    assert first["report"] != second["report"]


def write_suite(folder, table, column):
    folder.mkdir()
    expectation = {"type": "expect_column_values_to_be_between", "kwargs": {"column": column, "max_value": 10}}
    (folder / "mine.json").write_text(json.dumps({"table": table, "expectations": [expectation]}))


@pytest.mark.flow
@pytest.mark.heavy
def test_a_suite_that_rejects_a_table_of_the_lake_ends_the_run_before_containment(tmp_path):
    write_parquet_lake(tmp_path / "lake")
    write_suite(tmp_path / "suites", "lake:orders.parquet", "id")
    arguments = ("run", "--lake", "lake", "--artifacts", "artifacts", "--json")
    answer = lakebed(*arguments, folder=tmp_path, LAKEBED_SUITES="suites")
    assert answer.status == 3, answer.err
    assert answer.json["error"] == "ContractError"
    assert "Traceback" not in answer.err
    assert len(list(tmp_path.glob("artifacts/inventory/*/manifest.json"))) == 1
    assert list(tmp_path.glob("artifacts/containment/*/manifest.json")) == []


@pytest.mark.flow
@pytest.mark.heavy
def test_an_artifact_that_is_rejected_is_not_reused(tmp_path):
    write_parquet_lake(tmp_path / "lake")
    write_suite(tmp_path / "suites", "artifact:inventory/tables", "n_rows")
    arguments = ("run", "--lake", "lake", "--artifacts", "artifacts", "--to", "inventory", "--json")
    answer = lakebed(*arguments, folder=tmp_path, LAKEBED_SUITES="suites")
    assert answer.status == 3, answer.err
    assert "rejected" in answer.json["what"] and "open " in answer.json["hint"]
    record = list_runs(str(tmp_path / "artifacts"))[0]
    assert (record.status, record.expectations.status) == ("failed", "rejected")
    again = lakebed(*arguments, folder=tmp_path)
    assert again.status == 0, again.err
    assert again.reused == {"inventory": False}
    assert again.json["expectations"]["status"] == "passed"


@pytest.mark.flow
def test_a_prefect_that_does_not_start_is_a_typed_error(tmp_path):
    write_parquet_lake(tmp_path / "lake")
    arguments = ("run", "--lake", "lake", "--artifacts", "artifacts", "--to", "inventory", "--json")
    answer = lakebed(*arguments, folder=tmp_path, **UNJUDGED, PREFECT_SERVER_DATABASE_CONNECTION_URL="nonsense://x")
    assert answer.status == 1
    assert answer.json["error"] == "StageError", answer.err
    assert "did not start" in answer.json["what"] and "doctor" in answer.json["hint"]
    assert list(tmp_path.glob("artifacts/*/*/manifest.json")) == []

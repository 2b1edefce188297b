import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.storage import Storage
from lakebed.tasks.runtime.expectations_queue import has_requests, install_suites, queued
from tests.tasks.runtime.child_publish import make_stage, publish

POSITIVE = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "n", "min_value": 0}}


@pytest.fixture
def lake(tmp_path):
    (tmp_path / "lake").mkdir()
    pq.write_table(pa.table({"n": [1, 2]}), tmp_path / "lake" / "numbers.parquet")
    (tmp_path / "lake" / "text.csv").write_text("n\n1\n")
    return tmp_path / "lake"


def install(tmp_path, lake, **suite):
    (tmp_path / "suites").mkdir(exist_ok=True)
    (tmp_path / "suites" / "mine.json").write_text(json.dumps(suite))
    return install_suites(str(tmp_path / "runs" / "r2"), str(tmp_path / "suites"), str(lake))


def requests_of(tmp_path, run_id):
    storage = Storage.at(str(tmp_path / "runs" / run_id))
    return [json.loads(storage.read_bytes(path)) for path in queued(storage)]


def test_a_suite_for_a_lake_table_is_queued(tmp_path, lake):
    assert install(tmp_path, lake, table="lake:numbers.parquet", expectations=[POSITIVE]) == ["lake-mine"]
    (request,) = requests_of(tmp_path, "r2")
    assert request["artifact"] == ""
    assert request["tables"]["numbers.parquet"]["expectations"] == [POSITIVE]


def test_a_suite_for_an_artifact_makes_it_asked_again(tmp_path, lake):
    stage = make_stage(str(tmp_path), "r1")
    publish(stage)
    (first,) = requests_of(tmp_path, "r1")
    assert install(tmp_path, lake, table="artifact:containment/edges", expectations=[POSITIVE]) == []
    assert not has_requests(str(tmp_path / "runs" / "r2"))
    make_stage(str(tmp_path), "r2").reuse()
    (second,) = requests_of(tmp_path, "r2")
    added = second["tables"]["edges"]["expectations"][len(first["tables"]["edges"]["expectations"]) :]
    assert added == [POSITIVE]


@pytest.mark.parametrize(
    ("suite", "words"),
    [
        ({"table": "lake:text.csv", "expectations": []}, "neither Parquet nor Delta"),
        ({"table": "lake:nowhere", "expectations": []}, "neither Parquet nor Delta"),
        ({"table": "numbers", "expectations": []}, "names no table"),
        ({"tables": "x"}, "cannot be read"),
    ],
)
def test_a_bad_suite_is_a_config_error(tmp_path, lake, suite, words):
    with pytest.raises(ConfigError, match=words):
        install(tmp_path, lake, **suite)


def test_a_missing_folder_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        install_suites(str(tmp_path), str(tmp_path / "none"), str(tmp_path))

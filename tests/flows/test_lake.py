"""The flow as Prefect runs it for a person or a schedule, with no command line around it."""

import json

import pytest

from lakebed.chain import STAGES, chosen_stages
from lakebed.config import NOT_OF_RUNS, LakebedConfig
from lakebed.tasks.runtime.record import list_runs
from tests.flows.lakes import write_parquet_lake
from tests.flows.processes import python

pytestmark = pytest.mark.flow

DIRECT = """
import json, os, sys
from pathlib import Path
from lakebed.flows.prefect_home import database_template
home = Path("home")
home.mkdir()
# a home that has been used before: a fresh one takes its time to migrate
if database_template().is_file():
    (home / "prefect.db").write_bytes(database_template().read_bytes())
os.environ["PREFECT_HOME"] = str(home.resolve())
from lakebed.flows.lake import lake_flow
from lakebed.connectors.lake.config import LakeConfig
refs = [lake_flow(lake=LakeConfig(root="lake"), artifacts="artifacts") for _ in range(2)]
print(json.dumps([{name: ref.model_dump() for name, ref in each.items()} for each in refs]))
"""

REFUSED = """
import json
from pydantic import ValidationError
from prefect.exceptions import ParameterTypeError, ParameterBindError
from lakebed.flows.lake import lake_flow
seen = []
for given in ({"lake": {"root": "x", "nope": 1}}, {"lake": {"root": "x"}, "spark": {"driver_memory_mib": 1}}):
    try:
        lake_flow.validate_parameters(given)
    except (ParameterTypeError, ValidationError) as error:
        seen.append(str(error))
print(json.dumps(seen))
"""

SCHEMA = """
import json
from lakebed.flows.lake import lake_flow
print(json.dumps(lake_flow.parameters.model_dump()))
"""


TRIED = """
import json, os, sys
from pathlib import Path
from lakebed.flows.prefect_home import EphemeralServer
server = EphemeralServer(Path("home"))
server.start(); server.wait()
from lakebed.connectors.errors import SourceError, Transient
from lakebed.flows.lake import TASKS, lake_flow
from lakebed.scope import RunScope
from lakebed.tasks.runtime.retry import DELAYS_S
RunScope.start_beside = lambda self, _: None
class Flaky(SourceError, Transient): pass
calls = []
def failing(kind, n):
    def run(*_):
        calls.append(kind.__name__)
        if len(calls) <= n: raise kind("no answer")
        return ours(*_)
    return run
task = TASKS["inventory"]
# the policy is that of every run; only its delays are a test's
assert list(task.retry_delay_seconds) == list(DELAYS_S), task.retry_delay_seconds
ours, task.retry_delay_seconds = task.fn, [0.1 for _ in DELAYS_S]
seen = {}
for name, kind, n in (("transient", Flaky, 2), ("always transient", Flaky, 9), ("other", SourceError, 1)):
    calls.clear()
    task.fn = failing(kind, n)
    try:
        seen[name] = sorted(lake_flow(lake={"root": "lake"}, artifacts=f"artifacts-{n}", to="inventory"))
    except SourceError as error:
        seen[name] = type(error).__name__
    seen[name + " calls"] = len(calls)
server.stop()
print(json.dumps(seen))
"""


def test_only_a_stage_is_tried_again_and_only_after_a_transient_error(tmp_path):
    """Also where Prefect's own settings ask for retries of every flow and task."""
    write_parquet_lake(tmp_path / "lake")
    defaults = {"PREFECT_FLOWS_DEFAULT_RETRIES": "3", "PREFECT_TASKS_DEFAULT_RETRIES": "3"}
    answer = python(TRIED, folder=tmp_path, **defaults)
    assert answer.status == 0, answer.err
    assert json.loads(answer.out.splitlines()[-1]) == {
        "transient": ["inventory"],
        "transient calls": 3,
        "always transient": "Flaky",
        "always transient calls": 3,
        "other": "SourceError",
        "other calls": 1,
    }


def test_called_from_python_it_does_all_that_the_command_line_does(tmp_path):
    write_parquet_lake(tmp_path / "lake")
    variables = {"PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "300", "PREFECT_LOGGING_LEVEL": "INFO"}
    answer = python(DIRECT, folder=tmp_path, DO_NOT_TRACK="1", **variables)
    assert answer.status == 0, answer.err
    first, second = json.loads(answer.out.splitlines()[-1])
    assert first == second
    assert list(first) == [stage.name for stage in chosen_stages()]
    newest, oldest = list_runs(str(tmp_path / "artifacts"))
    assert (oldest.status, newest.status) == ("completed", "completed")
    assert [stage.reused for stage in oldest.stages] == [False] * len(first)
    assert [stage.reused for stage in newest.stages] == [True] * len(first)
    assert oldest.config["lake"]["root"] == str(tmp_path / "lake")
    assert oldest.expectations.status == "passed"
    assert oldest.peak_driver_bytes > 0
    # the local engine needs no session
    assert oldest.session_start_s == 0
    reports = list(tmp_path.glob("artifacts/runs/*/report.html"))
    assert [path.parent.name for path in reports] == [oldest.run_id]
    assert "orders_part" in reports[0].read_text()


def test_the_parameters_are_a_typed_form(tmp_path):
    answer = python(SCHEMA, folder=tmp_path)
    assert answer.status == 0, answer.err
    schema = answer.json
    assert schema["required"] == ["lake"]
    assert set(schema["properties"]) == {*LakebedConfig.model_fields, "to", "only"} - NOT_OF_RUNS
    first = sorted(schema["properties"], key=lambda name: schema["properties"][name]["position"])[:3]
    assert first == ["to", "only", "full"]
    assert all(field.get("description") for field in schema["properties"].values())
    for name, definition in schema["definitions"].items():
        assert definition["additionalProperties"] is False, name
        assert all(field.get("description") for field in definition["properties"].values()), name
    memory = schema["definitions"]["SparkConfig"]["properties"]["driver_memory_mib"]
    assert (memory["minimum"], memory["default"], memory["type"]) == (512, 1024, "integer")
    semantics = schema["definitions"]["ContainmentForm"]["properties"]["semantics"]
    assert semantics["enum"] == ["set", "bag"]
    assert schema["properties"]["containment"]["default"]["semantics"] == "set"
    assert "hash_key" not in json.dumps(schema)
    stages = schema["properties"]["to"]["anyOf"]
    assert [choice.get("enum") for choice in stages] == [list(STAGES), None]


def test_parameters_out_of_range_are_refused(tmp_path):
    answer = python(REFUSED, folder=tmp_path)
    assert answer.status == 0, answer.err
    unknown, small = answer.json
    assert "nope" in unknown
    assert "512" in small

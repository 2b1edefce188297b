"""The deployments' one definition, and the file written of it."""

import pytest
import yaml

from lakebed.artifacts import root_id
from lakebed.chain import STAGES
from lakebed.flows.deployment_limits import HEARTBEAT_S, MIN_SILENT_S
from lakebed.flows.deployments import DEPLOYMENTS, as_yaml
from tests.docs.pages import ROOT
from tests.flows.processes import python

ENTRYPOINTS = """
import json, sys
from lakebed.flows.deployments import DEPLOYMENTS
from prefect.flows import load_flow_from_entrypoint
load = lambda name: load_flow_from_entrypoint(name, use_placeholder_flow=False)
flows = {name: load(name) for name in {each.entrypoint for each in DEPLOYMENTS}}
for each in DEPLOYMENTS:
    flow = flows[each.entrypoint]
    assert flow.name == each.flow
    assert set(each.parameters) <= set(flow.parameters.properties), each
    assert flow.retries == 0, flow.name
print(json.dumps(sorted(flows)))
"""


def test_infra_prefect_yaml_is_in_step():
    wanted = "run: python -m lakebed.flows.deployments > infra/prefect.yaml"
    assert (ROOT / "infra" / "prefect.yaml").read_text() == as_yaml(), wanted


def test_the_file_shows_both_kinds_of_schedule_and_keeps_runs_of_a_root_apart():
    values = yaml.safe_load(as_yaml())
    assert values["pull"] == []
    assert [each["name"] for each in values["deployments"]] == [each.name for each in DEPLOYMENTS]
    schedules = [schedule for each in values["deployments"] for schedule in each.get("schedules", [])]
    assert {key for schedule in schedules for key in schedule} >= {"cron", "interval", "timezone"}
    pools = [each["work_pool"] for each in values["deployments"]]
    assert len({(pool["name"], pool["work_queue_name"]) for pool in pools}) == 1
    assert all(int(pool["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"]) >= 30 for pool in pools)


def test_each_stage_has_a_deployment_of_its_own_and_one_runs_all():
    assert {each.parameters["only"] for each in DEPLOYMENTS if "only" in each.parameters} == set(STAGES)
    assert [each.name for each in DEPLOYMENTS if each.is_scheduled] == ["chain"]
    assert len({each.name for each in DEPLOYMENTS}) == len(DEPLOYMENTS)
    assert DEPLOYMENTS[0].named("") == "chain" and DEPLOYMENTS[0].named("sales") == "chain-sales"
    assert MIN_SILENT_S >= 3 * HEARTBEAT_S


def test_roots_that_end_alike_have_queues_of_their_own():
    one, other = root_id("/data/lakebed"), root_id("/more/lakebed")
    assert one != other and one.startswith("lakebed-") and other.startswith("lakebed-")
    assert root_id("/data/lakebed/") != "" and "/" not in root_id("s3://b/ü x/%")


@pytest.mark.flow
def test_entry_points_are_modules_and_work_from_any_folder(tmp_path):
    answer = python(ENTRYPOINTS, folder=tmp_path)
    assert answer.status == 0, answer.err
    assert answer.json == ["lakebed.flows.approval.approval_flow", "lakebed.flows.lake.lake_flow"]

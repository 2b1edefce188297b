"""What the page on the architecture says of the way to a kernel and of a new stage is so."""

import importlib
import json
import re

import pyarrow as pa
import pytest

from lakebed.config import load_config
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactRef, ArtifactStore
from lakebed.tasks.runtime.contract import Column, Contract
from lakebed.tasks.runtime.definition import Inputs, KeyParts, StageDef, run_stage
from lakebed.tasks.runtime.stage import Stage, StageMetrics
from tests.docs.pages import ROOT, fenced
from tests.flows.lakes import write_parquet_lake
from tests.flows.processes import UNJUDGED, python

PAGE = ROOT / "docs" / "architecture.md"
MOST_HOPS = 10


def example_stage() -> StageDef:
    """The stage that the page shows."""
    names = {
        one.__name__: one
        for one in (ArtifactRef, Column, Contract, Inputs, InventoryConfig, KeyParts, Stage, StageDef, StageMetrics)
    }
    (code,) = [block for block in fenced(PAGE, "python") if "StageDef(" in block]
    exec(code, names | {"pa": pa}, found := {})  # noqa: S102 - a page of ours
    stage = found["FORMATS"]
    assert isinstance(stage, StageDef)
    return stage


def hops() -> list[str]:
    """The list of the page."""
    return re.findall(r"^\d+\. `(lakebed[\w.]*:\w+)`$", PAGE.read_text(), re.MULTILINE)


def test_the_example_stage_is_built_and_reused(tmp_path):
    write_parquet_lake(tmp_path / "lake")
    config = load_config(None, {"lake": {"root": str(tmp_path / "lake")}, "artifacts": str(tmp_path / "artifacts")})
    workspace, stage = config.workspace(), example_stage()
    inventory = run_stage(INVENTORY, Inputs.of(workspace))
    ref = run_stage(stage, Inputs.of(workspace, inventory))
    store = ArtifactStore(workspace.artifacts)
    (row,) = store.read(ref, "by_format").to_pylist()
    assert row["format"] == "parquet" and row["n_bytes"] > 0
    assert store.manifest(ref).inputs == (inventory,)
    assert stage.find(Inputs.of(workspace, inventory)) == ref
    assert run_stage(stage, Inputs.of(workspace, inventory)) == ref
    other = Inputs.of(workspace, inventory, InventoryConfig(max_driver_footers=3))
    assert stage.find(other) is None


# the tuple is all that changes; every list of stages follows
IN_THE_CHAIN = """
import json
from pathlib import Path
import lakebed
source = (Path(lakebed.__file__).parent / "chain.py").read_text()
changed = source.replace("INDEX, LINKS)", "INDEX, LINKS, FORMATS)")
assert changed != source
import lakebed.chain as chain
from tests.docs.test_architecture import example_stage
chain.FORMATS = example_stage()
exec(compile(changed, chain.__file__, "exec"), vars(chain))

from lakebed.config import load_config
from lakebed.flows.deployments import DEPLOYMENTS
from lakebed.flows.lake import TASKS, lake_flow
from lakebed.run import run_here
from lakebed.scope import RunScope
config = load_config(None, {"lake": {"root": "lake"}, "artifacts": "artifacts"})
with RunScope(config, "r1", ["x"]) as scope:
    run_here(scope, None, "formats")
    summaries = scope.summaries()
print(json.dumps({
    "task": TASKS["formats"].name,
    "choices": lake_flow.parameters.properties["only"]["anyOf"][0]["enum"],
    "deployed": [each.name for each in DEPLOYMENTS if each.parameters.get("only") == "formats"],
    "made": {name: dict(facts) for name, facts in summaries.items()}["formats"],
    "events": (Path("artifacts/runs/r1/openlineage.jsonl").read_text().count("run.formats")),
}))
"""


@pytest.mark.flow
def test_a_name_in_the_chain_makes_it_a_task_a_choice_and_a_deployment(tmp_path):
    write_parquet_lake(tmp_path / "lake")
    answer = python(IN_THE_CHAIN, folder=tmp_path)
    assert answer.status == 0, answer.err
    told = answer.json
    assert (told["task"], told["choices"][-1], told["deployed"]) == ("formats", "formats", ["only-formats"])
    assert told["made"] == {"formats": 1}
    assert told["events"] == 2


# Prefect runs flow and tasks in the thread of the caller, so their frames lie on one stack
WAY = """
import json, sys
from lakebed.flows.cli.run import run

found = []

def look(frame, event, _):
    if found or event != "call" or frame.f_globals.get("__name__") != "lakebed.tasks.containment.kernel.schema_graph":
        return
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("lakebed."):
            found.insert(0, f"{frame.f_globals['__name__']}:{frame.f_code.co_qualname}")
        frame = frame.f_back
    # the readings of text columns ask the kernel too, before
    if any("containment.asked:" in step for step in found):
        found.clear()

sys.setprofile(look)
run(lake="lake", artifacts="artifacts", to="containment", as_json=True)
sys.setprofile(None)
print(json.dumps(found))
"""


@pytest.mark.flow
@pytest.mark.spark
def test_the_way_from_the_verb_to_the_schema_kernel_is_short_and_as_the_page_lists_it(tmp_path):
    write_parquet_lake(tmp_path / "lake")
    answer = python(WAY, folder=tmp_path, **UNJUDGED)
    assert answer.status == 0, answer.err
    found = json.loads(answer.out.splitlines()[-1])
    assert found == hops()
    assert len(found) <= MOST_HOPS


def test_each_step_of_the_way_is_a_function_that_stands_where_its_name_says():
    for step in hops():
        module, _, name = step.partition(":")
        function = getattr(importlib.import_module(module), name)
        assert getattr(function, "__qualname__", name) == name

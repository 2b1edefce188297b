"""An incremental run makes what a full run makes, whatever has happened to the lake."""

import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from tests.tasks.containment.conftest import BASE
from tests.tasks.edits import EditedLake

pytestmark = pytest.mark.spark

N_ROUNDS = 5


def run_both(root, artifacts, config):
    """The two artifacts of a run, and the store they lie in."""
    workspace = Workspace(lake=LakeConfig(root=str(root)), artifacts=str(artifacts))
    inventory = run_stage(INVENTORY, Inputs.of(workspace, InventoryConfig()))
    return ArtifactStore(str(artifacts)), (inventory, run_stage(CONTAINMENT, Inputs.of(workspace, inventory, config)))


@pytest.mark.parametrize(
    ("seed", "semantics"), [(1, "set"), (2, "bag"), pytest.param(3, "set", marks=pytest.mark.heavy)]
)
def test_edits_give_what_a_full_run_gives(tmp_path, spark, seed, semantics):
    config = ContainmentConfig(semantics=semantics, rows_per_bucket=1 << 10, sketch_rows=16, hash_key="1d" * 32)
    lake = EditedLake(tmp_path / "lake", BASE, seed)
    run_both(lake.root, tmp_path / "artifacts", config)
    for number in range(N_ROUNDS):
        for _ in range(1 + number % 3):
            lake.edit()
        store, refs = run_both(lake.root, tmp_path / "artifacts", config)
        full, wanted = run_both(lake.root, tmp_path / f"full {number}", config)
        assert refs == wanted, lake.log
        for ref in refs:
            assert store.manifest(ref).summary == full.manifest(ref).summary
        for ref in refs:
            assert store.metrics(ref)["changes"]["tables_reused"] > 0, lake.log
        assert full.metrics(wanted[1])["changes"] == full.metrics(wanted[0])["changes"] == {}
        assert store.metrics(refs[1])["bytes_read"] < full.metrics(wanted[1])["bytes_read"], lake.log

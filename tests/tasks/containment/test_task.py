import pyarrow as pa
import pytest

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.inventory.stage import run_inventory
from lakebed.tasks.runtime.artifacts import ArtifactStore
from tests.tasks.containment.lakes import METADATA_ONLY, workspace_of, write_lake

pytestmark = pytest.mark.flow


def test_the_task_gives_the_stages_artifact(tmp_path):
    from lakebed.tasks.containment.task import build_containment

    write_lake(tmp_path / "lake", {"a": pa.table({"x": [1]}), "empty": pa.table({"x": pa.array([], pa.int64())})})
    workspace = workspace_of(tmp_path)
    inventory = run_inventory(workspace, METADATA_ONLY)
    ref = build_containment.fn(inventory, workspace, ContainmentConfig())
    assert ArtifactStore(workspace.artifacts).read(ref, "edges")["child"].to_pylist() == ["empty"]
    assert build_containment.fn(inventory, workspace, ContainmentConfig()) == ref

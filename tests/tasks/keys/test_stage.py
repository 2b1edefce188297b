"""From files to keys: inventory, lake graph and keys on a small lake, which needs no Spark."""

import pyarrow as pa

from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.keys.stage import KEYS
from lakebed.tasks.lakegraph.stage import LAKEGRAPH
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from tests.tasks.containment.lakes import workspace_of, write_lake
from tests.tasks.keys.lakes import SHOP_KEYS, shop


def test_files_become_keys(tmp_path):
    write_lake(tmp_path / "lake", shop() | {"shop/nothing": pa.table({"x": pa.nulls(3)})}, row_group_size=64)
    inputs = Inputs.of(workspace_of(tmp_path))
    for stage in (INVENTORY, LAKEGRAPH, KEYS):
        inputs = inputs.with_refs({**inputs.refs, stage.name: run_stage(stage, inputs)})
    store = ArtifactStore(inputs.workspace.artifacts)
    values = {row["node_id"]: row for row in store.read(inputs.ref("lakegraph"), "column_values").to_pylist()}
    assert {row["value_kind"] for row in values.values()} == {"int", "float", "text", "none"}
    assert all(len(row["folded"]) == 8 * row["n_folded"] for row in values.values())
    rows = store.read(inputs.ref("keys"), "foreign_keys").to_pylist()
    assert {(row["child"], row["column"], row["parent"], row["parent_column"]) for row in rows} == SHOP_KEYS
    primary = store.read(inputs.ref("keys"), "primary_keys").to_pylist()
    assert ("shop/products", ["product_id"]) in [(row["table"], row["columns"]) for row in primary]

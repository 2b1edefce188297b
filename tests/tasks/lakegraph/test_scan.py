"""The worker's side without Spark: what is read of a lake does not depend on how it is cut."""

import pyarrow as pa
import pytest

from lakebed.connectors.errors import ConfigError
from lakebed.tasks.containment.jobs import plan_sources
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.lakegraph.build import gather, scan_tables
from lakebed.tasks.lakegraph.config import EdgeTableConfig, LakeGraphConfig
from lakebed.tasks.lakegraph.kernel.samples import FloatRule
from lakebed.tasks.lakegraph.plan import capped, estimate, find_edge_table, plan_columns, scan_plan
from lakebed.tasks.lakegraph.scan import SampleTask
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.scan.splits import InventoryTables, pack_splits, plan_splits
from tests.tasks.containment.lakes import workspace_of, write_lake

TABLES = {
    "orders": pa.table(
        {"id": list(range(400)), "city": [f"c{i % 9}" for i in range(400)], "x": [i / 7 for i in range(400)]}
    ),
    "shop/towns": pa.table({"city": [f"c{i}" for i in range(5)], "nothing": pa.nulls(5)}),
}


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lake")
    write_lake(folder / "lake", TABLES, row_group_size=50)
    workspace = workspace_of(folder)
    inventory = run_stage(INVENTORY, Inputs.of(workspace, InventoryConfig(statistics_mib=0, statistics_share=0.0)))
    store = ArtifactStore(workspace.artifacts)
    tables = InventoryTables(*(store.read(inventory, name) for name in ("tables", "columns", "files")))
    return workspace, tables


def scanned(lake, n_tasks, n_kept=1 << 16, target=1 << 20):
    workspace, tables = lake
    columns = [column for column in plan_columns(tables, LakeGraphConfig()) if not column.left_out]
    tokens: dict[int, list[str]] = {}
    for column in columns:
        tokens.setdefault(column.table_id, []).append(column.token)
    plan, task = scan_plan(tokens, workspace, ""), SampleTask(n_kept, FloatRule("exact"))
    on_splits, _ = task.works()
    splits = plan_splits(tables, sorted(tokens), target)
    batches = [batch for mine in pack_splits(splits, n_tasks) for batch in on_splits(plan, mine)]
    return gather(pa.Table.from_batches(batches).to_pylist(), task)


@pytest.mark.parametrize(("n_tasks", "target"), [(1, 1 << 20), (3, 512), (8, 64)])
def test_samples_are_the_same_for_any_cut(lake, n_tasks, target):
    whole, cut = scanned(lake, 1, 100), scanned(lake, n_tasks, 100, target)
    assert whole.samples.keys() == cut.samples.keys()
    for key, sample in whole.samples.items():
        assert cut.samples[key].hashes.tolist() == sample.hashes.tolist()
        assert cut.samples[key].labels.equals(sample.labels)
    assert whole.samples[0, '["id"]'].is_cut
    assert whole.samples[0, '["city"]'].n_distinct == 9
    assert whole.bytes_read > 0


def test_a_file_that_is_gone_costs_its_table_only(tmp_path):
    write_lake(tmp_path / "lake", TABLES)
    workspace = workspace_of(tmp_path)
    inventory = run_stage(INVENTORY, Inputs.of(workspace, InventoryConfig(statistics_mib=0, statistics_share=0.0)))
    store = ArtifactStore(workspace.artifacts)
    tables = InventoryTables(*(store.read(inventory, name) for name in ("tables", "columns", "files")))
    (tmp_path / "lake" / "orders.parquet").write_bytes(b"PAR1 broken PAR1")
    found = scanned((workspace, tables), 2)
    assert set(found.errors) == {0}
    assert {table for table, _ in found.samples} == {1}


def test_nothing_to_read_asks_no_engine(lake):
    workspace, tables = lake
    plan = scan_plan({}, workspace, "")
    assert plan_sources(tables, plan) == []
    assert scan_tables(None, plan, [], [], SampleTask(1, FloatRule())).samples == {}


def test_the_plan_says_why_columns_are_out(lake):
    _, tables = lake
    out = {column.token: column.left_out for column in plan_columns(tables, LakeGraphConfig(floats="out"))}
    assert out['["id"]'] == ""
    assert "floats are left out" in out['["x"]']
    assert out['["nothing"]'] == "type null"


def test_the_estimate_bounds_the_values_by_the_budget(lake):
    _, tables = lake
    columns = plan_columns(tables, LakeGraphConfig())
    whole = estimate(tables, columns, LakeGraphConfig())
    assert (whole.n_values, whole.n_columns, whole.n_tables) == (400 * 3 + 5, 5, 2)
    tight = estimate(tables, columns, replace_budget(1_024))
    assert tight.n_kept < 400
    assert tight.n_values <= 1_024
    assert "at most" in tight.text()


def replace_budget(n):
    return LakeGraphConfig(value_budget=n)


def test_the_cap_fills_the_budget():
    import numpy as np

    sizes = np.array([10, 1_000, 100_000], np.int64)
    assert capped(sizes, 65_536, 1 << 30) == 65_536
    n = capped(sizes, 65_536, 5_000)
    assert np.minimum(sizes, n).sum() <= 5_000 < np.minimum(sizes, n + 1).sum()
    assert capped(sizes, 65_536, 1) == 16


def test_an_edge_table_is_found_or_near_names_are_told(lake):
    _, tables = lake
    table, task = find_edge_table(tables, EdgeTableConfig(table="orders", source="id", target="city"))
    assert (table, task.source, task.target, task.weight) == (0, '["id"]', '["city"]', "")
    with pytest.raises(ConfigError) as caught:
        find_edge_table(tables, EdgeTableConfig(table="order", source="id", target="city"))
    assert "orders" in caught.value.examples
    with pytest.raises(ConfigError, match="lacks a column"):
        find_edge_table(tables, EdgeTableConfig(table="orders", source="id", target="nowhere"))

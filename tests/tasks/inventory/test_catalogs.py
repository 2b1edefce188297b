"""Databases of the Spark catalog beside a folder of files."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.databases import CatalogConfig
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace

pytestmark = pytest.mark.spark

ROWS = "SELECT id, concat('n', id) AS name, CAST(id AS decimal(10, 2)) AS amount, id % 3 AS kind FROM range({})"


@pytest.fixture(scope="module")
def catalog(spark, tmp_path_factory):
    folder = tmp_path_factory.mktemp("warehouse")
    lake = tmp_path_factory.mktemp("lake")
    spark.sql(f"CREATE DATABASE mart LOCATION '{folder}'")
    spark.sql(f"CREATE TABLE mart.wide USING delta AS {ROWS.format(1000)}")
    spark.sql(f"CREATE TABLE mart.plain USING parquet AS {ROWS.format(300)}")
    spark.sql(f"CREATE TABLE mart.parts USING parquet PARTITIONED BY (kind) AS {ROWS.format(100)}")
    spark.sql(f"CREATE TABLE mart.columnar USING orc AS {ROWS.format(50)}")
    spark.sql(f"CREATE TABLE mart.here USING parquet LOCATION '{lake}/here' AS {ROWS.format(30)}")
    spark.sql("CREATE VIEW mart.seen AS SELECT * FROM mart.plain WHERE id < 20")
    few = pa.table({"id": pa.array(range(40), pa.int64()), "name": [f"n{i}" for i in range(40)]})
    pq.write_table(few, lake / "few.parquet")
    yield lake
    spark.sql("DROP DATABASE mart CASCADE")


def found(workspace):
    inventory = run_stage(INVENTORY, Inputs.of(workspace, InventoryConfig()))
    containment = run_stage(CONTAINMENT, Inputs.of(workspace, inventory, ContainmentConfig()))
    store = ArtifactStore(workspace.artifacts)
    tables = {row["name"]: row for row in store.read(inventory, "tables").to_pylist()}
    edges = {(row["child"], row["parent"]) for row in store.read(containment, "edges").to_pylist()}
    return inventory, tables, edges, store


def workspace_of(catalog, spark_config, tmp_path, **more):
    lake = LakeConfig(root=str(catalog), catalogs={"hive": CatalogConfig(databases=("mart",), **more)})
    return Workspace(lake=lake, artifacts=str(tmp_path / "artifacts"), spark=spark_config)


def test_tables_of_known_files_are_read_as_files_and_the_others_by_spark(catalog, spark, spark_config, tmp_path):
    workspace = workspace_of(catalog, spark_config, tmp_path)
    inventory, tables, edges, store = found(workspace)
    how = {name: (row["format"], row["read_via"], row["n_rows"]) for name, row in tables.items()}
    assert how == {
        "few": ("parquet", "arrow", 40),
        "here": ("parquet", "arrow", 30),
        "hive/mart.wide": ("delta", "arrow", 1000),
        "hive/mart.plain": ("parquet", "arrow", 300),
        "hive/mart.parts": ("catalog", "staged", 100),
        "hive/mart.columnar": ("catalog", "staged", 50),
    }
    bigger = ["here", "hive/mart.columnar", "hive/mart.parts", "hive/mart.plain", "hive/mart.wide"]
    chain = {(child, parent) for place, child in enumerate(bigger) for parent in bigger[place + 1 :]}
    assert edges == chain | {("few", parent) for parent in bigger[1:]}
    [view] = store.read(inventory, "unreadable").to_pylist()
    assert (view["name"], view["format"], view["reason"]) == ("hive/mart.seen", "view", "a view is not read")
    assert run_stage(INVENTORY, Inputs.of(workspace, InventoryConfig())) == inventory


def test_a_changed_table_is_read_again_and_the_others_are_not(catalog, spark, spark_config, tmp_path):
    workspace = workspace_of(catalog, spark_config, tmp_path)
    before, *_ = found(workspace)
    spark.sql("INSERT INTO mart.columnar SELECT 5000, 'other', 1.5, 1")
    try:
        after, tables, edges, store = found(workspace)
        assert after.key != before.key
        assert tables["hive/mart.columnar"]["n_rows"] == 51
        assert not any(child == "hive/mart.columnar" for child, _ in edges)
        changes = store.metrics(after)["changes"]
        assert (changes["tables_reused"], changes["tables_changed"]) == (5, 1)
        whole = run_stage(INVENTORY, Inputs.of(workspace.model_copy(update={"is_full": True}), InventoryConfig()))
        assert whole.digest == after.digest
    finally:
        spark.sql(f"INSERT OVERWRITE mart.columnar {ROWS.format(50)}")


def test_views_are_read_when_asked_for(catalog, spark, spark_config, tmp_path):
    _, tables, edges, _ = found(
        workspace_of(catalog, spark_config, tmp_path, views=True, include=("mart.seen", "mart.plain"))
    )
    assert tables["hive/mart.seen"]["n_rows"] == 20
    assert ("hive/mart.seen", "hive/mart.plain") in edges

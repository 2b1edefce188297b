"""The stage on Spark: all formats, reuse, and the same content as without Spark."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.data_samples.delta_log import SparkLikeDelta
from lakebed.data_samples.layouts import DeltaTable, HivePartitions, JsonLines, ParquetFile
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.relations.config import RelationsConfig
from lakebed.tasks.relations.stage import RELATIONS
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from tests.tasks.containment.conftest import BASE, N_ROWS, STRANGE, inventoried

SETTINGS = ContainmentConfig()


def related_tables():
    """A table, its rows in two others (one only Spark can read), a renamed part, partitions, a near miss."""
    renamed = BASE.slice(40, 90).drop_columns("day").rename_columns(["number", "town", "amount"])
    odd = pa.concat_tables([BASE.slice(60, 60), STRANGE])
    return {
        "whole": (BASE, ParquetFile(row_group_rows=64)),
        "first": (BASE.slice(0, 170), SparkLikeDelta(deleted=STRANGE)),
        "rest": (BASE.slice(150), DeltaTable(n_commits=2)),
        "renamed": (renamed, JsonLines()),
        "hive": (
            pa.concat_tables([BASE.slice(0, 80), STRANGE]).select(["id", "price", "day", "city"]),
            HivePartitions(("city",)),
        ),
        "near": (odd, ParquetFile()),
        "alone": (pa.table({"unlike any other": ["x"]}), ParquetFile()),
    }


@pytest.fixture(scope="module")
def lake(tmp_path_factory, spark):
    return inventoried(tmp_path_factory.mktemp("related"), related_tables())


@pytest.fixture(scope="module")
def run(lake):
    workspace = lake.workspace("set")
    containment = run_stage(CONTAINMENT, Inputs.of(workspace, lake.inventory, SETTINGS))
    ref = run_stage(RELATIONS, Inputs.of(workspace, lake.inventory, containment, RelationsConfig(), SETTINGS))
    return ArtifactStore(workspace.artifacts), ref, containment, workspace


def proven(run, kind):
    store, ref, *_ = run
    return [row for row in store.read(ref, "proven").to_pylist() if row["kind"] == kind]


@pytest.mark.spark
def test_a_union_over_a_table_that_only_spark_reads(run):
    (row,) = [row for row in proven(run, "union") if row["child"] == "whole"]
    assert sorted(row["parents"]) == ["first", "rest"]
    assert row["n_child_distinct"] == row["n_child_rows"] == N_ROWS
    certificate = json.loads(row["certificate"])
    assert certificate["child_rows_hash"] == certificate["matched_rows_hash"] != "0" * 64
    assert sum(certificate["n_rows_added_by_parent"]) == N_ROWS
    assert certificate["anti_join_count"] == 0


@pytest.mark.spark
def test_a_renamed_text_table(run):
    row = next(row for row in proven(run, "renamed") if row["parents"] == ["whole"])
    assert row["child"] == "renamed"
    assert json.loads(row["column_map"]) == {
        '["amount"]': '["price"]',
        '["number"]': '["id"]',
        '["town"]': '["city"]',
    }
    assert not row["coincidental"]


@pytest.mark.spark
def test_partitions_but_those_with_a_strange_row(run):
    parts = {row["child_part"] for row in proven(run, "partition") if row["parents"] == ["whole"]}
    assert parts == {f"city=city {number}" for number in range(7)} | {"city="}


@pytest.mark.spark
def test_near_miss_and_funnel(run):
    store, ref, *_ = run
    near = {(row["child"], row["parent"]): row for row in store.read(ref, "near").to_pylist()}
    assert near["near", "whole"]["n_missing"] == STRANGE.num_rows
    assert near["near", "whole"]["is_exact"]
    funnel = {(row["kind"], row["step"]): row["n"] for row in store.read(ref, "funnel").to_pylist()}
    assert funnel["union", "proven"] == len(proven(run, "union"))
    assert store.read(ref, "unstable").num_rows == 0
    assert not Path(store.folder("relations", ref.key), "scratch").exists()


@pytest.mark.spark
def test_the_artifact_is_reused_and_the_key_follows_the_kinds(run, lake):
    _, ref, containment, workspace = run
    opened = (workspace, lake.inventory, containment)
    assert run_stage(RELATIONS, Inputs.of(*opened, RelationsConfig(), SETTINGS)) == ref
    other = RELATIONS.open(Inputs.of(*opened, RelationsConfig(kinds=("near",)), SETTINGS))
    bag = RELATIONS.open(Inputs.of(*opened, RelationsConfig(), ContainmentConfig(semantics="bag")))
    assert len({ref.key, other.key, bag.key}) == 3


@pytest.mark.spark
def test_no_kind_reads_nothing(run, lake):
    _, _, containment, workspace = run
    ref = run_stage(RELATIONS, Inputs.of(workspace, lake.inventory, containment, RelationsConfig(kinds=()), SETTINGS))
    store = ArtifactStore(workspace.artifacts)
    assert all(store.read(ref, name).num_rows == 0 for name in ("proven", "refuted", "near", "funnel"))
    assert store.metrics(ref)["bytes_read"] == 0


@pytest.mark.spark
def test_a_table_that_changed_is_left_out(tmp_path, spark):
    tables = related_tables()
    made = inventoried(tmp_path, {name: tables[name] for name in ("whole", "rest", "near")})
    workspace = Workspace(lake=LakeConfig(root=str(tmp_path / "lake")), artifacts=str(tmp_path / "artifacts"))
    containment = run_stage(CONTAINMENT, Inputs.of(workspace, made.inventory, SETTINGS))
    (tmp_path / "lake" / "near.parquet").write_bytes(b"no longer Parquet")
    ref = run_stage(RELATIONS, Inputs.of(workspace, made.inventory, containment, RelationsConfig(), SETTINGS))
    store = ArtifactStore(workspace.artifacts)
    assert store.read(ref, "unstable")["name"].to_pylist() == ["near"]
    assert "near" not in store.read(ref, "near")["child"].to_pylist()

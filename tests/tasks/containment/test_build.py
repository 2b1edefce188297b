import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.data_samples.layouts import DeltaTable, ParquetFile
from lakebed.tasks.containment import search
from lakebed.tasks.containment.config import ContainmentConfig, SampledConfig
from lakebed.tasks.scan.splits import pack_splits
from tests.tasks.containment.conftest import BASE, inventoried, mixed_tables, pairs_of
from tests.tasks.containment.lakes import true_pairs

pytestmark = pytest.mark.spark

TABLES = {name: data for name, (data, _) in mixed_tables().items()}


def test_edges_of_all_formats_are_those_of_the_oracle(mixed_run):
    store, ref = mixed_run
    edges = store.read(ref, "edges")
    assert pairs_of(edges) == true_pairs(TABLES)
    assert set(edges["semantics"].to_pylist()) == {"set"}
    assert store.read(ref, "unstable").num_rows == 0


def test_edges_of_bags_are_those_of_the_oracle(mixed_lake):
    store, ref = mixed_lake.run("bag", ContainmentConfig(semantics="bag"))
    found = pairs_of(store.read(ref, "edges"))
    assert found == true_pairs(TABLES, "bag")
    assert ("twice", "orders") in true_pairs(TABLES) - found


def test_certificates_agree_with_what_was_counted(mixed_run):
    store, ref = mixed_run
    for edge in store.read(ref, "edges").to_pylist():
        certificate = json.loads(edge["certificate"])
        if "by_definition" in certificate:
            continue
        child = TABLES[edge["child"]]
        distinct = child.group_by(child.column_names).aggregate([]).num_rows
        assert certificate["child_rows_hash"] == certificate["matched_rows_hash"] != "0" * 64
        assert (certificate["n_child_rows"], certificate["n_child_distinct"]) == (child.num_rows, distinct)
        assert (edge["n_child_rows"], edge["n_child_distinct"]) == (child.num_rows, distinct)
        assert edge["n_parent_rows"] == TABLES[edge["parent"]].num_rows
        assert (certificate["anti_join_count"], certificate["child"]["name"]) == (0, edge["child"])
        assert certificate["false_proof_bound_log2"] < -100


@pytest.mark.parametrize("n_tasks", [1, 8])
def test_the_number_of_tasks_changes_no_digest(mixed_lake, mixed_run, monkeypatch, n_tasks):
    monkeypatch.setattr(search, "share_splits", lambda splits, *_: pack_splits(splits, n_tasks))
    _, ref = mixed_lake.run(f"{n_tasks} tasks", ContainmentConfig())
    assert ref == mixed_run[1]


def test_buckets_and_unlisted_pairs_change_no_edge(mixed_lake, mixed_run):
    store, ref = mixed_run
    config = ContainmentConfig(rows_per_bucket=1 << 10, max_listed_pairs=0, sketch_rows=16)
    other_store, other = mixed_lake.run("buckets", config)
    assert other_store.read(other, "edges").equals(store.read(ref, "edges"))
    summary = other_store.manifest(other).summary
    assert summary["are_near_misses_complete"] is False
    assert summary["proven"] == store.manifest(ref).summary["proven"]


def test_strict_types_hold_across_formats_of_the_same_types(mixed_lake):
    store, ref = mixed_lake.run("strict", ContainmentConfig(strict_types=True))
    assert pairs_of(store.read(ref, "edges")) == true_pairs(TABLES)


@pytest.mark.parametrize("reading", ["rows", "columns"])
def test_sampled_mode_loses_no_true_edge_and_proves_none(mixed_lake, reading):
    config = ContainmentConfig(mode="sampled", sampled=SampledConfig(n_rows=20, n_columns=2, reading=reading))
    store, ref = mixed_lake.run(f"sampled {reading}", config)
    edges, candidates = store.read(ref, "edges"), store.read(ref, "candidates").to_pylist()
    assert set(edges["coincidental_reason"].to_pylist()) == {"empty", "all-null"}
    names = store.read(mixed_lake.inventory, "tables").sort_by("table_id")["name"].to_pylist()
    passed = {
        (names[row["child_id"]], names[row["parent_id"]]) for row in candidates if row["verdict"] == "passed_sample"
    }
    assert true_pairs(TABLES) <= passed | pairs_of(edges)
    assert ("crossed", "orders") not in passed or reading == "columns"


def changed_lake(folder):
    """An inventory of three copies, one of which changed after it was taken."""
    data = pa.table({"x": list(range(50)), "y": [f"y{row}" for row in range(50)]})
    lake = inventoried(folder, {name: (data, ParquetFile()) for name in ("a", "b", "moved")})
    path = folder / "lake" / "moved.parquet"
    pq.write_table(data.slice(0, 49), path)
    os.utime(path, ns=(1, 1))
    return lake


def test_a_file_that_changed_costs_its_edges(tmp_path, spark):
    lake = changed_lake(tmp_path)
    store, ref = lake.run("lenient", ContainmentConfig())
    assert pairs_of(store.read(ref, "edges")) == {("a", "b"), ("b", "a")}
    (row,) = store.read(ref, "unstable").to_pylist()
    assert row["name"] == "moved"
    assert "moved.parquet" in row["reason"]


def test_a_file_that_changed_ends_a_strict_run(tmp_path, spark):
    lake = changed_lake(tmp_path)
    with pytest.raises(SourceError, match="moved"):
        lake.run("strict", ContainmentConfig(), strict=True)


def test_everything_broken_is_not_fatal(tmp_path, spark):
    data = pa.table({"x": [1, 2, 3]})
    lake = inventoried(tmp_path, {"a": (data, ParquetFile()), "b": (data, DeltaTable())})
    for path in (tmp_path / "lake").rglob("*.parquet"):
        path.write_bytes(path.read_bytes()[:9])
    store, ref = lake.run("broken", ContainmentConfig())
    assert store.read(ref, "edges").num_rows == 0
    assert store.read(ref, "unstable")["name"].to_pylist() == ["a", "b"]


def test_a_lake_of_one_table_starts_no_job(tmp_path):
    lake = inventoried(tmp_path, {"one": (BASE, ParquetFile())})
    store, ref = lake.run("one", ContainmentConfig())
    assert store.read(ref, "edges").num_rows == 0
    assert store.read(ref, "funnel")["n_pairs"].to_pylist() == [0, 0, 0, 0]
    assert store.metrics(ref)["bytes_read"] == 0

import os
import shutil

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.databases import IcebergConfig
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.copies import equal_copies
from lakebed.tasks.retention.problem import catalog_signs, load_problem
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.scan.splits import InventoryTables
from tests.iceberg_tables import HandMade, column
from tests.tasks.retention.lakes import BASE, contained_lake

AGES = pa.table({"age": pa.array([row % 40 for row in range(200)], pa.int64())})


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    wide = AGES.append_column("name", pa.array([f"n{row}" for row in range(200)]))
    tables = {
        "all": BASE,
        "part": BASE.slice(0, 50),
        "ages": AGES.slice(0, 30),
        "people": wide,
        "none": BASE.slice(0, 0),
    }
    return contained_lake(tmp_path_factory.mktemp("problem"), tables)


def load(lake, **values):
    workspace, *refs = lake
    return load_problem(ArtifactStore(workspace.artifacts), tuple(refs), RetentionConfig.model_validate(values))


def statuses(problem):
    names = problem.tables.names
    edges = problem.edges
    pairs = zip(edges.child.tolist(), edges.parent.tolist(), edges.status, strict=True)
    return {(names[child], names[parent]): status for child, parent, status in pairs}


def test_what_stands_against_each_edge(lake):
    assert statuses(load(lake)) == {
        ("part", "all"): "",
        ("ages", "people"): "coincidental",
        ("none", "all"): "by_definition",
        ("none", "part"): "by_definition",
    }
    assert statuses(load(lake, include_coincidental=True))["ages", "people"] == ""
    assert statuses(load(lake, include_coincidental=True))["none", "all"] == "by_definition"
    assert statuses(load(lake, pins={"veto": ["part"]}))["part", "all"] == "pinned"
    assert statuses(load(lake, pins={"veto": ["all"]}))["part", "all"] == ""
    assert statuses(load(lake, attributes={"part": {"owner": "x"}}))["part", "all"] == "attributes"
    assert statuses(load(lake, max_rebuild_s=0.0))["part", "all"] == "latency"


def test_the_reason_names_what_differs(lake):
    problem = load(lake, attributes={"part": {"owner": "x"}})
    assert "owner is 'x', the parent's ''" in problem.edges.reason


def test_reading_only_the_childs_columns_is_cheaper_than_the_whole_parent(lake):
    problem = load(lake, include_coincidental=True)
    names = problem.tables.names
    seconds = dict(zip([names[child] for child in problem.edges.child], problem.edges.seconds, strict=True))
    whole = problem.tables.n_bytes[names.index("people")] / 1e6
    assert seconds["ages"] < 5.0 + whole / 100.0 + whole / 50.0


def test_the_graph_holds_pins_costs_and_numbers(lake):
    problem = load(lake, pins={"veto": ["part"]})
    graph = problem.graph(np.flatnonzero(problem.is_usable))
    assert graph.is_pinned.tolist() == [name == "part" for name in problem.tables.names]
    assert len(graph.child) == 0
    graph = load(lake).graph(np.array([3]))
    assert graph.number.tolist() == [0]


def test_of_copied_delta_tables_the_log_tells_which_was_first(tmp_path):
    """Both were compacted at one time: their data files are of one age, their first commits are not."""
    day = 86_400
    first = tmp_path / "lake" / "z" / "readings"
    first.parent.mkdir(parents=True)
    write_deltalake(str(first), BASE)
    shutil.copytree(first, tmp_path / "lake" / "a" / "readings")
    for name, time in {"z": 100 * day, "a": 200 * day}.items():
        for file in (tmp_path / "lake" / name).rglob("*"):
            written = 300 * day if file.suffix == ".parquet" else time
            os.utime(file, (written, written))
    workspace, *refs = contained_lake(tmp_path, {"other": AGES})
    store = ArtifactStore(workspace.artifacts)
    ranked = load_problem(store, tuple(refs), RetentionConfig(), workspace.lake.root)
    assert statuses(ranked) == {("a/readings", "z/readings"): "", ("z/readings", "a/readings"): "lesser_keeper"}
    times = {one.name: one.first_written_ns for one in ranked.tables.standings}
    assert (times["z/readings"], times["a/readings"]) == (100 * day * 10**9, 200 * day * 10**9)
    unread = load_problem(store, tuple(refs), RetentionConfig())
    assert set(statuses(unread).values()) == {""}
    shutil.rmtree(first / "_delta_log")
    assert set(statuses(load_problem(store, tuple(refs), RetentionConfig(), workspace.lake.root)).values()) == {
        "",
        "lesser_keeper",
    }


def test_copies_are_edges_both_ways_of_as_many_rows_that_are_no_coincidence(tmp_path):
    tables = {"a": BASE, "b": BASE, "twice": pa.concat_tables([BASE, BASE]), "part": BASE.slice(0, 9)}
    workspace, *refs = contained_lake(tmp_path, {**tables, "none": BASE.slice(0, 0), "nothing": BASE.slice(0, 0)})
    problem = load_problem(ArtifactStore(workspace.artifacts), tuple(refs), RetentionConfig())
    names, edges = problem.tables.names, problem.edges
    pairs = {(names[edges.child[edge]], names[edges.parent[edge]]) for edge in problem.edges.copies.tolist()}
    assert pairs == {("a", "b"), ("b", "a")}
    assert equal_copies(problem) == [[names.index("a"), names.index("b")]]


def test_which_iceberg_tables_a_catalog_may_keep(tmp_path):
    counts, kept = (HandMade(tmp_path / name, [column(1, "id", "long")]) for name in ("counts", "kept"))
    kept.name = "0000{n}-uuid.metadata.json"
    for table in (counts, kept):
        table.commit(table.data(pa.table({"id": [1]})))
    rows = [
        {"table_id": n, "format": "iceberg", "path": name, "name": name} for n, name in enumerate(("counts", "kept"))
    ]
    read = InventoryTables(pa.Table.from_pylist(rows), pa.table({}), pa.table({}))
    lake = LakeConfig(root=str(tmp_path))
    assert {table: "called as a catalog" in sign for table, sign in catalog_signs(read, lake).items()} == {1: True}
    assert catalog_signs(read, lake.model_copy(update={"unmanaged": ("ke*",)})) == {}
    silent = IcebergConfig(properties={"type": "sql", "uri": f"sqlite:///{tmp_path}/no/such.db"})
    signs = catalog_signs(read, lake.model_copy(update={"iceberg": {"prod": silent}, "unmanaged": ("*",)}))
    assert [("does not answer" in sign) for sign in signs.values()] == [True, True]
    assert catalog_signs(read, None).keys() == {0, 1}

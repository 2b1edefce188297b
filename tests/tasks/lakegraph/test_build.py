import pyarrow as pa
import pytest

from lakebed.connectors.errors import GraphError, SourceError
from lakebed.data_samples.layouts import CsvFile, ParquetFile
from lakebed.tasks.lakegraph import build as lakegraph_build
from lakebed.tasks.lakegraph.config import EdgeTableConfig, LakeGraphConfig
from lakebed.tasks.lakegraph.stage import LAKEGRAPH
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.scan.splits import pack_splits
from tests.tasks.containment.conftest import BASE, inventoried, mixed_tables


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return inventoried(tmp_path_factory.mktemp("graph"), mixed_tables())


def build(lake, name, config=None, **options):
    workspace = lake.workspace(name, **options)
    ref = run_stage(LAKEGRAPH, Inputs.of(workspace, lake.inventory, config or LakeGraphConfig()))
    return ArtifactStore(workspace.artifacts), ref


def test_tables_of_every_format_meet_in_their_values(lake):
    store, ref = build(lake, "all")
    nodes, edges = store.read(ref, "nodes").to_pylist(), store.read(ref, "edges").to_pylist()
    assert [node["node_id"] for node in nodes] == list(range(len(nodes)))
    key = [node["key"] for node in nodes]
    others = {'node:name:["city"]'} | {f"table:{name}" for name in mixed_tables()}
    city = {
        name: {key[e["target"]] for e in edges if key[e["source"]] == f'column:["{name}","city"]'} - others
        for name in ("orders", "copy", "text/csv", "deleted", "hive")
    }
    distinct = len(set(BASE["city"].to_pylist()) - {None})
    assert all(len(values) == distinct for values in city.values())
    assert len(set.union(*city.values())) == distinct
    facts = {key[row["node_id"]]: row for row in store.read(ref, "graph_columns").to_pylist()}
    assert facts['column:["orders","city"]']["n_distinct"] == distinct
    summary = store.manifest(ref).summary
    assert summary["tables"] == len(mixed_tables())
    assert summary["nodes"] == len(nodes)


@pytest.mark.parametrize("n", [1, 7])
def test_the_number_of_tasks_changes_no_digest_and_reuse_finds_it(lake, monkeypatch, n):
    _, ref = build(lake, "all")
    monkeypatch.setattr(lakegraph_build, "share_splits", lambda splits, *_: pack_splits(splits, n))
    _, other = build(lake, f"{n} tasks", LakeGraphConfig())
    assert other == ref
    assert LAKEGRAPH.open(Inputs.of(lake.workspace("all"), lake.inventory, LakeGraphConfig())).reuse() == ref
    assert (
        LAKEGRAPH.open(Inputs.of(lake.workspace("all"), lake.inventory, LakeGraphConfig(floats="out"))).reuse() is None
    )


def test_an_edge_table_becomes_the_graph(tmp_path, spark):
    rows = {"user": [1, 1, 2, 3, None], "item": ["a", "b", "a", "a", "a"], "stars": [1.0, 2.0, 3.0, 4.0, 5.0]}
    lake = inventoried(tmp_path, {"ratings": (pa.table(rows), CsvFile()), "other": (BASE, ParquetFile())})
    wanted = EdgeTableConfig(table="ratings", source="user", target="item", weight="stars", is_bipartite=True)
    store, ref = build(lake, "edges", LakeGraphConfig(edge_table=wanted))
    edges = store.read(ref, "edges")
    assert sorted(edges["weight"].to_pylist()) == [1.0, 2.0, 3.0, 4.0]
    assert store.read(ref, "nodes")["kind"].to_pylist() == ["node"] * 5
    assert store.manifest(ref).summary["rows_without_key"] == 1
    with pytest.raises(SourceError, match="more rows than a graph"):
        build(lake, "small", LakeGraphConfig(edge_table=wanted, max_edges=3))
    loops = EdgeTableConfig(table="ratings", source="user", target="stars")
    assert build(lake, "loops", LakeGraphConfig(edge_table=loops))
    with pytest.raises(GraphError, match="no edge"):
        same = pa.table({"a": [1, 2], "b": [1, 2]})
        build(inventoried(tmp_path / "2", {"same": (same, ParquetFile())}), "x",
              LakeGraphConfig(edge_table=EdgeTableConfig(table="same", source="a", target="b")))  # fmt: skip


def test_a_broken_table_is_fatal_only_when_strict(tmp_path, spark):
    lake = inventoried(tmp_path, {"a": (BASE, ParquetFile()), "b": (BASE, ParquetFile())})
    path = tmp_path / "lake" / "a.parquet"
    path.write_bytes(path.read_bytes()[:50])
    store, ref = build(lake, "lenient")
    assert store.manifest(ref).summary["unreadable_tables"] == 1
    left_out = store.read(ref, "graph_columns")["left_out"].to_pylist()
    assert sum(1 for why in left_out if why) == BASE.num_columns
    with pytest.raises(SourceError, match="could not be read"):
        build(lake, "strict", strict=True)


def test_views_of_text_are_text(tmp_path):
    """As Parquet files of delta-rs say of their columns."""
    names = {"plain": pa.string(), "view": pa.string_view()}
    tables = {
        name: pa.table({"t": pa.array(["a", None, "b"], kind), "l": pa.array([["x"], None, ["y"]], pa.list_(kind))})
        for name, kind in names.items()
    }
    store, ref = build(inventoried(tmp_path, {name: (table, ParquetFile()) for name, table in tables.items()}), "views")
    columns = store.read(ref, "graph_columns")
    assert columns["n_shared"].to_pylist() == [2, 2, 2, 2]


def test_an_empty_lake_has_an_empty_graph(tmp_path):
    lake = inventoried(tmp_path, {"empty": (BASE.slice(0, 0), ParquetFile())})
    store, ref = build(lake, "empty")
    summary = store.manifest(ref).summary
    assert (summary["tables"], summary["values"]) == (1, 0)

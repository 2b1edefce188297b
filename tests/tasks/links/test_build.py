import json
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load

from lakebed.tasks.links.contract import CARD, MODELS
from lakebed.tasks.links.stage import LINKS
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import run_stage
from tests.tasks.links.artifacts import SMALL, links_inputs, publish_edge_graph, publish_lake_graph, workspace


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    space = workspace(tmp_path_factory.mktemp("lake"))
    graph = publish_lake_graph(space)
    return space, graph, run_stage(LINKS, links_inputs(space, graph, SMALL))


@pytest.fixture(scope="module")
def edges(tmp_path_factory):
    space = workspace(tmp_path_factory.mktemp("edges"))
    graph = publish_edge_graph(space)
    return space, graph, run_stage(LINKS, links_inputs(space, graph, SMALL))


def read(made, table):
    return ArtifactStore(made[0].artifacts).read(made[2], table)


def read_file(made, name):
    store = ArtifactStore(made[0].artifacts)
    with store.storage.open(f"links/{made[2].key}/{name}") as stream:
        return stream.read()


@pytest.mark.parametrize("name", ["lake", "edges"])
def test_the_ladder_finds_what_is_there(name, request):
    made = request.getfixturevalue(name)
    rows = read(made, "rungs").to_pylist()
    figures = {(row["rung"], row["setting"], row["metric"]): row["value"] for row in rows}
    assert figures["stack", "random", "auc"] > (0.9 if name == "lake" else 0.75)
    assert 0 < figures["stack", "hard", "mrr"] <= figures["stack", "random", "mrr"]
    absent = {"fastrp_features_cosine", "smoothed_one_hop", "smoothed_two_hops"}
    absent |= set() if name == "lake" else {"best_columns", "metapath"}
    for setting in ("random", "hard"):
        assert {rung for rung, of, _ in figures if of == setting} == set(SMALL.rungs) - absent


def test_predictions_on_a_lake_are_unlinked_pairs_of_one_kind(lake):
    nodes = ArtifactStore(lake[0].artifacts).read(lake[1], "nodes").sort_by("node_id").to_pylist()
    rows = read(lake, "predictions").to_pylist()
    assert rows
    for row in rows:
        assert nodes[row["source"]]["kind"] == nodes[row["target"]]["kind"] == row["kind"] in {"column", "table"}
        assert row["source"] < row["target"]
        assert json.loads(row["evidence"])["shared_values"] >= 2
        assert "shared values" in row["why"]
    chances = [row["chance"] for row in rows]
    assert chances == sorted(chances, reverse=True)
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))


def test_columns_of_one_table_are_never_predicted(lake):
    rows = [row for row in read(lake, "predictions").to_pylist() if row["kind"] == "column"]
    columns = ArtifactStore(lake[0].artifacts).read(lake[1], "graph_columns").to_pylist()
    table_of = {row["node_id"]: row["table_node"] for row in columns}
    assert all(table_of[row["source"]] != table_of[row["target"]] for row in rows)


def test_predictions_on_an_edge_table_are_no_edges(edges):
    known = {tuple(pair) for pair in zip(*known_edges(edges), strict=True)}
    rows = read(edges, "predictions").to_pylist()
    assert len(rows) == SMALL.n_predictions
    assert not known & {(row["source"], row["target"]) for row in rows}
    inside = [row["source"] // 20 == row["target"] // 20 for row in rows]
    assert np.mean(inside) > 0.6


def known_edges(made):
    table = ArtifactStore(made[0].artifacts).read(made[1], "edges")
    return table["source"].to_pylist(), table["target"].to_pylist()


@pytest.mark.parametrize("name", ["lake", "edges"])
def test_node_metrics_and_deciles_cover_the_asked_nodes(name, request):
    made = request.getfixturevalue(name)
    nodes, deciles = read(made, "node_metrics"), read(made, "deciles").to_pylist()
    assert sum(row["n_nodes"] for row in deciles) == nodes.num_rows == read(made, "vectors").num_rows
    assert [row["decile"] for row in deciles] == list(range(10))
    assert sum(row["n_measured"] for row in deciles) > 0
    for setting in ("mrr_random", "mrr_hard"):
        assert any(row[setting] is not None for row in deciles)


def test_the_models_and_the_card_are_files_of_the_artifact(edges):
    arrays = load(read_file(edges, MODELS))
    assert {"gcn/layer_0.neighbours", "sage/layer_1.self", "stack/weight", "calibration/bias"} <= set(arrays)
    card = read_file(edges, CARD).decode()
    assert card.count("| stack |") == 2
    assert "beside hard others" in card and "listwise stack's MRR on validation" in card
    assert str(edges[0].artifacts) not in card


@pytest.mark.parametrize("name", ["lake", "edges"])
def test_vectors_beyond_their_memory_give_the_same_artifact(name, request, tmp_path):
    _, _, whole = request.getfixturevalue(name)
    space = workspace(tmp_path)
    graph = publish_lake_graph(space) if name == "lake" else publish_edge_graph(space)
    parted = run_stage(LINKS, links_inputs(space, graph, SMALL.model_copy(update={"feature_memory_bytes": 2000})))
    assert (parted.key, parted.digest) == (whole.key, whole.digest)
    assert not list((tmp_path / "artifacts").glob("checkpoints/links/*"))


def test_it_is_reused_and_its_checkpoints_are_gone(lake):
    space, graph, ref = lake
    assert LINKS.open(links_inputs(space, graph, SMALL)).reuse() == ref
    assert not list((root_of(space) / "checkpoints" / "links").iterdir())
    other = SMALL.model_copy(update={"n_hops": 1})
    assert LINKS.open(links_inputs(space, graph, other)).reuse() is None
    drifting = SMALL.model_copy(update={"gnn": SMALL.gnn.model_copy(update={"allow_drift": True})})
    assert LINKS.open(links_inputs(space, graph, drifting)).reuse() == ref


def root_of(space):
    return Path(space.artifacts)


def test_the_same_graph_gives_the_same_digest(lake, tmp_path):
    space = workspace(tmp_path)
    assert run_stage(LINKS, links_inputs(space, publish_lake_graph(space))).digest == lake[2].digest


@pytest.mark.parametrize(
    ("tables", "why"),
    [
        ({"a": {"x": [1, 2, 3]}, "b": {"y": [7, 8]}}, "no two columns"),
        ({"a": {"x": list(range(50))}, "b": {"y": list(range(50))}}, "too few pairs|not enough pairs"),
    ],
)
def test_a_lake_with_too_few_links_gets_empty_tables_and_the_reason(tmp_path, tables, why):
    space = workspace(tmp_path)
    graph = publish_lake_graph(space, tables)
    ref = run_stage(LINKS, links_inputs(space, graph, SMALL))
    store = ArtifactStore(space.artifacts)
    assert store.read(ref, "predictions").num_rows == store.read(ref, "rungs").num_rows == 0
    assert re.search(why, store.manifest(ref).summary["untrained"])
    assert LINKS.open(links_inputs(space, graph, SMALL)).reuse() == ref


def test_a_relation_without_edges_gets_empty_tables_and_the_reason(tmp_path):
    space = workspace(tmp_path)
    ref = run_stage(LINKS, links_inputs(space, publish_edge_graph(space, n_groups=0)))
    store = ArtifactStore(space.artifacts)
    assert store.read(ref, "predictions").num_rows == 0
    assert "too few edges" in store.manifest(ref).summary["untrained"]


def test_a_lake_with_too_little_to_learn_from_still_tells_what_has_evidence(tmp_path):
    space = workspace(tmp_path)
    towns = [f"town {k}" for k in range(30)]
    tables = {"shop/orders": {"town": towns * 2}, "shop/towns": {"town": towns, "people": list(range(30))}}
    ref = run_stage(LINKS, links_inputs(space, publish_lake_graph(space, tables)))
    store = ArtifactStore(space.artifacts)
    assert store.manifest(ref).summary["untrained"]
    rows = store.read(ref, "predictions").sort_by("rank").to_pylist()
    assert [row["kind"] for row in rows] == ["column", "table"]
    assert "30 shared values, 100% of the smaller column's" in rows[0]["why"]

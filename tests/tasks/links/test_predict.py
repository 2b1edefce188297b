import json

import numpy as np
import pyarrow as pa
import pytest

from lakebed.tasks.links.build import read_columns
from lakebed.tasks.links.config import GnnConfig, LinksConfig, SplitConfig
from lakebed.tasks.links.contract import PREDICTIONS
from lakebed.tasks.links.fit import fit_links, inputs_on
from lakebed.tasks.links.kernel.neighbours import adjacency
from lakebed.tasks.links.predict import edge_predictions, lake_predictions
from lakebed.tasks.links.stage import LINKS
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.checks import check_table
from tests.tasks.links.artifacts import SMALL, links_inputs, publish_lake_graph, workspace
from tests.tasks.links.graphs import communities
from tests.tasks.links.kernel.test_lake_evidence import SHOP

CONFIG = LinksConfig(
    split=SplitConfig(valid_share=0.1),
    gnn=GnnConfig(n_hidden=8, n_epochs=4, patience=4),
    projection_columns=16,
    n_tails=10,
    n_candidates=5,
    n_predictions=40,
)


def test_a_lake_tells_columns_and_tables_with_evidence_and_why(tmp_path):
    space = workspace(tmp_path)
    graph = publish_lake_graph(space, SHOP)
    stage = LINKS.open(links_inputs(space, graph, SMALL))
    store = ArtifactStore(space.artifacts)
    nodes = store.read(graph, "nodes").sort_by("node_id")
    read = read_columns(stage, graph)
    labels = nodes["label"].to_pylist()
    key = np.array([[labels.index("shop/orders.town"), labels.index("shop/towns.town")]])
    rows = check_table(PREDICTIONS, lake_predictions(read, key, nodes, SMALL)).to_pylist()
    assert {(row["kind"], row["source_label"], row["target_label"]) for row in rows} == {
        ("column", "shop/goods.code", "shop/orders.code"),
        ("column", "shop/orders.town", "shop/towns.town"),
        ("table", "shop/goods", "shop/orders"),
        ("table", "shop/orders", "shop/towns"),
    }
    for row in rows:
        figures = json.loads(row["evidence"])
        assert figures["shared_values"] >= 2 and figures["share"] == 1.0
        assert figures["found_key"] is (row["target_label"].startswith("shop/towns"))
        assert row["why"].startswith(("code = code: ", "town = town: ")) is (row["kind"] == "table")
    assert [row["chance"] for row in rows] == sorted((row["chance"] for row in rows), reverse=True)
    few = lake_predictions(read, key, nodes, SMALL.model_copy(update={"n_predictions": 1}))
    assert few.to_pylist() == rows[:1]


@pytest.fixture(scope="module")
def trained():
    edges, n = communities()
    shown = edges[np.random.default_rng(0).permutation(len(edges))[: int(0.8 * len(edges))]]
    fitted = fit_links(shown, n, CONFIG)
    nodes = pa.table({"kind": ["node"] * n, "label": [str(k) for k in range(n)]})
    known = np.sort(shown, axis=1)
    table = edge_predictions(fitted, inputs_on(fitted, adjacency(shown, n), CONFIG), known, nodes, CONFIG)
    return edges, known, check_table(PREDICTIONS, table).to_pylist()


def test_of_an_edge_table_chances_are_those_of_candidates(trained):
    edges, known, rows = trained
    pairs = {(row["source"], row["target"]) for row in rows}
    assert len(pairs) == CONFIG.n_predictions
    assert not pairs & {tuple(pair) for pair in known.tolist()}
    # a fifth of the edges is missing, so among likely candidates some are; as many links as others would say far more
    hit = np.mean([pair in {tuple(edge) for edge in edges.tolist()} for pair in pairs])
    chance = np.mean([row["chance"] for row in rows])
    assert 0.02 < chance < 0.6
    assert abs(chance - hit) < 0.3


def test_of_an_edge_table_the_reasons_are_the_rungs_that_stand_out(trained):
    row = trained[2][0]
    names = {name.replace("_", " ") for name in json.loads(row["evidence"])}
    told = row["why"].split("; ")
    assert len(told) == 3
    assert all(part.rpartition(" ")[0] in names for part in told)

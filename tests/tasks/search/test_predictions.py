"""What a link predictor says is told among the reasons, and never needed."""

import shutil
from pathlib import Path

import pytest

from lakebed.artifacts import search_refs
from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.search.lake_search import LakeSearch
from lakebed.tasks.search.model import Neighbour
from tests.tasks.search.lakes import publish_lake, publish_predictions, record_run

PAIRS = [
    ("table", "orders", "towns", 0.9),
    ("column", "orders.city", "towns.town", 0.8),
    ("column", "orders.id", "towns.people", 0.7),
    ("column", "noise/01.word", "towns.town", 0.6),
]


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    root = tmp_path_factory.mktemp("predicted")
    store, refs = publish_lake(root)
    space = Workspace(lake=LakeConfig(root=str(root / "lake")), artifacts=str(root))
    links = publish_predictions(space, refs["lakegraph"], PAIRS, store.read(refs["lakegraph"], "nodes"))
    return root, store, refs, links


def why_of(search, table, other, k=30):
    return next(one.why for one in search.similar(table, k) if one.name == other)


def test_a_predicted_link_is_a_reason_with_its_chance(lake):
    _, store, refs, links = lake
    search = LakeSearch(store, {**refs, "links": links})
    for table, other in (("orders", "towns"), ("towns", "orders")):
        why = why_of(search, table, other)
        assert why["predicted_link"] == 0.9
        assert [pair["chance"] for pair in why["predicted_columns"]] == [0.8, 0.7]
    assert why["predicted_columns"][0] == {"column": "town", "in": "city", "chance": 0.8}
    assert "predicted link 90%; predicted town = city 80%" in Neighbour("table", "", None, why).why_text()
    assert why_of(search, "orders", "orders_2024")["predicted_link"] is None
    by_name = {one.name: one.why["predicted_link"] for one in search.joinable("towns.town", 30)}
    assert by_name["orders.city"] == 0.8
    assert by_name["orders_2024.city"] is None


def test_without_a_predictor_there_are_none_and_the_order_is_the_same(lake):
    _, store, refs, links = lake
    plain, told = LakeSearch(store, refs), LakeSearch(store, {**refs, "links": links})
    assert why_of(plain, "orders", "towns")["predicted_link"] is None
    assert why_of(plain, "orders", "towns")["predicted_columns"] == []
    assert "predicted" not in Neighbour("table", "", None, why_of(plain, "orders", "towns")).why_text()
    assert [one.name for one in plain.similar("orders", 20)] == [one.name for one in told.similar("orders", 20)]


def test_links_of_an_earlier_run_count_while_the_lake_graph_is_the_same(lake):
    root, _, refs, links = lake
    assert "links" not in search_refs(str(root))[1]
    trained = {"lakegraph": refs["lakegraph"], "links": links}
    record_run(root, trained, "20251231T000000-bbbbbb", "2025-12-31T00:00:00+00:00")
    assert search_refs(str(root))[1]["links"] == links
    other = refs["lakegraph"].model_copy(update={"key": "0" * 64})
    record_run(root, {**refs, "lakegraph": other}, "20260102T000000-cccccc", "2026-01-02T00:00:00+00:00")
    assert "links" not in search_refs(str(root))[1]


def test_a_damaged_links_artifact_takes_nothing_but_its_reasons(lake, tmp_path):
    root, _, refs, links = lake
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    for path in Path(copy / "links" / links.key / "predictions").rglob("*.parquet"):
        path.write_bytes(b"damaged")
    store = type(lake[1])(str(copy))
    why = why_of(LakeSearch(store, {**refs, "links": links}), "orders", "towns")
    assert why["predicted_link"] is None
    assert why["columns"]

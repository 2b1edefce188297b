"""The benchmark's own arithmetic."""

import pyarrow as pa

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.index.config import IndexConfig
from lakebed.tasks.runtime.contract import Column, Contract
from lakebed.tasks.runtime.stage import Stage, StageMetrics, StageSpec
from lakebed.tasks.runtime.workspace import Workspace
from tests.benchmarks.vectors import parents_found
from tests.tasks.search.lakes import publish_lake

EDGES = Contract(
    name="edges",
    version=1,
    meaning="As containment publishes them.",
    columns=(
        Column("child", pa.string(), "child"),
        Column("parent", pa.string(), "parent"),
        Column("coincidental", pa.bool_(), "chance"),
    ),
    key=("child", "parent"),
)


def test_shares_are_of_the_tables_that_are_contained_not_by_coincidence(tmp_path):
    store, refs = publish_lake(tmp_path)
    space = Workspace(lake=LakeConfig(root=str(tmp_path / "lake")), artifacts=str(tmp_path))
    rows = {
        "child": ["orders_2024", "towns", "noise/00"],
        "parent": ["orders", "no such table", "noise/01"],
        "coincidental": [False, False, True],
    }
    stage = Stage(StageSpec("containment", 1, {"edges": EDGES}), inputs=[], config=IndexConfig(), workspace=space)
    edges = stage.publish({"edges": pa.table(rows, schema=EDGES.arrow_schema())}, {}, StageMetrics())
    found = parents_found(store, edges, refs["index"])
    assert found["contained_tables"] == 2
    assert found["parent_among_10"] == 0.5
    assert 0.05 <= found["mrr"] <= 0.5
    assert (found["source"], found["drawn"], found["dim"]) == ("fastrp", 0, 32)

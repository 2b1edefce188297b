"""The stage on a lake graph's artifact, and what is asked of it."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from lakebed.answers import Answers
from lakebed.config import load_config
from lakebed.connectors.errors import ArtifactError, ConfigError
from lakebed.tables import lake_tables
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.keys.config import KeysConfig
from lakebed.tasks.lakegraph.stage import LAKEGRAPH
from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.sections import topics as section
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.topics.config import TopicsConfig
from lakebed.tasks.topics.stage import TOPICS
from tests.flows.cli.test_main import ended
from tests.tasks.containment.lakes import workspace_of, write_lake
from tests.tasks.keys.lakes import shop
from tests.tasks.links.artifacts import publish_edge_graph, publish_lake_graph, workspace
from tests.tasks.search.lakes import HOSTILE, record_run

SHOP = {"shop/customers", "shop/lines", "shop/orders", "shop/products"}


def lake_of(folder, tables, *config):
    """The artifact root of a run that reached topics."""
    space = workspace(folder)
    lakegraph = publish_lake_graph(space, tables)
    ref = run_stage(TOPICS, Inputs.of(space, lakegraph, *config))
    record_run(folder / "artifacts", {"lakegraph": lakegraph, "topics": ref})
    return str(folder / "artifacts")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A shop from its files: inventory, lake graph, topics."""
    folder = tmp_path_factory.mktemp("topics")
    copy = {"backup/orders_2": shop()["shop/orders"]}
    write_lake(folder / "lake", shop() | copy | {"shop/nothing": pa.table({"x": pa.nulls(3)})}, row_group_size=64)
    inputs = Inputs.of(workspace_of(folder))
    for stage in (INVENTORY, LAKEGRAPH, TOPICS):
        inputs = inputs.with_refs({**inputs.refs, stage.name: run_stage(stage, inputs)})
    record_run(Path(inputs.workspace.artifacts), dict(inputs.refs))
    assert TOPICS.find(inputs) == inputs.ref("topics")
    without = inputs.with_refs({name: ref for name, ref in inputs.refs.items() if name != "topics"})
    assert TOPICS.open(without).reuse() == inputs.ref("topics")
    for other in (TopicsConfig(min_chance=0.9), KeysConfig(model="rule")):
        assert TOPICS.open(Inputs.of(without.workspace, *without.refs.values(), other)).reuse() is None
    return str(inputs.workspace.artifacts)


def test_files_become_topics(root):
    found = Answers(root).topics()
    assert {row.table for row in found if row.topic == 0} == SHOP | {"backup/orders_2"}
    assert {row.name for row in found if row.topic > 0} == {"weather", "nothing"}
    assert all(row.path[-1] == row.name for row in found)
    assert {row.table for row in found.of("shop/lines")} == SHOP | {"backup/orders_2"}
    (together, *alone) = found.groups
    assert together.n_tables == 5 and together.folders == ("shop", "backup")
    assert "order" in together.name.split() and [group.n_tables for group in alone] == [1, 1]
    with pytest.raises(ConfigError) as caught:
        found.of("shop/line")
    assert "shop/lines" in caught.value.examples


def leaves(tree):
    return [tree["table"]] if "table" in tree else [name for child in tree["children"] for name in leaves(child)]


def test_the_tree_as_json_and_newick(root):
    found = Answers(root).topics()
    tree = found.tree()
    assert sorted(leaves(tree)) == sorted(row.table for row in found) and tree["n_tables"] == len(found)
    (shop_node,) = [child for child in tree["children"] if child.get("n_tables") == 5]
    assert shop_node["topic"] == 0 and shop_node["height"] > tree["height"] == 0
    copies = [node.parent for node in found.nodes if node.name in {"backup/orders_2", "shop/orders"}]
    assert len(copies) == 2 and len(set(copies)) == 1
    text = found.newick()
    assert text.endswith(";") and text.count("(") == text.count(")")
    assert all(f"'{row.table}':" in text for row in found)


def test_the_verb(root, capsys):
    status, out, _ = ended(capsys, "topics", "--artifacts", root, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and len(rows) == 7 and list(rows[0]) == ["table", "topic", "path", "name"]
    status, out, _ = ended(capsys, "topics", "--artifacts", root)
    assert status == 0 and "1 topic of several tables" in out and "shop, backup" in out
    assert "2 tables with no likely key" in out
    status, out, _ = ended(capsys, "topics", "shop/lines", "--artifacts", root)
    assert status == 0 and "backup/orders_2" in out and "weather" not in out
    status, out, _ = ended(capsys, "topics", "--tree", "json", "--artifacts", root)
    assert status == 0 and sorted(leaves(json.loads(out)))[0] == "backup/orders_2"
    status, out, _ = ended(capsys, "topics", "--tree", "newick", "--artifacts", root)
    assert status == 0 and out.strip().endswith(";")
    status, out, _ = ended(capsys, "topics", "shop/x", "--artifacts", root, "--json")
    assert status == 2 and json.loads(out)["error"] == "ConfigError"


def test_tables_name_their_topic(root):
    settings = load_config(None, {"lake": {"root": str(Path(root).parent / "lake")}, "artifacts": root})
    told = {row.name: row.topic for row in lake_tables(settings)}
    assert told["shop/lines"] == told["backup/orders_2"] != told["other/weather"] == "weather"


def test_the_report_says_the_same(root):
    from lakebed.artifacts import newest_refs

    tiles, charts, listing, _ = section.section(*newest_refs(root, "topics"), ReportConfig()).blocks
    assert tiles.tiles[0].value == "1" and tiles.tiles[1].value == "5"
    spec = json.dumps(charts.charts[0].spec)
    assert '"topic": "weather"' in spec and '"tables": 5' in spec
    (row,) = listing.rows
    assert row[2] == "5" and row[5] == "shop, backup"


def test_a_run_that_did_not_come_so_far(tmp_path):
    with pytest.raises(ArtifactError, match="topics"):
        Answers(str(tmp_path)).topics()


def test_a_lake_without_keys_has_a_topic_for_each_table(tmp_path, capsys):
    root = lake_of(tmp_path, {"a": {"x": [1.5, 2.5]}, "b/c": {"y": ["q"]}})
    assert [(row.table, row.topic, row.path) for row in Answers(root).topics()] == [
        ("a", 0, ("a",)),
        ("b/c", 1, ("c",)),
    ]
    status, out, _ = ended(capsys, "topics", "--artifacts", root)
    assert status == 0 and "2 tables with no likely key to another" in out


def test_one_table(tmp_path):
    found = Answers(lake_of(tmp_path, {"f/only": {"x": [1, 2, 3]}})).topics()
    assert [(row.topic, row.path) for row in found] == [(0, ("only",))]
    assert found.tree() == {"table": "f/only", "topic": 0} and found.newick() == "'f/only';"


def test_a_thousand_equal_tables_are_one_topic(tmp_path):
    columns = {"customer_id": list(range(30)), "city": [f"c{n % 7}" for n in range(30)]}
    found = Answers(lake_of(tmp_path, {f"f/t{n:04d}": columns for n in range(1000)})).topics()
    assert {row.topic for row in found} == {0} and len(found) == 1000
    assert {"customer", "city"} <= set(found[0].name.split())
    assert found.tree()["n_tables"] == 1000


def test_an_edge_table_has_no_topics(tmp_path, capsys):
    space = workspace(tmp_path)
    lakegraph = publish_edge_graph(space)
    ref = run_stage(TOPICS, Inputs.of(space, lakegraph))
    assert ArtifactStore(space.artifacts).read(ref, "topics").num_rows == 0
    record_run(tmp_path / "artifacts", {"lakegraph": lakegraph, "topics": ref})
    found = Answers(str(tmp_path / "artifacts")).topics()
    assert found.tree() == {} and found.newick() == ";"
    status, out, _ = ended(capsys, "topics", "--artifacts", str(tmp_path / "artifacts"))
    assert status == 0 and "no tables" in out


def test_hostile_names_break_no_tree(tmp_path, capsys):
    bad = "a'b);(\n"
    root = lake_of(tmp_path, {bad: {"id": [1, 2]}, HOSTILE: {"it's": ["x"]}})
    text = Answers(root).topics().newick()
    assert "''" in text and "\n" not in text
    status, out, _ = ended(capsys, "topics", bad, "--artifacts", root)
    assert status == 0 and len(out.splitlines()) < 8

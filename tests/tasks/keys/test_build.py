"""The stage on a lake graph's artifact, and what is asked of it."""

import json

import pyarrow as pa
import pytest

from lakebed.answers import Answers
from lakebed.connectors.errors import ArtifactError, ConfigError
from lakebed.tasks.keys.config import KeysConfig
from lakebed.tasks.keys.stage import KEYS
from lakebed.tasks.report.config import ReportConfig
from lakebed.tasks.report.sections import keys as section
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from tests.flows.cli.test_main import ended
from tests.tasks.keys.lakes import SHOP_KEYS, shop
from tests.tasks.links.artifacts import publish_lake_graph, workspace
from tests.tasks.search.lakes import record_run


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    space = workspace(folder)
    tables = {name: table.to_pydict() for name, table in shop().items()}
    lakegraph = publish_lake_graph(space, tables)
    ref = run_stage(KEYS, Inputs.of(space, lakegraph))
    assert KEYS.find(Inputs.of(space, lakegraph)) == ref
    assert KEYS.find(Inputs.of(space, lakegraph, KeysConfig(model="rule"))) is None
    record_run(folder / "artifacts", {"lakegraph": lakegraph, "keys": ref})
    return str(folder / "artifacts")


def test_keys_of_the_lake_and_of_a_table(root):
    found = Answers(root).keys()
    assert {(one.child, one.column, one.parent, one.parent_column) for one in found} == SHOP_KEYS
    assert found.model == "trees"
    assert all(0.32 <= one.chance <= 1 and not one.is_across for one in found)
    (product,) = [one for one in found if one.column == "product"]
    assert product.is_folded and "folded" in product.why and "stand in shop/products.product_id" in product.why
    (line,) = [one for one in found if one.child == "shop/lines"]
    assert not line.is_folded and "names are the same" in line.why
    assert {(one.child, one.parent) for one in found.of("shop/lines")} == {("shop/lines", "shop/orders")}
    assert ("shop/customers", ("customer_id",)) in {(one.table, one.columns) for one in found.primary}
    with pytest.raises(ConfigError) as caught:
        found.of("shop/line")
    assert "shop/lines" in caught.value.examples


def test_whole_numbers_of_cut_columns_are_called_equal_as_they_stand(tmp_path):
    """A parent of more values than a column keeps: what was cut away says nothing of folding."""
    space = workspace(tmp_path)
    tables = {
        "shop/goods": {"goods_id": list(range(200_000)), "town": [n % 7 for n in range(200_000)]},
        "shop/sales": {"goods_id": list(range(0, 200_000, 20)), "n": [n % 5 for n in range(10_000)]},
    }
    lakegraph = publish_lake_graph(space, tables)
    ref = run_stage(KEYS, Inputs.of(space, lakegraph))
    rows = ArtifactStore(space.artifacts).read(ref, "foreign_keys").to_pylist()
    (key,) = [row for row in rows if row["child"] == "shop/sales" and row["column"] == "goods_id"]
    assert key["share"] == 1.0 and not key["is_folded"] and "folded" not in key["why"]


def test_ways_to_join(root):
    (way,) = Answers(root).keys().paths("shop/lines", "shop/customers")
    assert way.n_keys == 2
    assert way.steps == (
        "shop/lines.order_id = shop/orders.order_id", "shop/orders.customer_id = shop/customers.customer_id"
    )  # fmt: skip
    back = Answers(root).keys().paths("shop/customers", "shop/lines")[0]
    assert back.steps[0] == "shop/customers.customer_id = shop/orders.customer_id"
    assert not Answers(root).keys().paths("shop/lines", "other/weather")


def test_diagrams(root):
    found = Answers(root).keys()
    lines = found.mermaid().splitlines()
    assert lines[0] == "erDiagram"
    assert '    "shop/orders" }o--|| "shop/customers" : "customer_id"' in lines
    assert "        int order_id PK" in lines
    assert "        text product FK" in lines
    assert not any("weather" in line for line in lines)
    dbml = found.dbml()
    assert 'Ref: "shop/lines"."order_id" > "shop/orders"."order_id"' in dbml
    assert '  "product_id" text [pk]' in dbml


def test_the_verb(root, capsys):
    status, out, _ = ended(capsys, "keys", "--artifacts", root, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0 and len(rows) == len(SHOP_KEYS)
    assert list(rows[0]) == ["child", "column", "parent", "parent_column", "chance", "why"]
    status, out, _ = ended(capsys, "keys", "shop/lines", "--artifacts", root)
    assert status == 0 and "shop/orders.order_id" in out and "primary keys" in out
    status, out, _ = ended(capsys, "keys", "shop/lines", "--to", "shop/products", "--artifacts", root, "--json")
    assert json.loads(out)["n_keys"] == 2
    status, out, _ = ended(capsys, "keys", "--erd", "mermaid", "--artifacts", root)
    assert out.startswith("erDiagram\n")
    status, out, _ = ended(capsys, "keys", "--to", "shop/products", "--artifacts", root, "--json")
    assert status == 2 and json.loads(out)["error"] == "ConfigError"


def test_the_report_says_the_same(root):
    made = section.section(*_refs(root), ReportConfig())
    foreign = made.blocks[1]
    assert len(foreign.rows) == foreign.n_all == len(SHOP_KEYS)


def _refs(root):
    from lakebed.artifacts import newest_refs

    return newest_refs(root, "keys")


def test_a_run_that_did_not_come_so_far(tmp_path):
    with pytest.raises(ArtifactError, match="keys"):
        Answers(str(tmp_path)).keys()


def test_the_rule_is_named_where_it_decides(tmp_path, capsys):
    space = workspace(tmp_path)
    lakegraph = publish_lake_graph(space, {"a": {"id": [1, 2, 3]}, "b": {"a_id": [1, 1, 2]}})
    ref = run_stage(KEYS, Inputs.of(space, lakegraph, KeysConfig(model="rule")))
    record_run(tmp_path / "artifacts", {"lakegraph": lakegraph, "keys": ref})
    status, out, _ = ended(capsys, "keys", "--artifacts", str(tmp_path / "artifacts"))
    assert status == 0 and "the fixed rule decided" in out
    made = section.section(*_refs(str(tmp_path / "artifacts")), ReportConfig())
    assert "The fixed rule decided" in made.blocks[-1].text


def test_hostile_names_break_no_diagram(tmp_path):
    space = workspace(tmp_path)
    bad = 'a"b\n}'
    lakegraph = publish_lake_graph(space, {bad: {"id": list(range(9))}, "b": {f"{bad}_id": [*range(9)] * 2}})
    ref = run_stage(KEYS, Inputs.of(space, lakegraph, KeysConfig(min_chance=0.01)))
    record_run(tmp_path / "artifacts", {"lakegraph": lakegraph, "keys": ref})
    found = Answers(str(tmp_path / "artifacts")).keys()
    for text in (found.mermaid(), found.dbml()):
        assert all(line.count('"') % 2 == 0 for line in text.splitlines())


def test_an_edge_table_has_no_keys(tmp_path):
    from tests.tasks.links.artifacts import publish_edge_graph

    space = workspace(tmp_path)
    ref = run_stage(KEYS, Inputs.of(space, publish_edge_graph(space)))
    store = ArtifactStore(space.artifacts)
    assert store.read(ref, "foreign_keys").num_rows == 0
    assert isinstance(store.read(ref, "primary_keys"), pa.Table)

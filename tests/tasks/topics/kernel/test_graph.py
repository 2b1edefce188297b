"""The graph of tables: keys join them, whatever their folders."""

import numpy as np
import pyarrow as pa

from lakebed.tasks.keys.kernel.features import ColumnFacts
from lakebed.tasks.keys.kernel.rule import rule_chances
from lakebed.tasks.topics.kernel.cosines import table_cosines
from lakebed.tasks.topics.kernel.graph import table_graph
from tests.tasks.keys.lakes import lake, shop


def edges(tables, least=0.05):
    found = lake(tables)
    graph = table_graph(ColumnFacts.of(found), rule_chances, least)
    return {(found.tables[a], found.tables[b]) for a, b in zip(graph.a.tolist(), graph.b.tolist(), strict=True)}, graph


def test_tables_of_a_shop_hang_together_in_any_folder():
    expected = {("customers", "orders"), ("lines", "orders"), ("orders", "products")}
    found, graph = edges(shop())
    assert {tuple(name.partition("/")[2] for name in pair) for pair in found} == expected
    moved = {f"{place}/{name.partition('/')[2]}": table for place, (name, table) in enumerate(shop().items())}
    apart, _ = edges(moved)
    assert {frozenset(name.partition("/")[2] for name in pair) for pair in apart} == set(map(frozenset, expected))
    assert (graph.weight > 0).all() and (graph.weight <= 1).all() and (graph.a < graph.b).all()


def test_of_equal_targets_the_table_that_is_more_alike_is_chosen():
    ids = list(range(500, 560))
    towns = [f"town {n}" for n in range(60)]
    tables = {
        "a/clients": pa.table({"client_id": ids, "town": towns, "mayor": towns}),
        "b/clients": pa.table({"client_id": ids, "colour": [f"c{n}" for n in range(60)]}),
        "a/bills": pa.table({"client_id": [*ids, *ids], "town": [*towns, *towns], "bill": list(range(120))}),
    }
    found = lake(tables)
    graph = table_graph(ColumnFacts.of(found), rule_chances, 0.05)
    weight = {(found.tables[a], found.tables[b]): w for a, b, w in zip(graph.a, graph.b, graph.weight, strict=True)}
    assert weight["a/bills", "a/clients"] > weight.get(("a/bills", "b/clients"), 0.0)


def test_cosines():
    same = {"k": list(range(30)), "w": [f"x{n}" for n in range(30)]}
    facts = ColumnFacts.of(lake({"p": pa.table(same), "q": pa.table(same), "r": pa.table({"z": [0.5, 1.5]})}))
    left, right = np.array([0, 0, 1]), np.array([1, 2, 0])
    found = table_cosines(facts, left, right)
    assert found[0] == found[2] and 0.6 < found[0] < 1 and found[1] == 0
    assert len(table_cosines(facts, left[:0], right[:0])) == 0


def test_no_columns_and_no_values():
    assert edges({"a": pa.table({"x": pa.nulls(3)}), "b": pa.table({"y": pa.nulls(2)})})[0] == set()

import json

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.lakegraph.config import LakeGraphConfig
from lakebed.tasks.lakegraph.kernel.samples import FloatRule, sample_values
from lakebed.tasks.lakegraph.kernel.values import LakeColumn, lake_graph

PLAIN = LakeGraphConfig(names=False)


def column(table, name, values, left_out=""):
    return LakeColumn(table, (name,), sample_values(pa.array(values), 1 << 20, FloatRule("exact")), left_out)


def edges_by_key(found):
    keys = found.graph.nodes.key.to_pylist()
    edges = found.graph.edges
    return {
        (keys[s], keys[t]): (w, k)
        for s, t, w, k in zip(
            edges.source.tolist(), edges.target.tolist(), edges.weight.tolist(), edges.kind.to_pylist(), strict=True
        )
    }


def neighbours(found, table, name):
    """Labels of the values of a column."""
    nodes = found.graph.nodes
    mine = nodes.key.to_pylist().index("column:" + json.dumps([table, name], separators=(",", ":")))
    edges = found.graph.edges
    targets = edges.target[edges.source == mine].tolist()
    kinds, labels = nodes.kind.to_pylist(), nodes.label.to_pylist()
    return {labels[t] for t in targets if kinds[t] == "value"}


def test_values_of_two_columns_become_nodes_and_others_do_not():
    found = lake_graph(["a", "b"], [column("a", "x", ["u", "v", "w"]), column("b", "y", ["v", "w", "z"])], PLAIN)
    assert neighbours(found, "a", "x") == neighbours(found, "b", "y") == {"v", "w"}
    assert found.graph.nodes.kind.to_pylist() == ["column"] * 2 + ["table"] * 2 + ["value"] * 2
    assert found.columns.n_shared.tolist() == [2, 2]


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), st.lists(st.integers(0, 9), max_size=8), max_size=9
    )
)
def test_ids_are_dense_in_key_order_and_edges_sorted_unique(lake):
    columns = [column(table, name, values) for (table, name), values in lake.items()]
    found = lake_graph(sorted({table for table, _ in lake}), columns, LakeGraphConfig())
    keys = found.graph.nodes.key.to_pylist()
    assert keys == sorted(set(keys))
    pairs = list(zip(found.graph.edges.source.tolist(), found.graph.edges.target.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    assert all(s < t for s, t in pairs)
    for (table, name), values in lake.items():
        others = {v for key, other in lake.items() if key != (table, name) for v in other}
        assert neighbours(found, table, name) == {str(v) for v in set(values) & others}


def test_the_order_of_columns_does_not_count():
    columns = [column("a", "x", [1, 2, 3]), column("b", "x", [1.0, 2.0]), column("b", "y", [3])]
    one, two = lake_graph(["a", "b"], columns, PLAIN), lake_graph(["b", "a"], columns[::-1], PLAIN)
    assert one.graph.nodes.label.equals(two.graph.nodes.label)
    assert edges_by_key(one) == edges_by_key(two)


def test_names_of_two_columns_connect_them():
    columns = [column("a", "id", ["p"]), column("b", "id", ["q"]), column("b", "alone", ["r"])]
    found = lake_graph(["a", "b"], columns, LakeGraphConfig())
    named = {key for key, (_, kind) in edges_by_key(found).items() if kind == "column_name"}
    assert named == {('column:["a","id"]', 'node:name:["id"]'), ('column:["b","id"]', 'node:name:["id"]')}


def test_flags_frequent_values_and_columns_left_out():
    columns = [column(name, "flag", [0, 1]) for name in "abc"] + [column(name, "id", [7, 8, 9]) for name in "ab"]
    found = lake_graph(list("abc"), columns, LakeGraphConfig(min_distinct=3, names=False))
    assert neighbours(found, "a", "flag") == set()
    assert "2 distinct values" in found.columns.left_out[0]
    found = lake_graph(list("abc"), columns, LakeGraphConfig(max_value_columns=2, names=False))
    assert found.n_frequent == 2
    assert neighbours(found, "a", "id") == {"7", "8", "9"}
    assert neighbours(found, "a", "flag") == set()
    out = [column("a", "x", ["u"], "why"), column("b", "x", ["u"])]
    assert neighbours(lake_graph(["a", "b"], out, PLAIN), "b", "x") == set()


def test_damping_weighs_by_the_number_of_columns():
    columns = [column(name, "x", ["u"]) for name in "abcd"]
    found = lake_graph(list("abcd"), columns, LakeGraphConfig(damping=0.5, names=False))
    assert {w for w, kind in edges_by_key(found).values() if kind == "column_value"} == {0.5}


def test_a_lake_without_shared_values_and_an_empty_one():
    found = lake_graph(["a", "b"], [column("a", "x", [1]), column("b", "y", [2])], PLAIN)
    assert set(found.graph.edges.kind.to_pylist()) == {"table_column"}
    empty = lake_graph([], [], PLAIN)
    assert (len(empty.graph.nodes.key), len(empty.graph.edges.source)) == (0, 0)


def test_one_value_with_two_texts_has_the_lesser_label_and_names_are_no_syntax():
    name = '<script>"\n'
    columns = [column(name, "x", [1.5, 2.5]), column("b", name, ["1.5"]), column("c", "x", [1.5])]
    found = lake_graph([name, "b", "c"], columns, PLAIN)
    assert neighbours(found, "c", "x") == {"1.5"}
    assert f"table:{name}" in found.graph.nodes.key.to_pylist()

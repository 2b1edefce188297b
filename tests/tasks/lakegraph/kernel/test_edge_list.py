import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.errors import GraphError
from lakebed.connectors.lake.leaves import LeafArray
from lakebed.tasks.lakegraph.kernel.edge_list import edge_list_graph
from lakebed.tasks.lakegraph.scan import EdgeTask, edge_bytes, edge_part, edges_of


def part(source, target, weight=None):
    cells = {"s": LeafArray(pa.array(source, pa.int64()), None), "t": LeafArray(pa.array(target, pa.int64()), None)}
    if weight is not None:
        cells["w"] = LeafArray(pa.array(weight), None)
    return edges_of(EdgeTask("s", "t", "w" if weight is not None else ""), cells)


def graph_of(parts, **options):
    return edge_list_graph(parts, ("user", "item"), **{"is_bipartite": False, "is_weighted": False, **options})


def labelled(found):
    labels = found.graph.nodes.label.to_pylist()
    edges = found.graph.edges
    return {
        tuple(sorted((labels[s], labels[t]))): w
        for s, t, w in zip(edges.source.tolist(), edges.target.tolist(), edges.weight.tolist(), strict=True)
    }


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=30), st.integers(1, 9))
def test_a_simple_graph_comes_out_however_the_table_is_cut(pairs, size):
    wanted = {tuple(sorted((str(a), str(b)))) for a, b in pairs if a != b}
    parts = [part(*zip(*pairs[i : i + size], strict=True)) for i in range(0, len(pairs), size)]
    if not wanted:
        with pytest.raises(GraphError):
            graph_of(parts)
        return
    found = graph_of(parts[::-1])
    assert set(labelled(found)) == wanted
    keys = found.graph.nodes.key.to_pylist()
    assert keys == sorted(set(keys))
    assert found.n_loops == sum(a == b for a, b in pairs)
    assert found.n_loops + found.n_repeats + len(wanted) == len(pairs)


def test_weights_are_summed_and_rows_without_a_key_counted():
    found = graph_of([part([1, 2, None, 1], [2, 1, 3, 3], [0.5, 1.0, 9.0, None])], is_weighted=True)
    assert labelled(found) == {("1", "2"): 1.5}
    assert found.n_without_key == 2


def test_equal_keys_of_users_and_items_are_two_nodes():
    found = graph_of([part([1, 1], [1, 2])], is_bipartite=True)
    assert len(found.graph.nodes.key) == 3
    assert len(found.graph.edges.source) == 2


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_weights_that_are_none_are_refused(weight):
    with pytest.raises(GraphError, match="no usable weight"):
        graph_of([part([1], [2], [weight])], is_weighted=True)


def test_no_rows_are_no_graph():
    with pytest.raises(GraphError, match="no edge"):
        graph_of([])


def test_parts_survive_their_bytes():
    one = part([1, 2, 5], [2, 3, None], [1.0, 2.0, 3.0])
    back = edge_part(edge_bytes(one))
    assert np.array_equal(back.source, one.source)
    assert np.array_equal(back.target, one.target)
    assert np.array_equal(back.weight, one.weight)
    assert back.target_keys.labels.equals(one.target_keys.labels)
    assert back.n_rows == 3

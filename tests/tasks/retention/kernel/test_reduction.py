import numpy as np

from lakebed.tasks.retention.kernel.model import retention_graph
from lakebed.tasks.retention.kernel.reduction import local_choice, reduce_graph


def reduced(keep, pins, edges):
    child, parent, cost = (np.array(part) for part in zip(*edges, strict=True))
    graph = retention_graph(np.array(keep, float), np.array(pins), (child, parent, cost.astype(float)))
    return graph, reduce_graph(graph)


def test_a_table_without_a_cheap_edge_is_fixed_and_a_sure_parent():
    graph, found = reduced([5, 4, 3], [False] * 3, [(0, 1, 9.0), (1, 2, 1.0), (2, 0, 3.0)])
    assert found.is_fixed.tolist() == [True, False, True]
    assert found.sure_cost.tolist() == [np.inf, 1.0, np.inf]
    assert len(found.edges) == 0
    assert local_choice(graph, found).tolist() == [True, False, True]


def test_pinned_tables_are_fixed():
    _, found = reduced([5, 5], [True, False], [(0, 1, 1.0), (1, 0, 1.0)])
    assert found.is_fixed.tolist() == [True, False]
    assert found.sure_cost.tolist() == [np.inf, 1.0]


def test_edges_that_cost_more_than_a_sure_parent_are_out():
    edges = [(1, 0, 2.0), (1, 2, 3.0), (2, 1, 1.0), (1, 3, 1.0), (3, 1, 1.0)]
    graph, found = reduced([9, 9, 9, 9], [True, False, False, False], edges)
    left = {(int(graph.child[edge]), int(graph.parent[edge])) for edge in found.edges}
    assert left == {(2, 1), (1, 3), (3, 1)}

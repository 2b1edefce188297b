import numpy as np

from lakebed.tasks.retention.kernel.model import Component, retention_graph, total_cost


def test_edges_are_ordered_by_child_then_cost_then_the_parents_rank():
    child, parent = np.array([2, 1, 2, 2]), np.array([1, 0, 0, 3])
    rank = np.array([3, 2, 1, 0])
    graph = retention_graph(np.ones(4), np.zeros(4, bool), (child, parent, np.array([1.0, 1.0, 1.0, 0.5])), rank)
    assert list(zip(graph.child, graph.parent, graph.number, strict=True)) == [
        (1, 0, 1),
        (2, 3, 3),
        (2, 1, 0),
        (2, 0, 2),
    ]


def test_a_choice_that_cannot_be_is_infinitely_dear():
    graph = retention_graph(np.ones(2), np.zeros(2, bool), (np.array([1]), np.array([0]), np.array([0.5])))
    assert total_cost(graph, np.array([True, False])) == 1.5
    assert total_cost(graph, np.array([False, False])) == float("inf")


def test_the_gap_of_a_component():
    assert Component("ilp", 1, 0, 10.0, 9.0, 0.0).gap == 0.1
    assert Component("local", 1, 0, 0.0, 0.0, 0.0).gap == 0.0

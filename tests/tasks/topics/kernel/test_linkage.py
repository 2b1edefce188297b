"""The heap over sparse pairs makes the merges that looking at every pair makes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lakebed.tasks.topics.kernel.linkage import link
from tests.tasks.topics.graphs import graph_from, random_graph

GRAPHS = st.builds(random_graph, st.integers(1, 24), st.floats(0, 1), st.integers(0, 10**6))


def slowly(graph):
    """(left, right, density) by looking at every pair each time."""
    size = dict.fromkeys(range(graph.n), 1)
    weight = {(a, b): w for a, b, w in zip(graph.a.tolist(), graph.b.tolist(), graph.weight.tolist(), strict=True)}
    made = []
    while weight:
        density = {pair: w / (size[pair[0]] * size[pair[1]]) for pair, w in weight.items()}
        (a, b), height = min(density.items(), key=lambda one: (-one[1], one[0]))
        new = graph.n + len(made)
        made.append((a, b, height))
        size[new] = size[a] + size[b]
        moved = {}
        for (x, y), w in weight.items():
            ends = tuple(sorted(new if end in (a, b) else end for end in (x, y)))
            if ends[0] != ends[1]:
                moved[ends] = moved.get(ends, 0.0) + w
        weight = moved
    return made


@settings(max_examples=60, deadline=None)
@given(GRAPHS)
def test_the_heap_merges_as_the_slow_way_does(graph):
    merges, expected = link(graph), slowly(graph)
    assert list(zip(merges.left.tolist(), merges.right.tolist(), strict=True)) == [(a, b) for a, b, _ in expected]
    assert np.allclose(merges.height, [height for _, _, height in expected])


@settings(max_examples=60, deadline=None)
@given(GRAPHS)
def test_heights_never_rise_and_no_weight_is_lost(graph):
    merges = link(graph)
    assert (np.diff(merges.height) <= 0).all() and (merges.height > 0).all()
    assert np.isclose((merges.height * merges.pairs).sum(), graph.weight.sum())
    both = np.concatenate([merges.left, merges.right])
    assert len(np.unique(both)) == len(both)


def test_of_equal_densities_the_first_is_taken():
    ring = graph_from(4, {(0, 1): 1.0, (1, 2): 1.0, (2, 3): 1.0, (0, 3): 1.0})
    merges = link(ring)
    assert merges.left.tolist() == [0, 2, 4] and merges.right.tolist() == [1, 3, 5]
    assert merges.height.tolist() == [1.0, 1.0, 0.5] and merges.pairs.tolist() == [1, 1, 4]


def test_clusters_may_have_a_size_to_begin_with():
    merges = link(graph_from(3, {(0, 1): 4.0, (1, 2): 3.0}), np.array([4, 2, 1]))
    assert merges.left.tolist() == [1, 0] and merges.height.tolist() == [1.5, 4 / 12]


def test_nothing_to_merge():
    assert len(link(graph_from(3, {})).left) == 0
    assert len(link(graph_from(0, {})).left) == 0

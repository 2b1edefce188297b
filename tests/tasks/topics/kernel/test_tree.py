"""The tree and its cut: what is known of graphs whose groups are known."""

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from lakebed.tasks.topics.kernel.cut import cut, paying_density
from lakebed.tasks.topics.kernel.linkage import link
from lakebed.tasks.topics.kernel.spectral import spectral_groups
from lakebed.tasks.topics.kernel.tree import tree_of
from tests.tasks.topics.graphs import block_model, graph_from, random_graph, right_triples


def cliques(sizes, weight=0.8, bridge=0.05):
    """Cliques in a row, the last of each joined with the first of the next."""
    ends = np.cumsum([0, *sizes]).tolist()
    edges = {pair: weight for start, end in pairwise(ends) for pair in combinations(range(start, end), 2)}
    return graph_from(ends[-1], edges | {(end - 1, end): bridge for end in ends[1:-1]})


def test_cliques_with_weak_bridges_are_topics_the_largest_first():
    tree = tree_of(cliques([3, 6, 4]))
    assert tree.topic_of.tolist() == [2] * 3 + [0] * 6 + [1] * 4
    assert tree.start == "tables" and 0.05 / 12 < tree.gamma < 0.8


def test_the_density_at_which_a_merge_stops_to_pay():
    assert paying_density(0.4, 0.1) == pytest.approx(0.3 / math.log(4))
    assert paying_density(0.3, 0.3) == 0.3
    assert paying_density(0.3, 0.0) == 0.0


def test_weak_edges_alone_still_make_topics():
    """All of them below .1, where the cut begins."""
    assert tree_of(cliques([4, 4], weight=0.02, bridge=0.0001)).topic_of.tolist() == [0] * 4 + [1] * 4


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 24), st.floats(0, 1), st.integers(0, 10**6), st.data())
def test_what_holds_of_every_tree(n, share, seed, data):
    graph = random_graph(n, share, seed)
    copies = np.sort(np.r_[np.arange(n), data.draw(st.lists(st.integers(0, n - 1), max_size=5))]).astype(np.int64)
    tree = tree_of(graph, copies)
    nodes, inner = np.arange(len(tree.parent)), tree.parent >= 0
    assert tree.n == len(copies) and (tree.parent < 0).sum() == 1 and tree.parent[-1] == -1
    assert (tree.parent[inner] > nodes[inner]).all() and (tree.height[tree.parent[inner]] <= tree.height[inner]).all()
    assert tree.size[-1] == tree.n and (tree.size[: tree.n] == 1).all()
    topic = tree.topic_of
    assert (topic >= 0).all() and (np.diff(np.bincount(topic)) <= 0).all()
    assert (np.bincount(topic)[tree.topic[tree.topic >= 0]] == tree.size[tree.topic >= 0]).all()
    # copies are of one topic, and every level but topics and tables is at least twice as dense as the one above
    assert all(len(set(topic[copies == one].tolist())) == 1 for one in range(n))
    above = tree.level_parent
    plain = tree.is_level & (tree.topic < 0) & (nodes >= tree.n) & (above >= 0)
    assert (tree.height[plain] >= 2 * tree.height[above[plain]]).all()


def test_few_large_groups_are_found_where_single_nodes_fail():
    graph, leaf = block_model(1000, 3, 0.2, 0.4, seed=1)
    tree = tree_of(graph)
    assert tree.start == "groups"
    assert adjusted_rand_score(leaf, tree.topic_of) >= 0.9
    assert right_triples(tree, leaf, 0) >= 0.99
    merges = link(graph)
    single = cut(merges, graph.n)
    assert single.n_merges < len(merges.left)


def test_many_small_groups_are_left_to_single_nodes():
    assert len(np.unique(tree_of(cliques([4] * 80)).topic_of)) == 80
    assert spectral_groups(graph_from(400, {})) is None


@pytest.mark.parametrize("n", [0, 1, 2])
def test_without_edges_every_table_is_a_topic(n):
    tree = tree_of(graph_from(n, {}))
    assert tree.topic_of.tolist() == list(range(n)) and tree.gamma == 0

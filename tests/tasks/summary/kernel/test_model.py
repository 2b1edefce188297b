import numpy as np
from hypothesis import given

from lakebed.tasks.summary.kernel.model import SignedEdges, Summary, _leaf_slices, lay_out
from tests.tasks.summary.kernel.summaries import EMPTY, Sample, random_sample, samples


@given(samples)
def test_what_is_below_a_place_is_one_slice(sample: Sample) -> None:
    layout = lay_out(sample.summary)
    assert sorted(layout.leaves.tolist()) == list(range(sample.summary.n_nodes))
    for vertex in range(sample.summary.n_nodes):
        above, place = vertex, int(layout.place[vertex])
        assert layout.vertex[place] == vertex
        while above >= 0:
            assert vertex in layout.leaves[layout.leaf_start[place] : layout.leaf_start[layout.end[place]]]
            above, place = int(sample.summary.parent[above]), int(layout.parent[place])
        assert place == -1


@given(samples)
def test_every_signed_edge_stands_at_both_ends(sample: Sample) -> None:
    layout, edges = lay_out(sample.summary), sample.summary.signed_edges
    n_self = int((edges.source == edges.target).sum())
    assert len(layout.partner) == 2 * len(edges.sign) - n_self
    n_minus = int((layout.plus_start[1:] - layout.minus_start).sum())
    assert n_minus == 2 * int((edges.sign < 0).sum()) - int(((edges.sign < 0) & (edges.source == edges.target)).sum())


def test_levels_count_from_the_root() -> None:
    layout = lay_out(random_sample(3, 20).summary)
    roots = layout.parent < 0
    assert (layout.depth[roots] == 0).all()
    assert (layout.depth[~roots] == layout.depth[layout.parent[~roots]] + 1).all()
    assert layout.n_levels == layout.depth.max() + 1


def test_an_empty_summary_has_an_empty_layout() -> None:
    layout = lay_out(EMPTY)
    assert (layout.n_forest, len(layout.leaves), len(layout.partner)) == (0, 0, 0)
    np.testing.assert_array_equal(layout.leaf_start, [0])


def test_the_definition_on_a_small_summary() -> None:
    # 5 = {0, 1}, 6 = {5, 2}: all pairs in 6 but (0, 1); 6 with 3 but 2; nothing at 4
    parent = np.array([5, 5, 6, -1, -1, 6, -1], np.int32)
    source, target = np.array([2, 3, 5, 6], np.int32), np.array([3, 6, 5, 6], np.int32)
    summary = Summary(5, parent, SignedEdges(source, target, np.array([-1, 1, -1, 1], np.int8)))
    assert summary.decode().tolist() == [[0, 2], [0, 3], [1, 2], [1, 3]]
    assert summary.cost() == 4 + 4


def test_slices_hold_the_vertices_below() -> None:
    parent = np.array([5, 6, 5, -1, 6, 6, -1], np.int32)
    order, start, end = _leaf_slices(parent, 5)
    assert sorted(order[start[6] : end[6]].tolist()) == [0, 1, 2, 4]
    assert sorted(order[start[5] : end[5]].tolist()) == [0, 2]
    assert order[start[3] : end[3]].tolist() == [3]

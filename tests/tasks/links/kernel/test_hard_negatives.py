import numpy as np
import pytest
from scipy import sparse

from lakebed.tasks.links.kernel import hard_negatives
from lakebed.tasks.links.kernel.features import prepare_features
from lakebed.tasks.links.kernel.hard_negatives import HardSource, hard_groups, spread_out
from lakebed.tasks.links.kernel.neighbours import adjacency
from tests.tasks.links.graphs import communities, group_features

EDGES, N = communities()
GRAPH = adjacency(EDGES[::2], N)
LINKS = EDGES[1::2][:40]


def source(features=False, **changed):
    rows = prepare_features(sparse.csr_array(group_features(N)), N, 4096, 0) if features else None
    given = {"taken": adjacency(EDGES, N), "pools": (np.arange(N),), "features": rows} | changed
    return HardSource(GRAPH, GRAPH, **given)


@pytest.mark.parametrize("features", [False, True])
def test_no_hard_negative_is_a_link_and_each_has_an_end_of_its_own(features):
    groups = hard_groups(LINKS, source(features), 30, 0)
    assert np.array_equal(groups.links, LINKS)
    assert groups.others.shape == (40, 30, 2)
    known = {*map(tuple, EDGES.tolist())}
    for link, others in zip(LINKS.tolist(), groups.others.tolist(), strict=True):
        assert [one[0] for one in others] == [link[0]] * 15 + [link[1]] * 15
        assert not known & {tuple(sorted(one)) for one in others}
        assert all(a != b for a, b in others)
        assert len({tuple(one) for one in others[:15]}) == 15


def test_they_are_what_simple_predictors_take_for_links():
    groups = hard_groups(LINKS, source(), 20, 0)
    hard = np.mean(groups.others[..., 0] // 20 == groups.others[..., 1] // 20)
    assert hard > 0.4 > 2 / 6
    dense = GRAPH.toarray()
    shared = (dense[groups.others[..., 0].ravel()] * dense[groups.others[..., 1].ravel()]).sum(axis=1)
    assert (shared > 0).mean() > 0.6


def test_the_walks_of_a_head_do_for_both_ways():
    scores = hard_negatives._pagerank(GRAPH)(np.arange(N), np.arange(N))
    degree = np.diff(GRAPH.indptr)
    has = degree > 0
    assert np.allclose(scores[np.ix_(has, has)], scores[np.ix_(has, has)].T, rtol=1e-3, atol=1e-6)


def test_they_depend_on_the_seed_and_on_no_block(monkeypatch):
    whole = hard_groups(LINKS, source(), 30, 0)
    monkeypatch.setattr(hard_negatives, "BLOCK_CELLS", 7 * N)
    assert np.array_equal(whole.others, hard_groups(LINKS, source(), 30, 0).others)
    assert not np.array_equal(whole.others, hard_groups(LINKS, source(), 30, 1).others)


def test_few_free_partners_repeat_and_none_leave_the_link_out():
    pools = (np.array([0, 1, 2, 3]),)
    links = np.array([[0, 1]])
    some = hard_groups(links, source(pools=pools, taken=adjacency(np.array([[0, 1]]), N)), 8, 0)
    assert {*some.others[0, :4, 1].tolist()} == {2, 3}
    full = adjacency(np.array([[0, 1], [0, 2], [0, 3]]), N)
    assert len(hard_groups(links, source(pools=pools, taken=full), 8, 0).links) == 0


def test_nodes_of_one_owner_and_of_other_pools_are_none():
    owner = np.arange(N)
    owner[[0, 5, 6]] = N - 1
    groups = hard_groups(np.array([[0, 1]]), source(owner=owner, pools=(np.arange(60), np.arange(60, N))), 400, 0)
    assert not {5, 6} & {*groups.others[0, :200, 1].tolist()}
    assert groups.others.max() < 60


def test_many_links_are_thinned_evenly():
    assert np.array_equal(spread_out(LINKS, 50), LINKS)
    assert np.array_equal(spread_out(LINKS, 3), LINKS[[0, 19, 39]])
    assert source().most_links() >= 8

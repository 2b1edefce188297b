"""Groups are disjoint, small enough, and hold twins together."""

import numpy as np
import pytest

from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.candidates import Groups, candidate_groups
from lakebed.tasks.summary.kernel.graph import build_graph
from lakebed.tasks.summary.kernel.threads import start_threads
from tests.tasks.summary.graphs import bipartite, planted_graph, star


def groups_of(edges: np.ndarray, n: int, config: SummaryConfig, n_threads: int = 1) -> Groups:
    ids = np.arange(n, dtype=np.int32)
    with start_threads(n_threads) as threads:
        return candidate_groups(build_graph(edges, n), ids, ids, 1, config, threads)


@pytest.mark.parametrize("group_size", [2, 20, 500])
def test_disjoint_and_small_enough(group_size: int) -> None:
    groups = groups_of(planted_graph(400, 9, seed=1), 400, SummaryConfig(group_size=group_size))
    sizes = np.diff(groups.bounds)
    assert sizes.max() <= group_size
    assert len(np.unique(groups.roots)) == len(groups.roots) == groups.bounds[-1]
    lowest = [groups.roots[a:b].min() for a, b in zip(groups.bounds[:-1], groups.bounds[1:], strict=True)]
    assert lowest == sorted(lowest)


def test_twins_share_a_group() -> None:
    groups = groups_of(np.concatenate([bipartite(9, 30), star(3) + 39]), 43, SummaryConfig(group_size=35))
    group_of = np.full(43, -1)
    group_of[groups.roots] = np.repeat(np.arange(len(groups.bounds) - 1), np.diff(groups.bounds))
    twins = group_of[9:39]
    # the closed neighbourhoods of twins differ by themselves only, so most least hashes are the same
    assert np.bincount(twins[twins >= 0]).max() >= 15


def test_a_star_above_the_size_is_cut() -> None:
    groups = groups_of(star(2_000), 2_001, SummaryConfig(group_size=50, levels=2))
    assert np.diff(groups.bounds).max() == 50
    assert (np.diff(groups.bounds) == 50).sum() >= 5


def test_threads_do_not_show() -> None:
    edges = star(100_000)
    one, two = (groups_of(edges, 100_001, SummaryConfig(levels=2), n) for n in (1, 3))
    np.testing.assert_array_equal(one.roots, two.roots)
    np.testing.assert_array_equal(one.bounds, two.bounds)

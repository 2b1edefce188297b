"""A summary carried over: lossless whatever changed, nearly as small as one made anew where little did."""

import numpy as np
import pytest

from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.graph import build_graph
from lakebed.tasks.summary.kernel.rewriting import carried_over
from lakebed.tasks.summary.kernel.summarize import summarize_graph
from lakebed.tasks.summary.verify import require_lossless
from tests.tasks.summary.graphs import clique, planted_graph
from tests.tasks.summary.graphs_of_nights import Night, edited, now_of

CONFIG = SummaryConfig(threads=1)


def planted(n: int, groups: int, seed: int) -> Night:
    edges = planted_graph(n, groups, seed=seed)
    return Night(build_graph(edges, n).edges(), [f"node:{number}" for number in range(n)])


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 2.5])
@pytest.mark.parametrize("seed", range(6))
def test_lossless_however_much_changed(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    night = planted(int(rng.integers(3, 90)), 4, seed)
    summary = summarize_graph(build_graph(night.edges, len(night.keys)), CONFIG)
    for _ in range(4):
        after = edited(night, rng, share)
        graph = build_graph(after.edges, len(after.keys))
        summary = carried_over(summary, graph, now_of(night, after), CONFIG).summary
        require_lossless(summary, after.edges)
        assert (np.diff(summary.signed_edges.source) >= 0).all()
        assert (summary.parent[: summary.n_nodes] < summary.n_forest).all()
        night = after


def test_the_same_graph_under_other_numbers_costs_the_same() -> None:
    night = planted(300, 9, 1)
    graph = build_graph(night.edges, len(night.keys))
    summary = summarize_graph(graph, CONFIG)
    after = edited(night, np.random.default_rng(2), 0.0)
    assert not np.array_equal(after.edges, night.edges)
    found = carried_over(summary, build_graph(after.edges, len(after.keys)), now_of(night, after), CONFIG)
    assert (found.summary.cost(), found.n_rows, found.n_pairs) == (summary.cost(), 0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_within_two_percent_of_one_made_anew(seed: int) -> None:
    """One edge of 200 is other; a graph as large as one merges by the thousand."""
    rng = np.random.default_rng(seed)
    night = planted(3_000, 60, seed)
    summary = summarize_graph(build_graph(night.edges, len(night.keys)), CONFIG)
    after = edited(night, rng, 0.005)
    graph = build_graph(after.edges, len(after.keys))
    found = carried_over(summary, graph, now_of(night, after), CONFIG)
    require_lossless(found.summary, after.edges)
    assert 0 < found.n_pairs < 0.02 * graph.n_edges
    assert found.summary.cost() <= 1.02 * summarize_graph(graph, CONFIG).cost()


def test_a_copy_of_a_hub_is_one_row() -> None:
    """A column that is new and holds what another holds: its edges are those of that one's values, by the tree."""
    hubs, leaves = np.arange(3), np.arange(3, 63)
    ends = np.array([(hub, leaf) for hub in hubs for leaf in leaves])
    ends = np.concatenate([ends, clique(60, 3)])
    graph = build_graph(ends, 63)
    summary = summarize_graph(graph, CONFIG)
    more = np.concatenate([ends, np.column_stack([np.full(60, 63), leaves])])
    found = carried_over(summary, build_graph(more, 64), np.arange(63, dtype=np.int32), CONFIG)
    require_lossless(found.summary, build_graph(more, 64).edges())
    assert (found.n_rows, found.n_pairs) == (1, 60)
    assert found.summary.cost() - summary.cost() <= 3

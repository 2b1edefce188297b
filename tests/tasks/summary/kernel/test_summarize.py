"""Lossless on every graph, the same bytes for any number of threads and from any iteration on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakebed.connectors.errors import GraphError
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.graph import build_graph
from lakebed.tasks.summary.kernel.merging import MergeLog, merge_graph
from lakebed.tasks.summary.kernel.model import Summary
from lakebed.tasks.summary.kernel.summarize import encode_log, summarize, summarize_graph
from tests.tasks.summary.graphs import SHAPES, clique, graphs, planted_graph, random_graph, star


def assert_same(a: Summary, b: Summary) -> None:
    for x, y in zip(arrays(a), arrays(b), strict=True):
        np.testing.assert_array_equal(x, y)
        assert x.dtype == y.dtype


def arrays(summary: Summary) -> list[np.ndarray]:
    edges = summary.signed_edges
    return [summary.parent, edges.source, edges.target, edges.sign]


def assert_canonical(summary: Summary) -> None:
    parent, edges = summary.parent, summary.signed_edges
    nodes = np.arange(len(parent))
    assert ((parent == -1) | (parent > nodes)).all()
    assert (parent[parent >= 0] >= summary.n_nodes).all()
    assert set(parent[parent >= 0]) == set(range(summary.n_nodes, len(parent))), "each internal node has a child"
    assert (edges.source <= edges.target).all()
    assert np.isin(edges.sign, (-1, 1)).all()
    keys = edges.source.astype(np.int64) * len(parent) + edges.target
    assert (np.diff(keys) > 0).all()
    assert (parent.dtype, edges.source.dtype, edges.target.dtype, edges.sign.dtype) == (
        np.int32,
        np.int32,
        np.int32,
        np.int8,
    )


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_come_back(name: str) -> None:
    edges, n = SHAPES[name]
    summary = summarize(edges, n)
    np.testing.assert_array_equal(summary.decode(), build_graph(edges, n).edges())
    assert_canonical(summary)
    assert summary.cost() <= max(len(edges), 0)


@given(graphs(), st.integers(0, 5), st.sampled_from([1, 3, 20]), st.sampled_from([2, 5, 500]))
@settings(max_examples=150)
def test_random_graphs_come_back(graph: tuple[np.ndarray, int], seed: int, iterations: int, group_size: int) -> None:
    edges, n = graph
    config = SummaryConfig(iterations=iterations, seed=seed, group_size=group_size, threads=1)
    summary = summarize(edges, n, config)
    np.testing.assert_array_equal(summary.decode(), build_graph(edges, n).edges())
    assert_canonical(summary)


def test_a_clique_costs_its_members_and_one_edge() -> None:
    assert summarize(clique(40), 40).cost() == 41


def test_a_star_stays_as_it_is() -> None:
    assert summarize(star(60), 61).cost() == 60


def test_planted_blocks_shrink() -> None:
    edges = planted_graph(300, 9, seed=3)
    assert summarize(edges, 300).cost() < 0.45 * len(edges)


def test_threads_do_not_show() -> None:
    graph = build_graph(planted_graph(1_500, 60, seed=5), 1_500)
    alone = summarize_graph(graph, SummaryConfig(threads=1, group_size=50))
    for threads in (2, 5):
        assert_same(alone, summarize_graph(graph, SummaryConfig(threads=threads, group_size=50)))


def test_seeds_show() -> None:
    graph = build_graph(random_graph(200, 0.2, seed=1), 200)
    a, b = (merge_graph(graph, SummaryConfig(seed=seed)) for seed in (0, 1))
    assert a.kept.tobytes() != b.kept.tobytes()


@pytest.mark.parametrize("stop", [1, 7, 19])
def test_any_iteration_can_be_gone_on_from(stop: int) -> None:
    graph = build_graph(planted_graph(300, 9, seed=4), 300)
    logs: list[MergeLog] = []
    whole = summarize_graph(graph, SummaryConfig(), on_iteration=logs.append)
    assert len(logs) == 20
    assert_same(whole, summarize_graph(graph, SummaryConfig(), logs[stop - 1]))


def test_edges_in_any_order_and_direction() -> None:
    edges = random_graph(60, 0.3, seed=2)
    mixed = np.concatenate([edges[::-1, ::-1], edges[:30], np.array([[4, 4], [9, 9]])])
    assert_same(summarize(edges, 60), summarize(mixed, 60))
    graph = build_graph(mixed, 60)
    assert (graph.n_self_loops, graph.n_duplicates, graph.n_edges) == (2, 30, len(edges))


def test_a_height_limit_holds() -> None:
    graph = build_graph(planted_graph(300, 9, seed=4), 300)
    config = SummaryConfig(max_height=2)
    summary = summarize_graph(graph, config)
    height = np.zeros(summary.n_forest, int)
    for x, up in enumerate(summary.parent):
        if up >= 0:
            height[up] = max(height[up], height[x] + 1)
    assert height.max() <= 2
    assert summarize_graph(graph, SummaryConfig()).cost() <= summary.cost()


def test_extra_iterations_stop_at_the_budget() -> None:
    graph = build_graph(planted_graph(300, 9, seed=4), 300)
    plain = merge_graph(graph, SummaryConfig(iterations=3))
    spent = int(plain.work.sum())
    assert len(merge_graph(graph, SummaryConfig(iterations=3, extra_iterations=4)).ends) == 7
    assert len(merge_graph(graph, SummaryConfig(iterations=3, extra_iterations=4, work_budget=spent)).ends) == 3
    assert len(merge_graph(graph, SummaryConfig(iterations=3, extra_iterations=4, work_budget=spent + 1)).ends) == 4


def test_encoding_of_no_merges_is_the_graph() -> None:
    graph = build_graph(random_graph(30, 0.3, seed=6), 30)
    summary = encode_log(graph, MergeLog.none(), SummaryConfig())
    assert summary.cost() == graph.n_edges
    np.testing.assert_array_equal(summary.decode(), graph.edges())


def test_bits_of_an_edge() -> None:
    summary = summarize(clique(40), 40)
    assert summary.n_bytes() == 4 * summary.n_forest + 9 * len(summary.signed_edges.sign)
    assert summary.bits_per_edge(780) == 8 * summary.n_bytes() / 780
    assert summarize(np.empty((0, 2), np.int64), 3).bits_per_edge(0) == 0.0


@pytest.mark.parametrize(
    ("edges", "n", "words"),
    [
        (np.array([[0, -1]]), None, "out of range"),
        (np.array([[0, 3]]), 3, "out of range"),
        (np.array([[0.0, 1.0]]), None, "no integers"),
        (np.array([[0, 1, 5]]), None, "no pairs"),
        (np.array([[0, 1 << 31]]), None, "too many nodes"),
        (np.empty((0, 2), np.int64), (1 << 30) + 1, "too many nodes"),
    ],
)
def test_bad_edges(edges: np.ndarray, n: int | None, words: str) -> None:
    with pytest.raises(GraphError, match=words) as caught:
        build_graph(edges, n)
    assert caught.value.hint

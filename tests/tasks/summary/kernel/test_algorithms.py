import networkx as nx
import numpy as np
import pytest
from hypothesis import given

from lakebed.connectors.errors import GraphError
from lakebed.tasks.summary.kernel.algorithms import components, count_triangles, distances, page_rank
from lakebed.tasks.summary.kernel.model import lay_out
from tests.tasks.summary.kernel.summaries import EMPTY, Sample, random_sample, samples


def graph_of(sample: Sample) -> nx.Graph:
    return nx.from_numpy_array(sample.adjacency)


@given(samples)
def test_distances_and_components_equal_networkx(sample: Sample) -> None:
    layout, graph = lay_out(sample.summary), graph_of(sample)
    expected = nx.single_source_shortest_path_length(graph, 0)
    assert distances(layout, 0).tolist() == [expected.get(v, -1) for v in graph.nodes]
    found = components(layout)
    parts = {frozenset(np.flatnonzero(found == number).tolist()) for number in range(found.max() + 1)}
    assert parts == {frozenset(part) for part in nx.connected_components(graph)}


@given(samples)
def test_triangles_equal_networkx(sample: Sample) -> None:
    expected = nx.triangles(graph_of(sample))
    assert count_triangles(lay_out(sample.summary)).tolist() == [expected[v] for v in sorted(expected)]


@given(samples)
def test_page_rank_equals_networkx(sample: Sample) -> None:
    found = page_rank(lay_out(sample.summary))
    expected = nx.pagerank(graph_of(sample), tol=1e-12, max_iter=500)
    np.testing.assert_allclose(found.rank, [expected[v] for v in sorted(expected)], atol=1e-8)
    assert found.change < 1e-10
    assert found.rank.sum() == pytest.approx(1)


def test_page_rank_stops_where_it_must() -> None:
    layout = lay_out(random_sample(2, 30, 300).summary)
    assert page_rank(layout, max_iterations=3).n_iterations == 3
    for damping in (1.0, -0.1):
        with pytest.raises(GraphError, match="damping"):
            page_rank(layout, damping=damping)


def test_empty_graphs() -> None:
    layout = lay_out(EMPTY)
    assert len(components(layout)) == len(count_triangles(layout)) == 0
    with pytest.raises(GraphError, match="no ranks"):
        page_rank(layout)
    with pytest.raises(GraphError, match="no such vertex"):
        distances(layout, 0)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.errors import GraphError
from lakebed.tasks.summary.config import SummaryConfig
from lakebed.tasks.summary.kernel.model import lay_out
from lakebed.tasks.summary.kernel.queries import degrees, has_edge, have_edges, neighbours, neighbours_of
from lakebed.tasks.summary.kernel.summarize import summarize
from tests.tasks.summary.kernel.summaries import EMPTY, Sample, random_sample, samples


@given(samples)
def test_neighbours_degrees_and_edges_are_those_of_the_graph(sample: Sample) -> None:
    layout, n_nodes = lay_out(sample.summary), sample.summary.n_nodes
    for vertex in range(n_nodes):
        np.testing.assert_array_equal(neighbours(layout, vertex), np.flatnonzero(sample.adjacency[vertex]))
    np.testing.assert_array_equal(degrees(layout), sample.adjacency.sum(axis=1))
    source, target = np.divmod(np.arange(n_nodes**2), n_nodes)
    np.testing.assert_array_equal(have_edges(layout, source, target), sample.adjacency.reshape(-1) == 1)


def test_many_vertices_at_once_in_any_order() -> None:
    sample = random_sample(4, 40, 500)
    layout, wanted = lay_out(sample.summary), np.array([7, 0, 7, 39])
    found = neighbours_of(layout, wanted)
    for i, vertex in enumerate(wanted):
        row = found.vertex[found.start[i] : found.start[i + 1]]
        np.testing.assert_array_equal(np.sort(row), np.flatnonzero(sample.adjacency[vertex]))


def test_a_summary_answers_by_itself() -> None:
    sample = random_sample(4, 40, 500)
    np.testing.assert_array_equal(neighbours(sample.summary.layout, 7), np.flatnonzero(sample.adjacency[7]))


@given(st.integers(0, 10_000), st.integers(2, 60))
def test_real_summaries(seed: int, n_nodes: int) -> None:
    draw = np.random.default_rng(seed)
    adjacency = np.triu(draw.random((n_nodes, n_nodes)) < draw.random(), 1)
    summary = summarize(np.argwhere(adjacency), n_nodes, SummaryConfig(iterations=5, threads=1))
    adjacency |= adjacency.T
    np.testing.assert_array_equal(degrees(summary.layout), adjacency.sum(axis=1))
    found = neighbours_of(summary.layout, np.arange(n_nodes))
    assert [set(row) for row in np.split(found.vertex, found.start[1:-1])] == [
        set(np.flatnonzero(r)) for r in adjacency
    ]


def test_no_vertex_is_its_own_neighbour() -> None:
    sample = random_sample(4, 40, 500)
    assert not any(has_edge(lay_out(sample.summary), vertex, vertex) for vertex in range(40))


@pytest.mark.parametrize("vertex", [-1, 24])
def test_an_unknown_vertex_is_refused(vertex: int) -> None:
    layout = lay_out(random_sample(1, 24).summary)
    with pytest.raises(GraphError, match="no such vertex") as raised:
        neighbours(layout, vertex)
    assert "0 to 23" in str(raised.value)
    with pytest.raises(GraphError, match="no such vertex"):
        has_edge(layout, 0, vertex)


def test_an_empty_graph_has_no_vertex() -> None:
    layout = lay_out(EMPTY)
    assert len(degrees(layout)) == 0
    with pytest.raises(GraphError, match="no such vertex"):
        neighbours(layout, 0)

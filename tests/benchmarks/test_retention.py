"""The benchmark's own graphs."""

import pytest

from tests.benchmarks.retention import CASES, equal, families, line, measure, uniform


@pytest.mark.parametrize("make", [uniform, families, equal])
def test_graphs_have_the_size_that_they_are_called_by(make):
    graph = make(300, 900, 1)
    assert (graph.n_tables, len(graph.child)) == (300, 900)
    assert (graph.child != graph.parent).all()


def test_the_floors_size_is_among_the_cases():
    assert {(n_tables, n_edges) for _, _, n_tables, n_edges, _ in CASES} >= {(10_000, 30_000)}


def test_a_measurement_states_gap_and_methods():
    found = measure("line", line(50, 49, 0), 5.0)
    assert found["gap"] == 0.0
    assert set(found["methods"]) <= {"local", "tree"}
    assert found["bound"] == found["cost"]


def test_the_same_seed_gives_the_same_answer():
    first, second = (measure("families", families(200, 600, 3), 30.0) for _ in range(2))
    times = ("seconds", "cpu_seconds", "peak_mb")
    assert {k: v for k, v in first.items() if k not in times} == {k: v for k, v in second.items() if k not in times}

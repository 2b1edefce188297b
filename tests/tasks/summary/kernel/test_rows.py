"""Rows stay each other's mirror through any merges."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.summary.kernel.graph import build_graph
from lakebed.tasks.summary.kernel.pair_states import state_tables
from lakebed.tasks.summary.kernel.rows import Rows, graph_rows, new_scratch, replay, resized
from tests.tasks.summary.graphs import clique, graphs, random_graph


def assert_mirrored(rows: Rows) -> None:
    tables = state_tables()
    for slot, length in enumerate(rows.length):
        costs = 0
        others = set()
        for k in range(rows.start[slot], rows.start[slot] + length):
            u = rows.other[k]
            back = rows.start[u] + rows.mirror[k]
            assert rows.mirror[k] < rows.length[u]
            assert rows.other[back] == slot
            assert rows.cost[back] == rows.cost[k]
            assert rows.state[back] == tables.transposed[rows.state[k]]
            costs += rows.cost[k]
            others.add(u)
        assert len(others) == length
        assert slot not in others
        assert rows.total[slot] >= costs


@given(graphs(), st.data())
def test_mirrors_hold(graph: tuple[np.ndarray, int], data: st.DataObject) -> None:
    edges, n = graph
    built = build_graph(edges, n)
    rows = graph_rows(built.indptr, built.neighbours)
    assert_mirrored(rows)
    scratch, left = new_scratch(n), list(range(n))
    for _ in range(data.draw(st.integers(0, n - 1))):
        a = left.pop(data.draw(st.integers(0, len(left) - 1)))
        b = data.draw(st.sampled_from(left))
        rows = replay(rows, scratch, state_tables(), np.array([a], np.int32), np.array([b], np.int32))
        assert_mirrored(rows)
        assert rows.length[a] == 0
        assert (scratch.position == -1).all()
        assert (scratch.state == 0).all()


def test_a_clique_ends_as_one_loop() -> None:
    built = build_graph(clique(12), 12)
    rows = graph_rows(built.indptr, built.neighbours)
    joined = np.arange(1, 12, dtype=np.int32)
    rows = replay(rows, new_scratch(12), state_tables(), joined, joined * 0)
    assert (rows.length == 0).all()
    assert (rows.total[0], rows.loop[0], rows.height[0]) == (1, 1, 11)


def test_packing_keeps_the_rows() -> None:
    built = build_graph(random_graph(40, 0.3, seed=1), 40)
    rows = graph_rows(built.indptr, built.neighbours)
    rows = replay(
        rows, new_scratch(40), state_tables(), np.arange(20, dtype=np.int32), np.arange(20, 40, dtype=np.int32)
    )
    packed = resized(rows, 5)
    assert_mirrored(packed)
    assert packed.used[0] == packed.length.sum()
    assert len(packed.other) >= packed.used[0] + 5

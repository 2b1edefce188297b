import numpy as np
import pytest

from lakebed.tasks.links.kernel import column_pairs
from lakebed.tasks.links.kernel.column_pairs import table_overlaps
from lakebed.tasks.links.kernel.neighbours import adjacency

N_COLUMNS, N_TABLES, N_VALUES = 24, 8, 60
N_NODES = N_COLUMNS + N_TABLES + N_VALUES


@pytest.fixture(scope="module")
def lake():
    """Three columns a table, each with some values; values are the last nodes."""
    random = np.random.default_rng(0)
    owner = np.arange(N_NODES)
    owner[:N_COLUMNS] = N_COLUMNS + np.arange(N_COLUMNS) % N_TABLES
    held = [
        (column, N_COLUMNS + N_TABLES + value)
        for column in range(N_COLUMNS)
        for value in random.choice(N_VALUES, random.integers(1, 12), replace=False)
    ]
    edges = np.array([*enumerate(owner[:N_COLUMNS].tolist()), *held])
    return adjacency(edges, N_NODES), owner


def plain(graph, owner, most):
    """The same by counting."""
    dense, degree = graph.toarray() > 0, np.diff(graph.indptr)
    values = np.arange(N_NODES) >= N_COLUMNS + N_TABLES
    best = {}
    for a in range(N_COLUMNS):
        for b in range(a + 1, N_COLUMNS):
            shared = np.flatnonzero(dense[a] & dense[b] & values & (degree <= most))
            if len(shared) < 2 or owner[a] == owner[b]:
                continue
            sizes = [(1 / degree[np.flatnonzero(dense[c] & values)]).sum() + 0.05 for c in (a, b)]
            pair = tuple(sorted((int(owner[a]), int(owner[b]))))
            best[pair] = max(best.get(pair, 0.0), (1 / degree[shared]).sum() / min(sizes))
    return best


@pytest.mark.parametrize("most", [100, 4])
def test_tables_have_the_greatest_overlap_of_their_columns(lake, most, monkeypatch):
    monkeypatch.setattr(column_pairs, "BLOCK_ROWS", 7)
    monkeypatch.setattr(column_pairs, "MAX_VALUE_COLUMNS", most)
    expected = plain(*lake, most)
    found = table_overlaps(*lake)
    tables = np.array([(a, b) for a in range(N_COLUMNS, N_COLUMNS + N_TABLES) for b in range(N_COLUMNS, a)])
    assert found.of(tables) == pytest.approx([expected.get((b, a), 0.0) for a, b in tables.tolist()])
    assert np.array_equal(found.of(tables), found.of(tables[:, ::-1]))
    assert len(expected) == len(found.key) > 5


def test_tables_that_share_nothing_have_none():
    edges, owner = np.array([[0, 2], [1, 3], [0, 4], [1, 5]]), np.array([2, 3, 2, 3, 4, 5])
    assert table_overlaps(adjacency(edges, 6), owner).of(np.array([[2, 3], [0, 1]])).tolist() == [0.0, 0.0]

import pytest

from lakebed.tasks.keys.kernel.paths import join_paths


def test_the_shortest_and_the_most_certain_way():
    edges = [(0, 1, 0.5), (0, 2, 0.9), (2, 3, 0.9), (3, 1, 0.9)]
    short, sure = join_paths(edges, 0, 1)
    assert (short.keys, short.chance) == ((0,), 0.5)
    assert sure.keys == (1, 2, 3)
    assert sure.chance == pytest.approx(0.729)


def test_one_way_is_told_once_and_none_is_no_error():
    assert [path.keys for path in join_paths([(0, 1, 0.9), (2, 1, 0.8)], 0, 2)] == [(0, 1)]
    assert join_paths([(0, 1, 0.9)], 0, 2) == []
    assert [path.keys for path in join_paths([(0, 1, 0.9)], 1, 1)] == [()]


def test_of_two_keys_between_tables_the_surer_is_taken():
    assert [path.keys for path in join_paths([(0, 1, 0.4), (0, 1, 0.8)], 0, 1)] == [(1,)]

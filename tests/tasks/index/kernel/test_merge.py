import numpy as np

from lakebed.tasks.index.kernel.flat import Neighbours
from lakebed.tasks.index.kernel.merge import keep, merge


def of(position, distance):
    return Neighbours(np.array([position], np.int64), np.array([distance], np.float32))


def test_parts_are_merged_by_distance_then_position():
    found = merge([of([4, 0], [0.1, 0.5]), of([3, 9], [0.1, 0.2])], 3)
    assert found.position.tolist() == [[3, 4, 9]]
    short = merge([of([1], [0.1]), of([2], [0.2])], 5)
    assert short.position.tolist() == [[1, 2, -1, -1, -1]]
    assert np.isinf(short.distance[0, 2:]).all()


def test_those_not_kept_make_room():
    found = keep(of([5, 1, 3, -1], [0.1, 0.2, 0.3, np.inf]), np.array([0, 0, 0, 1, 0, 1], bool), 3)
    assert found.position.tolist() == [[5, 3, -1]]
    assert np.isinf(found.distance[0, 2])

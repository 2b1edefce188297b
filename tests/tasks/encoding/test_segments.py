import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.encoding.segments import first_of_each

CELLS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=40)


@given(CELLS, st.sampled_from([0, 1 << 16]))
def test_the_first_of_each_is_the_first_place_by_column_and_hash(cells, base):
    cells.sort(key=lambda cell: cell[0])
    owner = np.array([base + column for column, _ in cells], np.int64)
    hashes = np.array([value for _, value in cells], np.uint64)
    expected = [cells.index(cell) for cell in sorted(set(cells))]
    assert first_of_each(owner, hashes).tolist() == expected


def test_of_very_many_equal_hashes_the_first_stands():
    assert first_of_each(np.zeros(10_000, np.int64), np.full(10_000, 7, np.uint64)).tolist() == [0]

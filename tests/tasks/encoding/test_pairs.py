import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.encoding.pairs import pair_order, sorted_pairs

NUMBERS = st.integers(0, 4) | st.integers(2**31 - 2, 2**31 - 1) | st.integers(2**40 - 1, 2**40)


@given(st.lists(st.tuples(NUMBERS, NUMBERS)), st.sampled_from([np.int64, np.uint64]))
def test_pairs_are_in_the_order_of_both_numbers(pairs, kind):
    first, second = np.array(pairs, kind).reshape(-1, 2).T
    assert list(zip(*(side.tolist() for side in sorted_pairs(first, second)), strict=True)) == sorted(pairs)
    stable = pair_order(first, second, may_repeat=True)
    assert stable.tolist() == sorted(range(len(pairs)), key=pairs.__getitem__)
    assert [pairs[at] for at in pair_order(first, second)] == sorted(pairs)


@pytest.mark.parametrize("kind", [np.int32, np.int8])
def test_narrow_numbers_do_not_overflow(kind):
    most = np.iinfo(kind).max
    first, second = np.array([most, most, 0], kind), np.array([most, 0, most], kind)
    assert pair_order(first, second).tolist() == [2, 1, 0]
    assert [side.tolist() for side in sorted_pairs(first, second)] == [[0, most, most], [most, 0, most]]

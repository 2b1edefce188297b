import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.encoding.distinct import distinct


@given(st.lists(st.integers(0, 9)), st.sampled_from([np.uint64, np.int64, np.int32, np.float64]))
def test_each_value_is_there_once_and_they_ascend(values, kind):
    array = np.array(values, kind)
    found = distinct(array)
    assert found.tolist() == sorted(set(values))
    assert found.dtype == kind
    assert array.tolist() == values


@pytest.mark.parametrize("value", [0, 2**64 - 1])
def test_the_ends_of_a_word_are_values_like_others(value):
    assert distinct(np.array([value, 5, value], np.uint64)).tolist() == sorted({value, 5})

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tasks.encoding.arrays import NESTED_TYPES, array_of, quick, raw_values
from tests.tasks.encoding.reference import cell_words
from tests.tasks.encoding.test_cells import words_of


@pytest.mark.parametrize("kind", NESTED_TYPES, ids=str)
@quick
@given(data=st.data())
def test_words_equal_the_reference_on_every_nested_type(kind, data):
    values = data.draw(st.lists(raw_values(kind), max_size=8))
    array, cut = array_of(values, kind), data.draw(st.integers(0, len(values)))
    depth = np.full(len(values), 2, np.uint8)
    expected = [cell_words(value, kind, 2) for value in values]
    assert words_of(array, depth) == expected
    assert words_of(array.slice(cut, 3), depth[cut : cut + 3]) == expected[cut : cut + 3]


@quick
@given(st.lists(raw_values(pa.list_(pa.int32())), max_size=8))
def test_list_layouts_do_not_count(values):
    expected = words_of(pa.array(values, pa.list_(pa.int32())))
    for kind in (pa.large_list(pa.int64()), pa.list_view(pa.int32()), pa.large_list_view(pa.int32())):
        assert words_of(pa.array(values, kind)) == expected


@quick
@given(st.lists(st.tuples(st.text(max_size=3), st.integers(0, 5)), max_size=40), st.randoms())
def test_the_order_of_map_entries_does_not_count(entries, random):
    moved = random.sample(entries, len(entries))
    kind = pa.map_(pa.string(), pa.int8())
    assert words_of(pa.array([entries], kind)) == words_of(pa.array([moved], kind))


def test_the_order_of_fields_does_not_count_but_their_names_do():
    row = [{"a": 1, "b": "x"}]
    forth = pa.array([row], pa.list_(pa.struct([("a", pa.int64()), ("b", pa.string())])))
    back = pa.array([row], pa.list_(pa.struct([("b", pa.string()), ("a", pa.int8())])))
    renamed = pa.array([[{"c": 1, "b": "x"}]])
    assert words_of(forth) == words_of(back) != words_of(renamed)


def test_nulls_empties_and_nulls_inside_differ():
    kind = pa.list_(pa.struct([("a", pa.int64())]))
    values = [None, [], [None], [{"a": None}], [None, None], [{"a": 0}], [{"a": None}, None]]
    assert len({tuple(words) for words in words_of(pa.array(values, kind))}) == len(values)


def test_strict_reaches_into_lists():
    zeros = pa.array([[0.0], [-0.0]])
    assert len({tuple(words) for words in words_of(zeros)}) == 1
    assert len({tuple(words) for words in words_of(zeros, strict=True)}) == 2

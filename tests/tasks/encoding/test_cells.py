from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.errors import SourceError
from lakebed.tasks.encoding.cells import cells
from lakebed.tasks.encoding.nested import to_words
from tests.tasks.encoding.arrays import FLAT_TYPES, FLOAT_TYPES, array_of, quick, raw_values
from tests.tasks.encoding.reference import cell_words


def words_of(values: pa.Array, null_depth: np.ndarray | None = None, *, strict: bool = False) -> list[list[int]]:
    held = to_words(cells(values, null_depth, strict=strict))
    return [held.words[a:b].tolist() for a, b in zip(held.offsets[:-1], held.offsets[1:], strict=True)]


@pytest.mark.parametrize("kind", FLAT_TYPES, ids=str)
@quick
@given(data=st.data())
def test_words_equal_the_reference_on_every_flat_type(kind, data):
    values = data.draw(st.lists(raw_values(kind), max_size=12))
    array = array_of(values, kind)
    cut = data.draw(st.integers(0, len(values)))
    depth = np.arange(len(values), dtype=np.uint8)
    expected = [cell_words(value, kind, i) for i, value in enumerate(values)]
    assert words_of(array, depth) == expected
    assert words_of(array.slice(cut, 4), depth[cut : cut + 4]) == expected[cut : cut + 4]


@pytest.mark.parametrize("kind", FLOAT_TYPES, ids=str)
@quick
@given(data=st.data())
def test_strict_words_equal_the_reference(kind, data):
    values = [*data.draw(st.lists(raw_values(kind), max_size=8)), -0.0, 0.0]
    assert words_of(array_of(values, kind), strict=True) == [cell_words(value, kind, strict=True) for value in values]


@quick
@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(2**53 - 3, 2**53 + 3), min_size=2, max_size=8))
def test_integers_and_floats_are_equal_only_where_they_are_exactly(values):
    as_ints, as_floats = words_of(pa.array(values, pa.int64())), words_of(pa.array(map(float, values), pa.float64()))
    assert [a == b for a, b in zip(as_ints, as_floats, strict=True)] == [int(float(v)) == v for v in values]


def test_one_is_one_in_every_number_type_and_in_no_other():
    kinds = [pa.int8(), pa.uint64(), pa.float16(), pa.float64(), pa.decimal128(9, 4), pa.decimal256(50, 40)]
    numbers = [words_of(array_of([Decimal(1) if pa.types.is_decimal(k) else 1], k))[0] for k in kinds]
    assert all(words == numbers[0] for words in numbers)
    others = [pa.array(["1"]), pa.array([True]), pa.array([b"1"]), pa.array([1], pa.date32()), pa.array([[1]])]
    assert len({tuple(words_of(array)[0]) for array in others} | {tuple(numbers[0])}) == 6


def test_decimals_equal_floats_where_both_are_exact():
    half, tenth = pa.array([Decimal("0.50")]), pa.array([Decimal("0.10")])
    assert words_of(half) == words_of(pa.array([0.5]))
    assert words_of(tenth) == words_of(pa.array([Decimal("0.1")]))
    assert words_of(tenth) != words_of(pa.array([0.1]))


def test_zero_nan_and_null():
    assert words_of(pa.array([0.0])) == words_of(pa.array([-0.0])) == words_of(pa.array([0]))
    nans = np.array([0x7FF8000000000000, 0xFFF8000000000001, 0x7FF80000000007A2], dtype=np.uint64).view(np.float64)
    assert len({tuple(words) for words in words_of(pa.array(nans, from_pandas=False))}) == 1
    assert words_of(pa.array([None], pa.int8())) == words_of(pa.array([None], pa.string())) == words_of(pa.nulls(1))


def test_wide_floats_and_decimals_meet_at_the_border_of_int128():
    for power in (62, 63, 64, 100, 126, 127, 128):
        for value in (2**power, -(2**power)):
            as_float, as_decimal = pa.array([float(value)]), pa.array([Decimal(value)], pa.decimal256(76, 0))
            assert words_of(as_float) == words_of(as_decimal) == [cell_words(value, pa.float64())]


def test_instants_are_utc_and_do_not_depend_on_the_unit():
    naive = pa.array([1_600_000_000], pa.int64()).view(pa.timestamp("s"))
    zoned = pa.array([1_600_000_000_000_000], pa.int64()).view(pa.timestamp("us", "Asia/Tokyo"))
    assert words_of(naive) == words_of(zoned)
    assert words_of(pa.array([2**63 - 1], pa.int64()).view(pa.timestamp("s"))) != words_of(naive)


def test_run_ends_and_extensions_are_storage():
    plain = pa.array([1, 1, None, 7], pa.int64())
    assert words_of(pa.compute.run_end_encode(plain)) == words_of(plain)
    ids = pa.array([bytes(16), None], pa.binary(16))
    assert words_of(pa.ExtensionArray.from_storage(pa.uuid(), ids)) == words_of(ids)


def test_an_interval_is_a_whole_value():
    values = pa.array([(1, 2, 3), None, (1, 2, 4)], pa.month_day_nano_interval())
    one, none, other = words_of(values)
    assert one != other
    assert none == [0, 0, 0]


def test_what_stands_under_a_null_does_not_count():
    hidden = pa.Array.from_buffers(pa.int64(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(np.array([5, 6]))])
    assert words_of(hidden) == words_of(pa.array([5, None], pa.int64()))


def test_a_union_is_refused_with_what_to_do():
    union = pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])])
    with pytest.raises(SourceError, match="exclude"):
        cells(union)

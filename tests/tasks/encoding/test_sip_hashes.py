import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.encoding.cells import value_is_null
from lakebed.tasks.encoding.multiset import multiset_hash
from lakebed.tasks.encoding.sip_hashes import (
    add_column,
    column_hashes,
    finish,
    row_hashes,
    start_sums,
    value_hashes,
)
from tests.tasks.encoding.arrays import FLAT_TYPES, NESTED_TYPES, array_of, quick, raw_values
from tests.tasks.encoding.arrays import SIP_KEY as KEY
from tests.tasks.encoding.reference import cell_words, column_hash, row_hash

INTS_AND_TEXT = st.lists(st.tuples(st.integers(-9, 9), st.text(max_size=2)), min_size=1, max_size=6)


def pairs(hashes: np.ndarray) -> list[tuple[int, int]]:
    return [(int(high), int(low)) for high, low in hashes]


def table_hashes(rows: list[tuple], names: tuple[str, ...] = ("a", "b")) -> np.ndarray:
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    return row_hashes([column_hashes(c, None, name, KEY) for name, c in zip(names, columns, strict=True)], KEY)


@pytest.mark.parametrize("kind", [*FLAT_TYPES, *NESTED_TYPES], ids=str)
@quick
@given(data=st.data())
def test_column_hashes_equal_the_reference_on_every_type(kind, data):
    values, token = data.draw(st.lists(raw_values(kind), max_size=6)), data.draw(st.text(max_size=20))
    depth = np.arange(len(values), dtype=np.uint8)
    got = column_hashes(array_of(values, kind), depth, token, KEY)
    assert got.flags.c_contiguous
    assert pairs(got) == [column_hash(KEY, token, cell_words(value, kind, i)) for i, value in enumerate(values)]


@quick
@given(st.lists(st.none() | st.text(max_size=3), min_size=1), st.booleans())
def test_dictionaries_hash_as_their_values_whatever_holds_the_nulls(values, is_null_in_dictionary):
    depth = np.arange(len(values)).astype(np.uint8)
    plain = pa.array(values, pa.string())
    encoded = plain.dictionary_encode(null_encoding="encode" if is_null_in_dictionary else "mask")
    assert value_is_null(encoded).tolist() == [value is None for value in values]
    for strict in (False, True):
        expected = column_hashes(plain, depth, "t", KEY, strict_types=strict)
        assert np.array_equal(column_hashes(encoded, depth, "t", KEY, strict_types=strict), expected)


@quick
@given(st.lists(st.lists(st.integers(0, 2**64 - 1), min_size=6, max_size=6), min_size=1, max_size=4))
def test_row_hashes_equal_the_reference(rows):
    columns = np.array(rows, dtype=np.uint64).reshape(-1, 3, 2).transpose(1, 0, 2)
    got = row_hashes([np.ascontiguousarray(column) for column in columns], KEY)
    assert pairs(got) == [row_hash(KEY, [tuple(row[i : i + 2]) for i in (0, 2, 4)]) for row in rows]


@quick
@given(INTS_AND_TEXT, st.randoms())
def test_row_hashes_do_not_depend_on_the_order_of_columns(rows, random):
    hashes = [column_hashes(pa.array(column), None, str(i), KEY) for i, column in enumerate(zip(*rows, strict=True))]
    assert np.array_equal(row_hashes(hashes, KEY), row_hashes(random.sample(hashes, len(hashes)), KEY))


def test_swapped_cells_do_not_cancel():
    """{(1, a), (2, b)} and {(1, b), (2, a)} have equal sums of cell hashes; only the remix tells them apart."""
    straight, swapped = [(1, "a"), (2, "b")], [(1, "b"), (2, "a")]
    assert multiset_hash(table_hashes(straight)) != multiset_hash(table_hashes(swapped))
    assert table_hashes([(1, 2)]).tolist() != table_hashes([(2, 1)]).tolist()


@quick
@given(INTS_AND_TEXT, INTS_AND_TEXT)
def test_tables_have_equal_multiset_hashes_only_if_they_are_equal(left, right):
    is_same = sorted(left) == sorted(right)
    assert (multiset_hash(table_hashes(left)) == multiset_hash(table_hashes(right))) == is_same


def test_a_null_struct_is_not_a_struct_of_nulls():
    nulls = pa.nulls(2, pa.int64())
    outer, inner = column_hashes(nulls, np.array([0, 1], np.uint8), '["a","b"]', KEY)
    assert outer.tolist() != inner.tolist()
    assert np.array_equal(column_hashes(nulls, None, '["a","b"]', KEY)[0], outer)


def test_nulls_do_not_move_between_columns():
    assert table_hashes([(None, "a")]).tolist() != table_hashes([("a", None)]).tolist()


def test_strict_types_tell_apart_what_is_equal_in_value():
    forms = [pa.array([1]), pa.array([1], pa.int32()), pa.array([1.0]), pa.array([0.0]), pa.array([-0.0])]
    loose = {pairs(column_hashes(form, None, "t", KEY))[0] for form in forms}
    strict = {pairs(column_hashes(form, None, "t", KEY, strict_types=True))[0] for form in forms}
    assert (len(loose), len(strict)) == (2, 5)


def test_token_key_and_type_text_all_count():
    one = pa.array([1])
    seen = [column_hashes(one, None, token, key) for token, key in (("a", KEY), ("b", KEY), ("a", KEY[::-1]))]
    seen.append(column_hashes(one, None, "a", KEY, strict_types=True))
    assert len({pairs(hashes)[0] for hashes in seen}) == 4


def test_value_hashes_do_not_depend_on_the_type_and_flag_nulls():
    values = pa.array([1, None, 3])
    hashes = value_hashes(values, None, KEY)
    assert hashes.shape == (3,)
    assert np.array_equal(hashes, value_hashes(values.cast(pa.float64()), None, KEY))
    assert value_is_null(values).tolist() == [False, True, False]
    assert value_is_null(pa.array(["x", None]).dictionary_encode()).tolist() == [False, True]
    assert hashes[0] not in column_hashes(values, None, "", KEY)


def test_one_scan_gives_many_column_subsets():
    columns = {name: column_hashes(pa.array([i, 2, i]), None, name, KEY) for i, name in enumerate("abc")}
    sums = {subset: start_sums(3) for subset in ("ab", "bc", "abc")}
    for name, hashes in columns.items():
        for subset, total in sums.items():
            if name in subset:
                add_column(total, hashes)
    for subset, total in sums.items():
        assert np.array_equal(finish(total, KEY), row_hashes([columns[name] for name in subset], KEY))


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="key has 3 bytes"):
        column_hashes(pa.array([1]), None, "a", b"abc")
    with pytest.raises(ValueError, match="column of 2"):
        add_column(start_sums(1), start_sums(2))


@pytest.mark.parametrize("kind", [pa.float32(), pa.int64(), pa.bool_()], ids=str)
def test_long_lists_equal_the_reference_where_many_are_hashed_side_by_side(kind):
    drawn = np.random.default_rng(5)
    # blocks of equal rows, one of lengths that differ, one with nulls, and a part of one
    sizes = [*[20] * 70, *drawn.integers(8, 30, 70), *[16] * 64, *[9] * 7]
    numbers = [drawn.integers(0, 2, size) if kind == pa.bool_() else drawn.integers(-9, 9, size) for size in sizes]
    halves = [(row / 2 if kind == pa.float32() else row).tolist() for row in numbers]
    if kind == pa.bool_():
        halves = [list(map(bool, row)) for row in halves]
    halves[150] = halves[210] = None
    halves[151][3] = None
    array = pa.array(halves, pa.list_(kind))
    expected = [column_hash(KEY, "t", cell_words(value.as_py(), array.type, 0)) for value in array]
    for cut in (0, 3):
        assert pairs(column_hashes(array.slice(cut), None, "t", KEY)) == expected[cut:]


@quick
@given(st.lists(st.floats(width=64) | st.floats(-1e40, 1e40).map(np.trunc) | st.sampled_from([-(2.0**63), 2.0**63])))
def test_floats_of_any_size_equal_the_reference_side_by_side(values):
    array = pa.array([values * 3] * 3, pa.list_(pa.float64()))
    for strict in (False, True):
        got = column_hashes(array, None, "t", KEY, strict_types=strict)
        assert len({tuple(row) for row in pairs(got)}) == 1
        if not strict:
            assert pairs(got)[0] == column_hash(KEY, "t", cell_words(values * 3, array.type, 0))

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.encoding import lanes
from lakebed.tasks.encoding.cells import value_is_null
from lakebed.tasks.encoding.hashes import (
    add_cells,
    add_column,
    column_sums,
    finish,
    row_hashes,
    sampled_values,
    start_sums,
    value_hashes,
)
from lakebed.tasks.encoding.secret import derived, word_keys
from lakebed.tasks.encoding.sums import multiset_sum
from tests.tasks.encoding.arrays import FLAT_TYPES, KEY, NESTED_TYPES, array_of, quick, raw_values
from tests.tasks.encoding.forgery import forged_rows
from tests.tasks.encoding.reference import cell_words, lane_sums

INTS_AND_TEXT = st.lists(st.tuples(st.integers(-9, 9), st.text(max_size=2)), min_size=1, max_size=6)
OTHER = bytes(range(1, 33))


def table_hashes(rows: list[tuple], key: bytes = KEY) -> np.ndarray:
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    return row_hashes([column_sums(c, None, str(i), key) for i, c in enumerate(columns)], key)


@pytest.mark.parametrize("kind", [*FLAT_TYPES, *NESTED_TYPES], ids=str)
@quick
@given(data=st.data())
def test_sums_equal_the_reference_on_every_type(kind, data):
    values, token = data.draw(st.lists(raw_values(kind), max_size=6)), data.draw(st.text(max_size=20))
    depth = np.arange(len(values), dtype=np.uint8)
    got = column_sums(array_of(values, kind), depth, token, KEY)
    keys = word_keys(KEY, token, "", lanes.MAX_WORDS)
    expected = [lane_sums(keys, cell_words(value, kind, i)) for i, value in enumerate(values)]
    assert got.T.tolist() == expected


@pytest.mark.parametrize("kind", [*FLAT_TYPES, *NESTED_TYPES], ids=str)
@quick
@given(data=st.data(), level=st.integers(0, 3))
def test_a_sample_is_the_distinct_hashes_below_its_threshold(kind, data, level):
    values = array_of(data.draw(st.lists(raw_values(kind), max_size=9)), kind)
    hashes = value_hashes(values, None, KEY)[~value_is_null(values)]
    expected = sorted({each for each in hashes.tolist() if each < 2 ** (64 - level)})
    assert sampled_values(values, level, KEY).tolist() == expected


@pytest.mark.parametrize("values", [
    np.arange(-3_000, 3_000), np.linspace(-3, 3, 6_001), [None, 0.0, -0.0, float("nan"), 2.0**80, 1.5] * 900,
    ["", "a", "x" * 70, "y" * 1_984, None], ["z" * 1_985, "z" * 5_000, "a"], [b"", b"\0", None] * 1_000,
], ids=["integers", "floats", "wide floats", "texts", "long texts", "bytes"])  # fmt: skip
def test_a_sample_of_many_values(values):
    for array in (pa.array(values), pa.array(values).dictionary_encode()):
        hashes = value_hashes(array, None, KEY)[~value_is_null(array)]
        for level in (0, 1, 5):
            expected = sorted({each for each in hashes.tolist() if each < 2 ** (64 - level)})
            assert sampled_values(array, level, KEY).tolist() == expected


@quick
@given(st.lists(st.none() | st.text(max_size=3), min_size=1), st.booleans())
def test_dictionaries_hash_as_their_values_whatever_holds_the_nulls(values, is_null_in_dictionary):
    depth = np.arange(len(values)).astype(np.uint8)
    plain = pa.array(values, pa.string())
    encoded = plain.dictionary_encode(null_encoding="encode" if is_null_in_dictionary else "mask")
    assert value_is_null(encoded).tolist() == [value is None for value in values]
    for strict in (False, True):
        expected = column_sums(plain, depth, "t", KEY, strict_types=strict)
        assert np.array_equal(column_sums(encoded, depth, "t", KEY, strict_types=strict), expected)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 63, 64, 65, 1_983, 1_984, 1_985, 5_000])
def test_texts_of_any_length_are_told_apart_from_their_neighbours(size):
    texts = ["x" * size, "x" * (size + 1), "x" * size + "\0", "y" + "x" * size, "x" * (size or 1) + "\0\0"]
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        sums = column_sums(pa.array(texts, kind), None, "t", KEY)
        assert len(set(map(tuple, sums.T.tolist()))) == len(texts)
        assert np.array_equal(sums, column_sums(pa.array(texts), None, "t", KEY))


def test_a_cell_without_keys_of_its_own_is_its_keyed_digest():
    """Above 1,984 bytes, and nested cells above 256 words, one by one and beside others."""
    long = "z" * 2_000
    sums = column_sums(pa.array(["a", long, None, "b"]), None, "t", KEY)
    content = np.array([6, 2_000], "<u8").tobytes() + long.encode()
    digest = hashlib.blake2b(content, digest_size=16, key=derived(KEY, "long cells", 32)).digest()
    words = [18, *np.frombuffer(digest, "<u8").tolist()]
    assert sums[:, 1].tolist() == lane_sums(word_keys(KEY, "t", "", 3), words)
    assert np.array_equal(sums[:, [0, 2, 3]], column_sums(pa.array(["a", None, "b"]), None, "t", KEY))
    lists = column_sums(pa.array([[1] * 200, [1] * 199, [1] * 200]), None, "t", KEY)
    assert np.array_equal(lists[:, 0], lists[:, 2]) and not np.array_equal(lists[:, 0], lists[:, 1])


@quick
@given(INTS_AND_TEXT, st.randoms())
def test_row_hashes_do_not_depend_on_the_order_of_columns(rows, random):
    sums = [column_sums(pa.array(column), None, str(i), KEY) for i, column in enumerate(zip(*rows, strict=True))]
    assert np.array_equal(row_hashes(sums, KEY), row_hashes(random.sample(sums, len(sums)), KEY))


def test_swapped_cells_do_not_cancel():
    """{(1, a), (2, b)} and {(1, b), (2, a)} have equal sums of cells; only the remix tells them apart."""
    straight, swapped = table_hashes([(1, "a"), (2, "b")]), table_hashes([(1, "b"), (2, "a")])
    assert multiset_sum(straight, KEY).tolist() != multiset_sum(swapped, KEY).tolist()
    assert table_hashes([(1, 2)]).tolist() != table_hashes([(2, 1)]).tolist()


@quick
@given(INTS_AND_TEXT, INTS_AND_TEXT)
def test_tables_have_equal_sums_only_if_they_are_equal(left, right):
    ours, theirs = (multiset_sum(table_hashes(rows), KEY).tolist() for rows in (left, right))
    assert (ours == theirs) == (sorted(left) == sorted(right))


def test_a_null_struct_is_not_a_struct_of_nulls():
    nulls = pa.nulls(2, pa.int64())
    sums = column_sums(nulls, np.array([0, 1], np.uint8), '["a","b"]', KEY)
    assert sums[:, 0].tolist() != sums[:, 1].tolist()
    assert np.array_equal(column_sums(nulls, None, '["a","b"]', KEY)[:, 0], sums[:, 0])


def test_nulls_do_not_move_between_columns():
    assert table_hashes([(None, "a")]).tolist() != table_hashes([("a", None)]).tolist()


def test_strict_types_tell_apart_what_is_equal_in_value():
    forms = [pa.array([1]), pa.array([1], pa.int32()), pa.array([1.0]), pa.array([0.0]), pa.array([-0.0])]
    loose = {tuple(column_sums(form, None, "t", KEY)[:, 0]) for form in forms}
    strict = {tuple(column_sums(form, None, "t", KEY, strict_types=True)[:, 0]) for form in forms}
    assert (len(loose), len(strict)) == (2, 5)


def test_token_key_and_type_text_all_count():
    one = pa.array([1])
    seen = [column_sums(one, None, token, key) for token, key in (("a", KEY), ("b", KEY), ("a", OTHER))]
    seen.append(column_sums(one, None, "a", KEY, strict_types=True))
    assert len({tuple(sums[:, 0]) for sums in seen}) == 4


def test_two_rows_forged_under_a_known_key_do_not_collide_under_another():
    """A linear hash is as good as its key is secret: known, short vectors of a lattice are rows of one hash."""
    one, other = forged_rows(KEY)
    assert one != other and all(0 <= cell < 1 << 31 for cell in one + other)
    rows = [tuple(one), tuple(other)]
    same = table_hashes(rows, KEY)
    assert same[0].tolist() == same[1].tolist()
    told_apart = table_hashes(rows, OTHER)
    assert told_apart[0].tolist() != told_apart[1].tolist()


def test_value_hashes_do_not_depend_on_the_type_and_flag_nulls():
    values = pa.array([1, None, 3])
    hashes = value_hashes(values, None, KEY)
    assert hashes.shape == (3,)
    assert np.array_equal(hashes, value_hashes(values.cast(pa.float64()), None, KEY))
    assert value_is_null(values).tolist() == [False, True, False]
    assert value_is_null(pa.array(["x", None]).dictionary_encode()).tolist() == [False, True]


def test_one_scan_gives_many_column_subsets():
    columns = {name: column_sums(pa.array([i, 2, i]), None, name, KEY) for i, name in enumerate("abc")}
    sums = {subset: start_sums(3) for subset in ("ab", "bc", "abc")}
    for name, one in columns.items():
        for subset, total in sums.items():
            if name in subset:
                add_column(total, one)
    for subset, total in sums.items():
        assert np.array_equal(finish(total, KEY), row_hashes([columns[name] for name in subset], KEY))


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="key has 3 bytes"):
        column_sums(pa.array([1]), None, "a", b"abc")
    with pytest.raises(ValueError, match="column of 2"):
        add_column(start_sums(1), start_sums(2))
    with pytest.raises(ValueError, match="column of 2"):
        add_cells(start_sums(1), pa.array([1, 2]), None, "a", KEY)

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.lake.leaves import LeafArray
from lakebed.tasks.containment.kernel.fingerprint import HashSettings, TableHasher

SETTINGS = HashSettings(bytes(range(32)))
rows = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", None])), min_size=1, max_size=30)


def cells(table):
    return {name: LeafArray(table[name].combine_chunks(), None) for name in table.column_names}


def hashed(parts, projections, **options):
    """A hasher that has seen the parts, lists of (x, y) rows, as batches."""
    hasher = TableHasher(projections, options.pop("settings", SETTINGS), **options)
    for part in parts:
        x, y = zip(*part, strict=True)
        hasher.add(cells(pa.table({"x": pa.array(x, pa.int64()), "y": pa.array(y, pa.string())})))
    return hasher


@given(rows, st.integers(1, 29))
def test_the_same_rows_in_any_batches_have_the_same_hashes(data, cut):
    cut = min(cut, len(data))
    parts = [part for part in (data[cut:], data[:cut]) if part]
    one, two = (
        Counter(map(tuple, hashed(pieces, {0: ["x", "y"]}).row_hashes()[0].tolist())) for pieces in ([data], parts)
    )
    assert one == two
    assert sorted(one.values()) == sorted(Counter(data).values())


@given(rows, rows)
def test_tables_share_the_hashes_of_the_rows_that_they_share(one, two):
    projections = {0: ["x", "y"], 1: ["y"]}
    mine, theirs = (hashed([data], projections).row_hashes() for data in (one, two))
    for number, values in ((0, set(one) & set(two)), (1, {y for _, y in one} & {y for _, y in two})):
        shared = set(map(tuple, mine[number].tolist())) & set(map(tuple, theirs[number].tolist()))
        assert len(shared) == len(values)


@given(rows)
def test_a_projection_does_not_depend_on_the_others_nor_on_the_order_of_columns(data):
    many = hashed([data], {4: ["y", "x"], 9: ["x"], 2: ["x", "y"]}).row_hashes()
    alone = hashed([[(x, None) for x, _ in data]], {9: ["x"], 0: ["y"]}).row_hashes()
    assert (many[4] == many[2]).all()
    assert (many[9] == alone[9]).all()


def test_another_key_gives_other_hashes():
    data = [(1, "a")]
    one, two = (hashed([data], {0: ["x", "y"]}, settings=HashSettings(bytes([n] * 32))) for n in (1, 2))
    assert (one.row_hashes()[0] != two.row_hashes()[0]).all()


@given(rows, st.integers(0, 3))
def test_value_sketches_keep_the_distinct_values_below_the_level(data, level):
    full = hashed([data], {0: ["x", "y"]}).value_sketches()
    thin = hashed([data], {0: ["x", "y"]}, value_level=level).value_sketches()
    assert len(full["y"].hashes) == len({y for _, y in data} - {None})
    assert full["y"].n_nulls == sum(y is None for _, y in data)
    for token in ("x", "y"):
        kept = (
            full[token].hashes if level == 0 else full[token].hashes[full[token].hashes >> np.uint64(64 - level) == 0]
        )
        assert thin[token].hashes.tolist() == kept.tolist()


def test_the_same_values_are_sampled_whatever_the_key_so_that_chances_are_those_of_every_root():
    data = [(n, str(n)) for n in range(1_000)]
    one, two = (
        hashed([data], {0: ["x", "y"]}, settings=HashSettings(bytes([n] * 32)), value_level=2).value_sketches()
        for n in (1, 2)
    )
    assert 0 < len(one["x"].hashes) < 1_000
    assert all(one[name].hashes.tolist() == two[name].hashes.tolist() for name in ("x", "y"))


def test_values_are_left_alone_where_none_are_wanted():
    assert hashed([[(1, "a")]], {0: ["x", "y"]}, value_level=None).value_sketches() == {}


def test_a_hasher_without_rows_has_none_of_their_hashes():
    assert TableHasher({3: ["x"]}, SETTINGS).row_hashes()[3].shape == (0, 2)


@given(rows, st.integers(0, 40))
def test_a_subset_has_the_hashes_that_it_has_alone_however_many_rows_were_expected(data, n_expected):
    subsets = {0: ["x", "y"], 1: ["y"], 2: ["y", "x"], 5: ["x"]}
    together = hashed([data, data[:1]], subsets, n_expected=n_expected).row_hashes()
    for number, tokens in subsets.items():
        alone = hashed([data, data[:1]], {number: tokens}).row_hashes()[number]
        assert np.array_equal(together[number], alone)


def test_values_that_repeat_over_many_batches_are_sampled_once():
    batches = [[(i % 5_000, "a") for i in range(begin, begin + 1_000)] for begin in range(0, 30_000, 1_000)]
    hasher = hashed(batches, {0: ["x", "y"]}, value_level=0)
    assert max(len(values.distinct()) for values in hasher._values.values()) == 5_000
    assert sum(len(part) for part in hasher._values["x"]._parts) <= 10_000 + 1_000
    once = hashed([[(i, "a") for i in range(5_000)]], {0: ["x", "y"]}, value_level=0)
    for name, sketch in once.value_sketches().items():
        assert np.array_equal(hasher.value_sketches()[name].hashes, sketch.hashes)


def test_a_footer_that_promises_too_many_rows_reserves_no_memory_for_them():
    assert len(hashed([[(1, "a")]], {0: ["x", "y"]}, n_expected=1 << 60).row_hashes()[0]) == 1

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.index.kernel.postings import (
    FULL,
    ColumnSizes,
    best_in_table,
    make_postings,
    overlaps,
    shares,
    sketched_overlaps,
)


def of(columns, n_values):
    pairs = sorted((c, v) for c, values in enumerate(columns) for v in values)
    source, target = (np.array([pair[i] for pair in pairs], np.int64) for i in (0, 1))
    return make_postings(source, target, len(columns), n_values)


@given(st.lists(st.sets(st.integers(0, 12)), min_size=1, max_size=8), st.sets(st.integers(0, 12)))
def test_overlaps_are_those_of_sets(columns, asked):
    postings = of(columns, 13)
    found = overlaps(postings, np.array(sorted(asked), np.int64))
    assert found.tolist() == [len(asked & values) for values in columns]
    for column, values in enumerate(columns):
        assert postings.values_of(column).tolist() == sorted(values)


def test_shares_are_exact_uncut_and_scaled_below_the_lesser_threshold():
    half = np.uint64(1 << 63)
    sizes = ColumnSizes(np.array([10, 1_000]), np.array([10, 500]), np.array([FULL, half]))
    assert shares(np.array([5, 5]), 10, FULL, sizes).tolist() == [0.5, 1.0]
    assert shares(np.array([0, 2]), 10, FULL, sizes).tolist() == [0.0, 0.4]
    assert shares(np.array([5, 5]), 10, half, sizes).tolist() == [0.5, 0.5]


def test_the_best_column_of_each_table_is_the_first_of_equals():
    best, place = best_in_table(np.array([0.1, 0.9, 0.9, 0.3, 0.0]), np.array([0, 3, 4]))
    assert best.tolist() == [0.9, 0.3, 0.0]
    assert place.tolist() == [1, 3, 4]


@given(st.lists(st.sets(st.integers(0, 300), max_size=40), min_size=1, max_size=6), st.sets(st.integers(0, 300)))
def test_sketches_that_hold_all_count_exactly(columns, asked):
    pairs = sorted((value, column) for column, values in enumerate(columns) for value in values)
    sketches = (np.array([p[0] for p in pairs], np.uint64), np.array([p[1] for p in pairs], np.int64))
    n_distinct = np.array([len(values) for values in columns])
    found = sketched_overlaps(sketches, np.array(sorted(asked), np.uint64), n_distinct)
    assert found.tolist() == [len(asked & values) for values in columns]


def test_partial_sketches_estimate():
    sketches = (np.arange(64, dtype=np.uint64), np.zeros(64, np.int64))
    found = sketched_overlaps(sketches, np.arange(0, 10_000, 2, dtype=np.uint64), np.array([1_000]))
    assert found.tolist() == [500]

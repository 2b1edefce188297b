import uuid

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.containment.kernel.chance import ValueSketches, column_chances, edge_chance
from lakebed.tasks.encoding.hashes import value_hashes
from tests.tasks.containment.kernel.builders import Column, bounds_of, tight

KEY = bytes(32)
THRESHOLD = 0.01


def sketches_of(columns, levels=None):
    """ValueSketches of columns of plain values; None stands for a column that was not read."""
    samples, found = [], []
    for values, level in zip(columns, levels or [0] * len(columns), strict=True):
        hashes = np.unique(value_hashes(pa.array(values or []), None, KEY)) if values else np.empty(0, np.uint64)
        samples.append(hashes if level == 0 else hashes[hashes >> np.uint64(64 - level) == 0])
        found.append(-1 if values is None else level)
    indptr = np.cumsum([0, *map(len, samples)], dtype=np.int64)
    return ValueSketches(indptr, np.concatenate(samples), np.array(found, np.int32))


def chances(columns, *, names=None, statistics=None, levels=None):
    """Chance of the first column, each column in a table of its own."""
    names, statistics = names or list(range(len(columns))), statistics or [Column() for _ in columns]
    _, bounds = bounds_of([{name: column} for name, column in zip(names, statistics, strict=True)], [10] * len(columns))
    return column_chances(bounds, sketches_of(columns, levels), np.zeros(1, np.int64))[0]


def test_small_numbers_lie_in_many_columns_and_are_a_coincidence():
    rng = np.random.default_rng(1)
    ages = list(range(18, 60))
    others = [list(range(100)) + rng.integers(0, 1_000, 50).tolist() for _ in range(200)]
    assert chances([ages, *others]) == 1.0


def test_identifiers_lie_in_no_column_and_are_none():
    ids = [[str(uuid.UUID(int=table << 64 | row)) for row in range(40)] for table in range(201)]
    assert chances(ids) == pytest.approx(1 / 201)
    assert chances(ids) < THRESHOLD


def test_columns_of_the_same_name_or_of_another_type_class_do_not_count():
    values = [list(range(5))] * 4
    assert chances(values, names=[0, 0, 0, 0]) == 1.0
    kinds = [Column(kind=kind) for kind in (0, 1, 1, 1)]
    assert chances([[1], [2], [2], [2]], statistics=kinds) == 1.0
    assert chances([[1], [2], [2], [2]]) == pytest.approx(1 / 4)


def test_what_bounds_rule_out_is_known_without_reading():
    columns = [[5], None, None, None]
    statistics = [tight(5, 5), tight(6, 9), tight(0, 4), Column()]
    # the third is neither ruled out nor read, so it is no evidence
    assert chances(columns, statistics=statistics) == pytest.approx(1 / 3)


@given(st.sets(st.integers(0, 200), min_size=1), st.sets(st.integers(0, 200)), st.integers(0, 3), st.integers(0, 3))
def test_a_column_that_contains_the_child_is_counted_at_any_levels(child, more, mine, theirs):
    assert chances([sorted(child), sorted(child | more)], levels=[mine, theirs]) == 1.0


def test_estimated_distinct_values_are_exact_at_level_zero():
    values = list(range(4_096))
    found = sketches_of([values, values, None], [0, 3, 0]).n_distinct()
    assert found[0] == 4_096
    assert found[1] == pytest.approx(4_096, rel=0.2)
    assert found[2] == 0


def test_density_counts_for_each_row_of_the_child():
    columns = np.array([0.5, 0.5])
    sparse = edge_chance(columns, 100, np.array([100.0, 100.0]), 3)
    assert sparse.density == pytest.approx(0.01)
    assert sparse.chance == pytest.approx(0.25 * 0.01**3)
    # a parent that has every combination says nothing, and an estimate beyond that is no density
    assert edge_chance(columns, 10_000, np.array([100.0, 100.0]), 3).chance == pytest.approx(0.25)
    assert edge_chance(columns, 20_000, np.array([100.0, 100.0]), 3).density == 1.0


def test_one_column_has_no_density():
    assert edge_chance(np.array([0.3]), 5, np.array([1_000.0]), 9).chance == pytest.approx(0.3)


@given(
    st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=2_000),
    st.integers(0, 1 << 40),
    st.integers(1, 1 << 40),
)
def test_a_chance_is_a_probability(columns, n_parent, n_child):
    found = edge_chance(np.array(columns), n_parent, np.full(len(columns), 7.0), n_child)
    assert 0.0 <= found.chance <= 1.0
    assert 0.0 <= found.density <= 1.0

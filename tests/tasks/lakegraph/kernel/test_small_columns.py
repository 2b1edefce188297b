"""Small columns sampled together have the samples of each alone."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakebed.tasks.encoding.segments import SMALL_ROWS, SmallColumns
from lakebed.tasks.lakegraph.kernel.folding import FoldedSample, sample_and_fold
from lakebed.tasks.lakegraph.kernel.samples import FloatRule, ValueSample
from lakebed.tasks.lakegraph.kernel.small_columns import sample_segments

RULES = [FloatRule("exact"), FloatRule("whole"), FloatRule("rounded", 2), FloatRule("out")]
TEXTS = st.sampled_from(
    ["", " ", "a", "A ", "b\u00a0 c", "B c", "7", "7.0", "07", "1.5", "-3.25", "x" * 90, "ß", "1e3"]
)
CELLS = {
    pa.int8(): st.integers(-128, 127),
    pa.int64(): st.sampled_from([0, 1, -1, 2**53 + 1, -(2**63), 2**63 - 1]),
    pa.uint64(): st.sampled_from([0, 7, 2**63, 2**64 - 1]),
    pa.float32(): st.sampled_from([0.0, -0.0, 1.5, 3.0, float("nan"), float("inf"), 1e30]),
    pa.float64(): st.sampled_from([0.0, -0.0, 1.5, 1.0, float("nan"), -float("inf"), 1 / 3, 1e300]),
    pa.string(): TEXTS,
    pa.large_string(): TEXTS,
}


def sampled(columns, n_kept, rule):
    """Samples by place, through one queue."""
    small = SmallColumns()
    for number, column in enumerate(columns):
        small.add((number, "c"), column)
    found = {}
    for segments in small.rest():
        for place, sample, folded in sample_segments(segments, n_kept, rule):
            assert place not in found
            found[place[0]] = ValueSample.from_bytes(sample), FoldedSample.from_bytes(folded)
    return found


def check(columns, n_kept, rule):
    found = sampled(columns, n_kept, rule)
    assert sorted(found) == list(range(len(columns)))
    for number, column in enumerate(columns):
        exact, folded = sample_and_fold(column, n_kept, rule)
        assert found[number][0].to_bytes() == exact.to_bytes(), column
        assert found[number][1].to_bytes() == folded.to_bytes(), column


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from([1, 3, 1000]), st.sampled_from(RULES))
def test_they_are_those_of_each_column_alone(data, n_kept, rule):
    columns = []
    for kind in data.draw(st.lists(st.sampled_from(list(CELLS)), min_size=1, max_size=8)):
        cells = data.draw(st.lists(st.none() | CELLS[kind], min_size=1, max_size=12))
        columns.append(pa.array(cells, kind))
    assert all(SmallColumns.takes(column) for column in columns)
    check(columns, n_kept, rule)


def test_many_columns_of_many_cells():
    rng = np.random.default_rng(3)
    columns = [pa.array(rng.integers(0, 1 + 40 * number, 300)) for number in range(200)]
    columns += [pa.array(rng.standard_normal(50).round(1)) for _ in range(100)]
    columns += [pa.array([f"{word:x} " for word in rng.integers(0, 1 + number, 100)]).slice(7) for number in range(100)]
    check(columns, 64, FloatRule("exact"))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([], pa.int64()),
        pa.array(range(SMALL_ROWS + 1)),
        pa.array([True]),
        pa.array([b"x"]),
        pa.array([1], pa.date32()),
        pa.array([[1]]),
        pa.array(["a"]).dictionary_encode(),
        pa.array([1.0], pa.float16()),
    ],
    ids=lambda column: str(column.type),
)
def test_large_and_other_columns_are_read_alone(column):
    assert not SmallColumns.takes(column)


def test_what_waits_is_handed_out_once_it_is_enough():
    small, n_seen = SmallColumns(), 0
    for number in range(5000):
        small.add((number, "c"), pa.array([number]))
        n_seen += sum(len(segments.places) for segments in small.full())
    assert 0 < n_seen < 5000
    assert n_seen + sum(len(segments.places) for segments in small.rest()) == 5000
    assert not list(small.rest())

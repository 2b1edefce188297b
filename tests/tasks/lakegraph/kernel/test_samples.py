import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.lakegraph.kernel.samples import FloatRule, ValueSample, merge_samples, sample_values

EXACT = FloatRule("exact")


def sample(values, n_kept=1 << 20, rule=EXACT):
    return sample_values(values if isinstance(values, pa.Array) else pa.array(values), n_kept, rule)


@given(st.lists(st.integers(-20, 20) | st.none(), max_size=60), st.integers(1, 50), st.integers(1, 8))
def test_a_sample_does_not_depend_on_how_the_column_is_cut(values, n_kept, size):
    array = pa.array(values, pa.int64())
    parts = [sample(array.slice(start, size), n_kept) for start in range(0, max(1, len(array)), size)]
    whole, merged = sample(array, n_kept), merge_samples(parts[::-1], n_kept)
    assert merged.hashes.tolist() == whole.hashes.tolist()
    assert merged.labels.equals(whole.labels)
    distinct = set(values) - {None}
    assert merged.is_cut == (len(distinct) > n_kept)
    if not merged.is_cut:
        assert merged.n_distinct == len(distinct)


@given(st.sets(st.integers(0, 500), min_size=60), st.sets(st.integers(0, 500), min_size=60))
def test_two_columns_keep_the_same_of_their_common_values(left, right):
    a, b = sample(sorted(left), 50), sample(sorted(right), 50)
    threshold = min(a.hashes[-1], b.hashes[-1])
    common = set(sample(sorted(left & right)).hashes.tolist())
    assert {h for h in common if h <= threshold} <= set(a.hashes.tolist()) & set(b.hashes.tolist())


def test_a_cut_sample_estimates_the_number_of_values():
    found = sample(list(range(100_000)), 4_096)
    assert found.is_cut
    assert abs(found.n_distinct - 100_000) < 5_000


def test_values_of_different_types_meet_as_in_the_row_encoding():
    one = sample(pa.array([1], pa.int8())).hashes.tolist()
    assert sample([1.0]).hashes.tolist() == one
    assert sample(pa.array([decimal.Decimal("1.00")])).hashes.tolist() == one
    assert sample(["1"]).hashes.tolist() != one
    assert sample(pa.array(["x", "y", "x"]).dictionary_encode()).hashes.tolist() == sample(["x", "y"]).hashes.tolist()


@pytest.mark.parametrize(
    ("floats", "wanted"), [("out", 0), ("whole", 2), ("rounded", 3), ("exact", 4)]
)  # 0.1 and 0.1000000001 are one when rounded
def test_floats_follow_the_rule(floats, wanted):
    values = pa.array([1.0, 2.0, 0.1, 0.1000000001, None, float("nan"), float("inf")])
    assert sample(values, rule=FloatRule(floats, 6)).n_distinct == wanted


def test_rounding_keeps_zero_and_extremes():
    found = sample(pa.array([0.0, 5e-324, 1.7976931348623157e308, -1234567.8]), rule=FloatRule("rounded", 3))
    assert found.n_distinct == 4
    assert sample([-1230000.0]).hashes[0] in found.hashes


def test_samples_survive_their_bytes():
    texts = [f"naïve <b>{i}</b>\n" for i in range(200)] + ["x" * 300, ""]
    for found in (sample(texts), sample(texts[:3]), ValueSample.none(), sample(texts, 10)):
        back = ValueSample.from_bytes(found.to_bytes())
        assert back.hashes.tolist() == found.hashes.tolist()
        assert back.labels.to_pylist() == found.labels.to_pylist()
        assert back.is_cut == found.is_cut


def test_labels_are_short_texts_whatever_the_type():
    assert sample(["x" * 300]).labels.to_pylist() == ["x" * 80]
    assert sample([datetime.date(2020, 1, 2)]).labels.to_pylist() == ["2020-01-02"]
    (nested,) = sample([[1, 2]]).labels.to_pylist()
    (binary,) = sample([b"\xff\x00"]).labels.to_pylist()
    assert nested.startswith("nested ")
    assert binary.startswith("binary ")
    assert np.uint64(int(nested.split()[1], 16)) in sample([[1, 2]]).hashes


def test_of_two_texts_of_a_value_the_lesser_stays_whatever_the_order():
    one, other = (sample_values(pa.array(values), 100, FloatRule("exact")) for values in ([0.0, 2.0], [-0.0, 2.0]))
    assert one.labels.to_pylist() != other.labels.to_pylist()
    for parts in ([one, other], [other, one], [other, one, other]):
        merged = merge_samples(parts, 100)
        assert sorted(merged.labels.to_pylist()) == sorted(other.labels.to_pylist())
        assert merged.hashes.tolist() == one.hashes.tolist()

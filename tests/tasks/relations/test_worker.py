import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.lake.leaves import LeafArray
from lakebed.tasks.containment.kernel.fingerprint import HashSettings
from lakebed.tasks.containment.scan import ScanPlan
from lakebed.tasks.encoding.hashes import value_hashes
from lakebed.tasks.relations.kernel.columns import MAX_VALUES
from lakebed.tasks.relations.worker import ValueSample, sample_splits

SETTINGS = HashSettings(bytes(32))


def leaf(values):
    return LeafArray(pa.array(values, pa.int64()), None)


@given(st.integers(1, 6_000), st.integers(1, 3_000), st.integers(1, 5), st.integers(0, 99))
def test_a_sample_is_that_of_all_values_whatever_the_batches(n_rows, n_values, n_batches, seed):
    values = np.random.default_rng(seed).integers(0, n_values, n_rows)
    sample = ValueSample()
    for batch in np.array_split(values, n_batches):
        part = ValueSample()
        part.add(leaf(batch), SETTINGS)
        sample.merge(part.hashes, part.level)
    hashes = np.unique(value_hashes(pa.array(np.unique(values)), None, SETTINGS.key))
    level = 0
    while np.count_nonzero(hashes >> np.uint64(64 - level) == 0 if level else hashes >= 0) > MAX_VALUES:
        level += 1
    kept = hashes if level == 0 else hashes[hashes >> np.uint64(64 - level) == 0]
    assert sample.level == level
    assert np.array_equal(sample.hashes, kept)


def test_nulls_are_counted_and_no_value():
    sample = ValueSample()
    sample.add(leaf([1, None, 1, None]), SETTINGS)
    assert (sample.n_nulls, len(sample.hashes)) == (2, 1)


def test_a_plan_of_another_stage_is_refused():
    plan = ScanPlan("", "", "", {}, {}, SETTINGS, 1)
    split = type("Split", (), {"table_id": 0, "path": "x"})()
    with pytest.raises(TypeError, match="ItemPlan"):
        list(sample_splits(plan, [split]))

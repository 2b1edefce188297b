"""Columns gathered batch by batch are those read at once, however they are cut and whatever is known meanwhile."""

import datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.lakegraph.kernel import folding, parts
from lakebed.tasks.lakegraph.kernel.folding import FoldedSample, fold_values, merge_folded
from lakebed.tasks.lakegraph.kernel.parts import ColumnSamples
from lakebed.tasks.lakegraph.kernel.samples import FloatRule, ValueSample, merge_samples, sample_values

RULE = FloatRule("exact")
CELLS = {
    pa.int64(): st.integers(-9, 9),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.string(): st.text("aB 1.-\u00c9\t", max_size=4),
    pa.large_string(): st.sampled_from(["a", "A", " a ", "1", "1.0", "01", "b  b", "\u00e9", ""]),
    pa.date32(): st.integers(0, 12).map(lambda day: datetime.date(2024, 1, 1 + day)),
    pa.timestamp("us"): st.integers(0, 3).map(lambda n: datetime.datetime(2024, 1, 1, 0, 0, 0, n * 250_000)),
    pa.float64(): st.sampled_from([0.0, -0.0, 1.5, 2.0, float("nan")]),
    pa.decimal128(5, 2): st.sampled_from([Decimal("1.00"), Decimal("1.50"), Decimal("0.00")]),
    pa.bool_(): st.booleans(),
    pa.list_(pa.int64()): st.lists(st.integers(0, 2), max_size=2),
}


@pytest.mark.parametrize("kind", CELLS, ids=str)
@given(data=st.data(), n_kept=st.integers(1, 12), most=st.integers(1, 4))
def test_batches_and_splits_do_not_show(kind, data, n_kept, most):
    cells = data.draw(st.lists(st.none() | CELLS[kind], max_size=60))
    n_cut, n_taken = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 4))
    values = pa.array(cells, kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "_MOST_PARTS", most)
        patch.setattr(folding, "_LOOKED_AT", data.draw(st.integers(1, 5)))
        samples, found = ColumnSamples(n_kept, RULE), []
        for number, start in enumerate(range(0, max(1, len(values)), n_cut)):
            samples.add("here", values.slice(start, n_cut))
            found += samples.take() if number % n_taken == 0 else []
        found += samples.take()
    # as workers send them
    exact = merge_samples([ValueSample.from_bytes(sample.to_bytes()) for _, sample, _ in found], n_kept)
    folded = merge_folded([FoldedSample.from_bytes(fold.to_bytes()) for _, _, fold in found], n_kept)
    whole, fold = sample_values(values, n_kept, RULE), fold_values(values, n_kept)
    assert (exact.hashes.tolist(), exact.is_cut) == (whole.hashes.tolist(), whole.is_cut)
    if kind != pa.float64():
        # of two zeros the first of a batch names them
        assert exact.labels.equals(whole.labels)
    assert folded.to_bytes() == fold.to_bytes()
    assert list(samples.take()) == []

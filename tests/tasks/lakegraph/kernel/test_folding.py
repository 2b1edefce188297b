import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.lakegraph.kernel.folding import FoldedSample, fold_values, merge_folded, sample_and_fold
from lakebed.tasks.lakegraph.kernel.samples import FloatRule, sample_values

N_KEPT = 1 << 16


def folded(values, kind=None):
    return fold_values(pa.array(values, kind), N_KEPT)


def exact(values):
    return sample_values(pa.array(values), N_KEPT, FloatRule("exact"))


def test_case_and_blanks_go():
    assert (
        folded([" Ada  Lovelace", "ada lovelace", "ADA\tLOVELACE\u00a0"]).hashes.tolist()
        == folded(["ada lovelace"]).hashes.tolist()
    )
    assert len(folded(["ada lovelace", "adalovelace"]).hashes) == 2


def test_text_that_is_a_canonical_number_is_that_number():
    numbers = exact([1.0, 2.0, 3.0, 4.5])
    assert folded(["1", " 2 ", "3.0", "4.50"]).hashes.tolist() == numbers.hashes.tolist()
    # a leading zero is part of a code, not of a number
    assert not np.isin(folded(["007", "1e3", "+1"]).hashes, exact([7, 1000, 1]).hashes).any()


def test_an_empty_text_is_nothing():
    found = folded(["", "  ", None, "x"])
    assert (len(found.hashes), found.n_filled, found.kind) == (1, 1, "text")
    assert folded(["", None], pa.string()).kind == "none"


@pytest.mark.parametrize(
    ("values", "kind", "bounds"),
    [
        ([1, 5, None], "int", (1, 5)),
        ([1.0, 5.0, float("nan")], "int", (1, 5)),
        ([1.5, 2.0], "float", (1.5, 2)),
        (["3", "10"], "int", (3, 10)),
        (["3", "x"], "text", (3, 3)),
    ],
)
def test_what_all_values_are(values, kind, bounds):
    found = folded(values)
    assert (found.kind, (found.low, found.high)) == (kind, bounds)


TEXTS = ["", " ", "a", "A", "a\u00a0b", "1", "01", "1.0", "-2.50", "x" * 100]
COLUMNS = {
    "int8": ([1, -1, None, 1, 100], pa.int8()),
    "uint64": ([2**64 - 1, 0, 2**63], pa.uint64()),
    "no integer": ([None, None], pa.int32()),
    "empty": ([], pa.string()),
    "text": ([*TEXTS, None, *TEXTS], pa.string()),
    "large text": ([*TEXTS, "a"], pa.large_string()),
    "no text": ([None], pa.string()),
    "float": ([1.0, 2.5, float("nan"), None, 1.0], pa.float64()),
    "bool": ([True, None, False, True], pa.bool_()),
    "day": ([datetime.date(2024, 5, 1), None], pa.date32()),
    "entries": ([*TEXTS, None, "a"], pa.dictionary(pa.int32(), pa.string())),
    "list": ([[1], None, [1]], pa.list_(pa.int64())),
}


@pytest.mark.parametrize("n_kept", [3, N_KEPT])
@pytest.mark.parametrize("name", COLUMNS)
def test_both_at_once_are_what_each_gives_alone(name, n_kept):
    values, rule = pa.array(*COLUMNS[name]), FloatRule("exact")
    sample, fold = sample_and_fold(values, n_kept, rule)
    assert sample.to_bytes() == sample_values(values, n_kept, rule).to_bytes()
    assert fold.to_bytes() == fold_values(values, n_kept).to_bytes()


@given(st.lists(st.one_of(st.none(), st.integers(-5, 5), st.integers(-(2**63), 2**63 - 1))))
def test_a_sample_is_that_of_the_distinct_values_whatever_repeats(values):
    found = sample_and_fold(pa.array(values, pa.int64()), 4, FloatRule("exact"))[0]
    distinct = sorted({value for value in values if value is not None})
    assert found.to_bytes() == sample_values(pa.array(distinct, pa.int64()), 4, FloatRule("exact")).to_bytes()
    assert {int(label) for label in found.labels.to_pylist()} <= {*distinct}


def test_dates_and_their_texts_are_one():
    day = datetime.date(2024, 5, 1)
    assert folded([day]).hashes.tolist() == folded(["2024-05-01"]).hashes.tolist()
    moment = datetime.datetime(2024, 5, 1, 10, 30)
    assert folded([moment]).hashes.tolist() == folded(["2024-05-01 10:30:00"]).hashes.tolist()


def test_a_dictionary_folds_as_its_values():
    plain = pa.array(["a", "B", None, "b"])
    assert fold_values(plain.dictionary_encode(), N_KEPT).n_filled == 3
    assert fold_values(plain.dictionary_encode(), N_KEPT).hashes.tolist() == fold_values(plain, N_KEPT).hashes.tolist()


@given(st.lists(st.text("aB 1.", max_size=4) | st.none(), max_size=30), st.integers(1, 5), st.integers(2, 20))
def test_parts_in_any_cut_make_the_same_whole(values, n_parts, n_kept):
    whole = fold_values(pa.array(values, pa.string()), n_kept)
    parts = [fold_values(pa.array(values[at::n_parts], pa.string()), n_kept) for at in range(n_parts)]
    merged = merge_folded([FoldedSample.from_bytes(part.to_bytes()) for part in parts], n_kept)
    assert merged.hashes.tolist() == whole.hashes.tolist()
    assert (merged.n_filled, merged.kind, merged.low, merged.high, merged.is_cut) == (
        whole.n_filled, whole.kind, whole.low, whole.high, whole.is_cut
    )  # fmt: skip

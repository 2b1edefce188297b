import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.index.kernel.postings import make_postings, overlaps


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

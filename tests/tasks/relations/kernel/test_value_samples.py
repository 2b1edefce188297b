import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.relations.kernel.columns import MAX_VALUES
from lakebed.tasks.relations.kernel.value_samples import add_hashes, sample_segments


def by_sorting(hashes):
    """The definition: distinct hashes below 2^(64 - level), at the lowest level that leaves at most 256."""
    kept, level = np.unique(hashes), 0
    while len(kept) > MAX_VALUES:
        level += 1
        kept = kept[kept >> np.uint64(64 - level) == 0]
    return kept, level


@st.composite
def columns(draw):
    """Hashes with repeats, few values and many, those of equal last words, and the least and greatest among them."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    values = rng.integers(0, 1 << 63, draw(st.integers(1, 2_000)), np.uint64) * np.uint64(2)
    if draw(st.booleans()):
        values = values >> np.uint64(10) << np.uint64(10)
    values = np.concatenate([values, np.array([0, (1 << 64) - 1], np.uint64)])
    return rng.choice(values, draw(st.integers(0, 5_000)))


@given(st.lists(columns(), min_size=1, max_size=4))
def test_segments_have_the_samples_of_the_definition(found):
    starts = np.cumsum([0, *map(len, found)], dtype=np.int64)
    hashes, ends, levels = sample_segments(np.concatenate(found), starts)
    for number, column in enumerate(found):
        kept, level = by_sorting(column)
        assert levels[number] == level
        assert np.array_equal(hashes[ends[number] : ends[number + 1]], kept)


@given(columns(), st.integers(1, 4))
def test_a_sample_grows_to_that_of_all(hashes, n_batches):
    held, level = np.empty(0, np.uint64), 0
    for batch in np.array_split(hashes, n_batches):
        held, level = add_hashes(held, level, batch)
    kept, lowest = by_sorting(hashes)
    assert level == lowest
    assert np.array_equal(held, kept)

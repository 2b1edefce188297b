import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.relations.kernel.overlap import ItemSamples, count_uncovered, find_overlaps, post_rows


def samples_of(entries, n_tables=100):
    """From (projection, item, level, is_child, hashes)."""
    columns = list(zip(*entries, strict=True))
    kept = [sorted({h for h in hashes if level == 0 or h >> (64 - level) == 0}) for *_, level, _, hashes in entries]
    return ItemSamples(
        np.array(columns[0], np.int32),
        np.array(columns[1], np.int32),
        np.array(columns[2], np.int32),
        np.array(columns[3], np.bool_),
        np.cumsum([0, *map(len, kept)], dtype=np.int64),
        np.array([h for hashes in kept for h in hashes], np.uint64),
        n_tables,
    )


HASHES = st.lists(st.sampled_from([1, 2, 1 << 40, 1 << 61, 1 << 62, 1 << 63, (1 << 64) - 1]), max_size=7)


@st.composite
def all_samples(draw):
    keys = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4)), min_size=1, max_size=9, unique=True))
    rows = [(*key, draw(st.integers(0, 3)), draw(st.booleans()), draw(HASHES)) for key in sorted(keys)]
    return rows, samples_of(rows)


def kept(samples, entry):
    return set(samples.high[samples.indptr[entry] : samples.indptr[entry + 1]].tolist())


def below(hashes, level):
    return {h for h in hashes if level == 0 or h >> (64 - int(level)) == 0}


@given(all_samples())
def test_overlaps_are_those_of_sets(given_):
    _, samples = given_
    found = find_overlaps(samples, post_rows(samples))
    pairs = {
        (c, o): (n, f)
        for c, o, n, f in zip(
            *(a.tolist() for a in (found.child, found.other, found.n_compared, found.n_found)), strict=True
        )
    }
    expected = {}
    for child in np.flatnonzero(samples.is_child).tolist():
        for other in range(len(samples.item)):
            if other == child or samples.projection[other] != samples.projection[child]:
                continue
            shared = kept(samples, child) & kept(samples, other)
            coarser = max(samples.level[child], samples.level[other])
            if shared:
                expected[child, other] = (len(below(kept(samples, child), coarser)), len(shared))
    assert pairs == expected
    assert (found.n_found <= found.n_compared).all()


@given(all_samples(), st.randoms())
def test_uncovered_rows_are_those_below_every_threshold(given_, random):
    _, samples = given_
    children = np.flatnonzero(samples.is_child)
    allowed = [
        [
            o
            for o in range(len(samples.item))
            if o != c and samples.projection[o] == samples.projection[c] and random.random() < 0.7
        ]
        for c in children
    ]
    offsets = np.cumsum([0, *map(len, allowed)], dtype=np.int64)
    flat = np.array([o for others in allowed for o in others], np.int64)
    found = count_uncovered(samples, post_rows(samples), children, (offsets, flat))
    for child, others, n in zip(children.tolist(), allowed, found.tolist(), strict=True):
        coarsest = max([samples.level[child], *(samples.level[o] for o in others)])
        held = set().union(*(kept(samples, o) for o in others))
        assert n == len(below(kept(samples, child), coarsest) - held)

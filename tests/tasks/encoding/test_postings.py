from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakebed.tasks.encoding.multiset import distinct_counts
from lakebed.tasks.encoding.postings import (
    Candidates,
    Members,
    SketchEntries,
    candidate_parents,
    find_rows,
)
from lakebed.tasks.encoding.sketch import threshold
from tests.tasks.encoding.arrays import quick

ROWS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=60)

# (projection, table) → level, whether it is a child, and its hashes on a scale of 16
TABLES = st.dictionaries(
    st.tuples(st.integers(0, 2), st.integers(0, 90)),
    st.tuples(st.integers(0, 2), st.booleans(), st.sets(st.integers(0, 15), max_size=16)),
    max_size=90,
)


def counted(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return distinct_counts(np.array(rows, dtype=np.uint64).reshape(-1, 2))


@quick
@given(ROWS, ROWS)
def test_two_tables_compare_as_sets_and_bags_do(child, parent):
    (a, a_counts), (b, b_counts) = counted(child), counted(parent)
    at = find_rows(a, b)
    assert (at < 0).sum() == len(set(child) - set(parent))
    both = Counter(child) & Counter(parent)
    matched = np.minimum(a_counts, np.where(at < 0, 0, np.append(b_counts, 0)[at]))
    assert matched.tolist() == [both[tuple(row)] for row in a.tolist()]


def test_few_child_rows_are_found_in_a_large_parent():
    rows = np.unique(np.random.default_rng(0).integers(0, 2**64, 100_000, dtype=np.uint64))
    parent = np.stack([rows, rows], axis=1)
    assert (find_rows(parent[::997].copy(), parent) >= 0).all()
    assert np.flatnonzero(find_rows(parent, parent[1:-1].copy()) < 0).tolist() == [0, len(parent) - 1]


Tables = dict[tuple[int, int], tuple[int, bool, set[int]]]


def sampled(tables: Tables) -> dict[tuple[int, int], set[int]]:
    return {at: {h << 60 for h in held if h << 60 < threshold(level)} for at, (level, _, held) in tables.items()}


def candidates_of(tables: Tables) -> Candidates:
    rows = sorted((projection, h, table) for (projection, table), held in sampled(tables).items() for h in held)
    projection, hashes, table = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    members = sorted((*at, level, is_child) for at, (level, is_child, _) in tables.items())
    columns = list(zip(*members, strict=True)) if members else [(), (), (), ()]
    return candidate_parents(
        SketchEntries(np.array(projection, np.int32), np.array(table, np.int32), np.array(hashes, np.uint64)),
        Members(*(np.array(c, kind) for c, kind in zip(columns, (np.int32, np.int32, np.uint8, bool), strict=True))),
    )


def expected_of(tables: Tables) -> dict[tuple[int, int], list[int]]:
    """By the definition, pair by pair."""
    samples = sampled(tables)
    return {
        child: [
            parent[1]
            for parent in sorted(tables)
            if parent != child
            and parent[0] == child[0]
            and {h for h in samples[child] if h < threshold(tables[parent][0])} <= samples[parent]
        ]
        for child in sorted(tables)
        if tables[child][1]
    }


@settings(max_examples=200, deadline=None)
@given(TABLES)
def test_candidates_are_those_of_the_definition(tables):
    found, expected = candidates_of(tables), expected_of(tables)
    assert list(zip(found.projection.tolist(), found.child.tolist(), strict=True)) == list(expected)
    parts = np.split(found.parents, found.offsets[1:-1]) if expected else []
    assert [part.tolist() for part in parts] == list(expected.values())


@settings(max_examples=20, deadline=None)
@given(st.integers(65, 200), st.integers(0, 2**32 - 1), st.sampled_from([0.05, 0.5, 0.95]))
def test_candidates_of_many_tables_with_sparse_and_dense_lists(n, seed, density):
    random = np.random.default_rng(seed)
    tables = {(0, i): (0, True, set(np.flatnonzero(random.random(16) < density).tolist())) for i in range(n)}
    found = candidates_of(tables)
    assert [part.tolist() for part in np.split(found.parents, found.offsets[1:-1])] == list(
        expected_of(tables).values()
    )


def test_a_sparser_parent_is_refuted_only_below_its_threshold():
    tables = {(0, 1): (0, True, {1, 9}), (0, 2): (1, False, {1}), (0, 3): (1, False, {2}), (0, 4): (0, False, {1})}
    found = candidates_of(tables)
    assert found.parents.tolist() == [2]


def test_an_empty_child_keeps_every_parent():
    found = candidates_of({(0, 1): (0, True, set()), (0, 2): (0, False, {1}), (1, 3): (0, False, set())})
    assert found.parents.tolist() == [2]


def test_equal_tables_are_each_others_candidates():
    found = candidates_of({(0, i): (0, True, {1, 2, 3}) for i in range(70)})
    assert np.diff(found.offsets).tolist() == [69] * 70


def test_a_hash_of_no_member_is_refused():
    entries = SketchEntries(np.zeros(1, np.int32), np.array([9], np.int32), np.ones(1, np.uint64))
    members = Members(np.zeros(2, np.int32), np.array([1, 2], np.int32), np.zeros(2, np.uint8), np.ones(2, np.bool_))
    with pytest.raises(ValueError, match="no member"):
        candidate_parents(entries, members)

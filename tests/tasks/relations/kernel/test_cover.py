from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.relations.kernel import cover
from lakebed.tasks.relations.kernel.cover import Signatures, choose_cover, row_signatures


def rows_of(numbers, counts=None):
    numbers = sorted(numbers)
    hashes = np.array([(number, number) for number in numbers], np.uint64).reshape(-1, 2)
    return hashes, np.array([counts[n] if counts else 1 for n in numbers], np.int64)


SETS = st.lists(st.sets(st.integers(0, 12)), min_size=1, max_size=6)


def covers(child, parents):
    return child <= set().union(set(), *parents)


@given(st.sets(st.integers(0, 12), min_size=1), SETS)
def test_a_cover_covers_and_none_of_it_is_superfluous(child, parents):
    signatures = row_signatures(rows_of(child), [rows_of(parent) for parent in parents], is_bag=False)
    found = choose_cover(signatures, len(parents))
    assert found.n_missing == len(child - set().union(*parents))
    chosen = [parents[place] & child for place in found.parents]
    assert sum(found.n_added) == len(child) - found.n_missing
    assert set().union(set(), *chosen) == child & set().union(*parents)
    for left_out in range(len(chosen)):
        if len(chosen) > 1:
            assert not covers(child & set().union(*parents), chosen[:left_out] + chosen[left_out + 1 :])


@given(st.sets(st.integers(0, 12), min_size=1), SETS)
def test_the_greedy_choice_is_within_its_bound(child, parents):
    """Chvátal (1979): at most H(n) times the least number."""
    if not covers(child, parents):
        return
    least = next(k for k in range(1, len(parents) + 1) if any(covers(child, c) for c in combinations(parents, k)))
    signatures = row_signatures(rows_of(child), [rows_of(parent) for parent in parents], is_bag=False)
    harmonic = sum(1 / n for n in range(1, len(child) + 1))
    assert len(choose_cover(signatures, len(parents)).parents) <= harmonic * least


@given(st.sets(st.integers(0, 12), min_size=1), SETS)
def test_buckets_add_up(child, parents):
    whole = row_signatures(rows_of(child), [rows_of(parent) for parent in parents], is_bag=False)
    parts = [
        row_signatures(
            rows_of({n for n in child if n % 2 == rest}),
            [rows_of({n for n in parent if n % 2 == rest}) for parent in parents],
            is_bag=False,
        )
        for rest in (0, 1)
    ]
    merged = Signatures.merged(parts)
    assert np.array_equal(merged.bits, whole.bits)
    assert np.array_equal(merged.counts, whole.counts)


def test_bags_need_one_parent_with_as_many():
    child = rows_of({1, 2}, {1: 2, 2: 1})
    once, twice = rows_of({1, 2}), rows_of({1}, {1: 2})
    assert choose_cover(row_signatures(child, [once, once], is_bag=True), 2).n_missing == 1
    found = choose_cover(row_signatures(child, [once, twice], is_bag=True), 2)
    assert (found.n_missing, sorted(found.parents)) == (0, [0, 1])


@pytest.mark.parametrize("limit", [1, 3])
def test_too_many_signatures_are_coarsened_soundly(monkeypatch, limit):
    rng = np.random.default_rng(3)
    child = set(range(200))
    parents = [set(rng.choice(200, 120, replace=False).tolist()) for _ in range(11)]
    exact = row_signatures(rows_of(child), [rows_of(parent) for parent in parents], is_bag=False)
    monkeypatch.setattr(cover, "MAX_SIGNATURES", limit)
    coarse = row_signatures(rows_of(child), [rows_of(parent) for parent in parents], is_bag=False)
    assert len(coarse.counts) <= limit + len(parents) + 1 < len(exact.counts)
    assert coarse.counts.sum() == 200
    found = choose_cover(coarse, len(parents))
    assert found.n_missing == len(child - set().union(*parents))
    assert set().union(*(parents[place] for place in found.parents)) == set().union(*parents)

import numpy as np
import pytest

from lakebed.tasks.relations.config import RelationsConfig
from lakebed.tasks.relations.plan import sample_levels


def levels(rows, **config):
    """From (projection, rows, is_child)."""
    projection, n_rows, is_child = (np.array(column) for column in zip(*rows, strict=True))
    return sample_levels(projection, n_rows, is_child, RelationsConfig(**config)).tolist()


def test_a_parent_is_sampled_as_finely_as_its_smallest_child_needs():
    rows = [(0, 1_000, True), (0, 64_000, True), (0, 10**6, False), (1, 10**6, True), (1, 10**6, False)]
    assert levels(rows, sketch_rows=1_024) == [0, 0, 0, 10, 10]


def test_the_budget_coarsens_the_largest_first():
    rows = [(0, 100, True), (0, 100_000, False), (0, 2_000_000, False)]
    found = levels(rows, sketch_rows=64, sketch_budget_rows=1 << 14)
    assert found[0] == 1 and found[1] < found[2]
    assert sum(n >> level for (_, n, _), level in zip(rows, found, strict=True)) <= 1 << 14


@pytest.mark.parametrize("n_items", [10, 5_000])
def test_a_budget_that_is_too_small_leaves_the_least_samples(n_items):
    found = levels([(0, 10_000, True)] * n_items, sketch_rows=64, sketch_budget_rows=1 << 12)
    assert len(set(found)) == 1
    assert 32 <= 10_000 >> found[0] <= 64


def test_no_items():
    none = np.empty(0, np.int64)
    assert len(sample_levels(none, none, none.astype(np.bool_), RelationsConfig())) == 0

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.errors import GraphError
from lakebed.tasks.links.config import SplitConfig
from lakebed.tasks.links.kernel.split import draw_non_edges, pair_keys, simple_edges, split_edges
from tests.tasks.links.graphs import communities


@given(st.integers(0, 1 << 40))
def test_no_pair_stands_in_two_parts_in_either_direction(seed: int) -> None:
    edges, n = communities(3, 12, seed % 7)
    split = split_edges(edges, n, SplitConfig(seed=seed, valid_share=0.1, test_share=0.2))
    parts = [split.train, split.valid, split.test, split.valid_negative, split.test_negative]
    keys = np.concatenate([np.concatenate([pair_keys(p, n), pair_keys(p[:, ::-1], n)]) for p in parts])
    assert len(np.unique(keys)) == len(keys)
    assert len(split.valid) == len(split.valid_negative)
    assert len(split.test) == len(split.test_negative)
    assert set(pair_keys(np.concatenate(parts[:3]), n)) == set(pair_keys(edges, n))


def test_the_seed_decides() -> None:
    edges, n = communities()
    first, again = (split_edges(edges, n, SplitConfig(seed=3)) for _ in range(2))
    other = split_edges(edges, n, SplitConfig(seed=4))
    assert np.array_equal(first.test, again.test)
    assert np.array_equal(first.test_negative, again.test_negative)
    assert not np.array_equal(first.test, other.test)


def test_direction_repeats_and_loops_change_nothing() -> None:
    edges, n = communities()
    noisy = np.concatenate([edges[::-1], edges[:, ::-1], np.array([[3, 3]])])
    first, second = (split_edges(e, n, SplitConfig()) for e in (edges, noisy))
    assert np.array_equal(first.train, second.train)


def test_shares_are_of_the_edges() -> None:
    edges, n = communities()
    split = split_edges(edges, n, SplitConfig())
    assert len(split.valid) == round(0.05 * len(edges))
    assert len(split.test) == round(0.10 * len(edges))


def test_too_few_edges_are_refused() -> None:
    with pytest.raises(GraphError, match="too few edges"):
        split_edges(np.array([[0, 1], [1, 2]]), 3, SplitConfig())


def test_a_clique_has_no_negatives() -> None:
    clique = np.stack(np.triu_indices(12, 1), axis=1).astype(np.int64)
    with pytest.raises(GraphError, match="too dense"):
        split_edges(clique, 12, SplitConfig())


def test_a_node_out_of_range_is_named_with_its_row() -> None:
    with pytest.raises(GraphError) as caught:
        simple_edges(np.array([[0, 1], [1, 9]]), 5)
    assert "row 1" in str(caught.value)


def test_negatives_are_spread_over_all_free_pairs() -> None:
    edges = np.array([[0, 1], [0, 2], [0, 3]])
    drawn = [draw_non_edges(edges, 5, 2, np.random.default_rng(seed)) for seed in range(600)]
    keys, counts = np.unique(pair_keys(np.concatenate(drawn), 5), return_counts=True)
    assert len(keys) == 7
    # 1200 draws over 7 pairs: five standard deviations around the mean
    assert np.abs(counts - 1200 / 7).max() < 5 * np.sqrt(1200 / 7)

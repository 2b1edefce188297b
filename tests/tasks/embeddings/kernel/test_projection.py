import numpy as np
import pytest

from lakebed.tasks.embeddings.kernel.projection import _philox, project, sparsity
from tests.tasks.embeddings.graphs import hashes


def drawn(node_hash: np.ndarray, s: int = 4, seed: int = 0, dim: int = 32) -> np.ndarray:
    out = np.empty((len(node_hash), dim), np.float32)
    project(node_hash, np.ones(len(node_hash), np.float32), s, seed, out)
    return out


def words(*counter_and_key: int) -> tuple[int, ...]:
    return tuple(int(word) for word in _philox(*(np.uint64(word) for word in counter_and_key)))


def test_philox_gives_the_published_words() -> None:
    ones = 0xFFFFFFFF
    assert words(0, 0, 0, 0, 0, 0) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    assert words(*[ones] * 6) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)


def test_a_row_depends_on_its_own_hash_alone() -> None:
    node_hash = hashes(50)
    whole = drawn(node_hash)
    np.testing.assert_array_equal(drawn(node_hash[::-1]), whole[::-1])
    np.testing.assert_array_equal(drawn(node_hash[7:9]), whole[7:9])
    assert (drawn(node_hash, seed=1) != whole).any()


@pytest.mark.parametrize("s", [1, 4, 64])
def test_entries_have_the_right_size_number_and_sign(s: int) -> None:
    found = drawn(hashes(4_000), s, dim=128)
    used = found[found != 0]
    np.testing.assert_allclose(np.abs(used), np.sqrt(s / 128), rtol=1e-6)
    assert len(used) / found.size == pytest.approx(1 / s, rel=0.2 if s == 64 else 0.02)
    assert (used > 0).mean() == pytest.approx(0.5, abs=0.02)


def test_no_row_is_empty() -> None:
    found = drawn(hashes(2_000), s=1 << 12, dim=16)
    assert found.any(axis=1).all()
    assert (found != 0).sum(axis=1).min() == 1


def test_columns_that_are_no_multiple_of_four() -> None:
    assert drawn(hashes(5), dim=7).shape == (5, 7)


@pytest.mark.parametrize(("n_nodes", "dim", "s"), [(1, 2, 1), (10_312, 512, 64), (100, 512, 8), (445_000, 128, 16)])
def test_sparsity_is_a_power_of_two_that_leaves_entries(n_nodes: int, dim: int, s: int) -> None:
    assert sparsity(n_nodes, dim) == s

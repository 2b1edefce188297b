import numpy as np
import pytest

from lakebed.tasks.embeddings.kernel.sums import add_power, column_sums, standardize, zero_rows


def random_rows(n: int = 500, d: int = 40) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)


@pytest.mark.parametrize("normalize", [True, False])
def test_powers_are_added(normalize: bool) -> None:
    power, total = random_rows(), random_rows()[::-1].copy()
    power[3] = 0
    lengths = np.linalg.norm(power, axis=1, keepdims=True) if normalize else np.ones((500, 1))
    expected = total + 2.5 * power / np.where(lengths == 0, 1, lengths)
    add_power(total, power, 2.5, normalize=normalize)
    np.testing.assert_allclose(total, expected, rtol=1e-4, atol=1e-5)


def test_standardised_columns() -> None:
    rows = random_rows() * 7 + 100
    rows[:, 5] = 3
    standardize(rows)
    varied = np.delete(rows, 5, axis=1)
    np.testing.assert_allclose(varied.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(varied.std(axis=0), 1, atol=1e-4)
    assert (rows[:, 5] == 3).all()


def test_same_bits_for_any_number_of_threads() -> None:
    results = []
    for n_threads in (1, 2, 5):
        total = random_rows()
        add_power(total, random_rows()[::-1], 0.3, normalize=True, n_threads=n_threads)
        standardize(total, n_threads)
        results.append(total.tobytes())
    assert len(set(results)) == 1


def test_column_sums_add_in_the_order_of_the_rows() -> None:
    rows, expected = random_rows(), np.zeros(40)
    for row in rows:
        expected += row.astype(np.float64) - 0.5
    np.testing.assert_array_equal(column_sums(rows, np.full(40, 0.5), squared=False, n_threads=3), expected)


def test_zero_rows() -> None:
    rows = random_rows(4)
    rows[[0, 2]] = 0
    assert zero_rows(rows).tolist() == [0, 2]

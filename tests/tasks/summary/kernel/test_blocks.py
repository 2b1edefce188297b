import numpy as np
import pytest

from lakebed.connectors.errors import GraphError
from lakebed.tasks.summary.kernel.blocks import (
    TRANSPOSED,
    Scratch,
    block_product,
    column_blocks,
    form_scaling,
    require_dense,
)


@pytest.mark.parametrize("n_columns", [1, 16, 48, 64, 80, 128, 512])
@pytest.mark.parametrize("n_threads", [1, 2, 8])
def test_blocks_cover_each_column_once(n_columns: int, n_threads: int) -> None:
    covered = [at + j for width, at in column_blocks(n_columns, n_threads) for j in range(width)]
    assert covered == list(range(n_columns))


def test_threads_get_narrower_blocks_rather_than_none() -> None:
    assert len(column_blocks(64, 1)) == 1
    assert len(column_blocks(64, 2)) == 4


@pytest.mark.parametrize("n_columns", [1, 3, 16, 70])
def test_odd_columns_are_filled_up_for_the_time_of_the_product(n_columns: int) -> None:
    def double(width: int, column: int, given: np.ndarray, result: np.ndarray) -> None:
        result[:, column : column + width] = 2 * given[:, column : column + width]

    dense = np.random.default_rng(0).standard_normal((4, n_columns))
    np.testing.assert_array_equal(block_product(dense, double, 2), 2 * dense)


def test_transposes_come_in_pairs() -> None:
    assert all(TRANSPOSED[TRANSPOSED[form]] == form for form in TRANSPOSED)


def test_an_unknown_form_is_named() -> None:
    with pytest.raises(GraphError, match="form") as raised:
        form_scaling("laplacian", np.ones(2))  # type: ignore[arg-type]
    assert "symmetric" in str(raised.value)


def test_rows_must_be_nodes() -> None:
    with pytest.raises(GraphError, match="one row a node"):
        require_dense(np.zeros((3, 2)), 4)


def test_integers_are_multiplied_as_doubles() -> None:
    assert require_dense(np.ones((2, 2), np.int64), 2).dtype == np.float64
    assert require_dense(np.ones((2, 2), np.float32), 2).dtype == np.float32


def test_scratch_gives_what_fits() -> None:
    scratch = Scratch()
    buffer = scratch.take(10, np.dtype(np.float32))
    scratch.give(buffer)
    assert scratch.take(8, np.dtype(np.float32)) is buffer
    scratch.give(buffer)
    assert len(scratch.take(20, np.dtype(np.float32))) == 20
    scratch.give(buffer)
    assert scratch.take(4, np.dtype(np.float64)).dtype == np.float64

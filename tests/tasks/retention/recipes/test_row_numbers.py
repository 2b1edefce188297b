from pathlib import Path

import numpy as np
import pytest

from lakebed.connectors.errors import PlanError
from lakebed.tasks.retention.recipes.row_numbers import MAX_INLINE_ROWS, pack_rows, read_rows, write_rows


def test_row_numbers_come_back_in_order(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).integers(0, 1 << 40, 1_000)
    packed = pack_rows(rows)
    stored = write_rows(str(tmp_path), packed)
    assert (tmp_path / stored.path).stat().st_size == stored.n_bytes
    assert np.array_equal(read_rows(str(tmp_path), stored), rows)
    assert np.array_equal(packed.numbers(), rows)


def test_equal_numbers_are_one_file(tmp_path: Path) -> None:
    for _ in range(2):
        write_rows(str(tmp_path), pack_rows(np.arange(100)))
    assert len(list(tmp_path.iterdir())) == 1


def test_neighbouring_numbers_cost_little() -> None:
    assert len(pack_rows(np.arange(5, 1_000_005)).data) < 20_000


@pytest.mark.parametrize("n", [0, 1, MAX_INLINE_ROWS])
def test_few_numbers_need_no_file(tmp_path: Path, n: int) -> None:
    stored = write_rows(str(tmp_path / "rows"), pack_rows(np.arange(n)))
    assert not (tmp_path / "rows").exists()
    assert stored.path == "" and read_rows("/nowhere", stored).tolist() == list(range(n))


def test_changed_numbers_are_refused(tmp_path: Path) -> None:
    stored = write_rows(str(tmp_path), pack_rows(np.arange(100)))
    (tmp_path / stored.path).write_bytes(pack_rows(np.arange(101)).data)
    with pytest.raises(PlanError, match="have changed"):
        read_rows(str(tmp_path), stored)


def test_missing_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError):
        read_rows(str(tmp_path), pack_rows(np.arange(100)).facts)

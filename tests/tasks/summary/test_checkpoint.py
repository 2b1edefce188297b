"""Checkpoints: only one's own, and only whole ones."""

from pathlib import Path

import numpy as np
import pytest

from lakebed.connectors.storage import Storage
from lakebed.tasks.summary.checkpoint import Checkpoint
from lakebed.tasks.summary.kernel.merging import MergeLog


@pytest.fixture
def log() -> MergeLog:
    ids = np.arange(3, dtype=np.int32)
    return MergeLog(ids, ids + 1, np.array([1, 3]), np.array([10, 20]))


def at(folder: Path, identity: str = "one") -> Checkpoint:
    return Checkpoint(Storage.at(str(folder)), "checkpoints/summary", identity)


def test_saved_and_loaded(tmp_path: Path, log: MergeLog) -> None:
    assert len(at(tmp_path).load().ends) == 0
    at(tmp_path).save(log)
    found = at(tmp_path).load()
    for name in ("absorbed", "kept", "ends", "work"):
        np.testing.assert_array_equal(getattr(found, name), getattr(log, name))
    at(tmp_path).clear()
    assert len(at(tmp_path).load().ends) == 0


def test_those_of_others_and_damaged_ones_are_not_taken(tmp_path: Path, log: MergeLog) -> None:
    at(tmp_path).save(log)
    assert len(at(tmp_path, "two").load().ends) == 0
    file = tmp_path / "checkpoints" / "summary" / "merges.npz"
    data = file.read_bytes()
    for damaged in (data[:50], data[:-40], b"", b"PK", data[:200] + bytes([data[200] ^ 255]) + data[201:]):
        file.write_bytes(damaged)
        assert len(at(tmp_path).load().ends) in {0, 2}
        if damaged != data[:200] + bytes([data[200] ^ 255]) + data[201:]:
            assert len(at(tmp_path).load().ends) == 0

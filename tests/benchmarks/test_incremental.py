import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.benchmarks import incremental

ROWS = pa.table({"n": list(range(100)), "text": [f"row {n}" for n in range(100)]})


@pytest.fixture
def lake(tmp_path):
    pq.write_table(ROWS, tmp_path / "t.parquet")
    incremental.write_parts(tmp_path, ROWS)
    return tmp_path


@pytest.mark.parametrize(
    ("kind", "n_rows"),
    [("changed", 99), ("appended", 20), ("added", 50), ("column_added", 100), ("dropped", None), ("night", 50)],
)
def test_each_change_leaves_what_it_says(lake, kind, n_rows):
    path = incremental.CHANGES[kind](lake, lake / "t.parquet")
    assert path.exists() == (n_rows is not None)
    if n_rows is not None:
        assert pq.read_metadata(path).num_rows == n_rows
        assert incremental.own_work(lake, path) > 0
    assert not list(lake.rglob(".*"))


def test_the_floors_are_those_of_the_issue():
    stages = [{"stage": "inventory", "digest": "d", "seconds": 1.0, "bytes_read": 150, "changes": {}}]
    report = {"wall_after_session_s": 5.5, "cpu_s": 9.0, "proven": 1, "stages": stages}
    assert incremental.verdicts(report, 75, 0.2) == {"is_within_time": True, "is_within_bytes": True}
    assert incremental.verdicts(report, 74, 0.1) == {"is_within_time": False, "is_within_bytes": False}

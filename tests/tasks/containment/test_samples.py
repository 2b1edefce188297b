import numpy as np
import pyarrow as pa
import pytest

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.samples import distinct_rows, gather
from lakebed.tasks.containment.scan import SCAN_SCHEMA, ScanPlaces, ScanRows, plan_scan
from tests.tasks.containment.lakes import view_of, workspace_of, write_lake


@pytest.fixture
def planned(tmp_path):
    write_lake(tmp_path / "lake", {"a": pa.table({"x": [1, 2]}), "b": pa.table({"x": [1, 2, 3], "y": [1, 1, 1]})})
    config, workspace = ContainmentConfig(), workspace_of(tmp_path)
    view, staged = view_of(workspace, config)
    return view, plan_scan(view.lake, view.survey.roles, config, workspace, ScanPlaces(staged, str(tmp_path)))


def words(*values):
    return np.array(values, np.uint64).tobytes()


def test_samples_of_several_splits_are_merged_by_table(planned):
    view, plan = planned
    rows, x = ScanRows(), {"token": '["x"]'}
    rows.add("rows", 1, 0, n=2, data=words(5, 5, 9, 1))
    rows.add("rows", 1, 0, n=2, data=words(1, 2, 5, 5))
    rows.add("rows", 0, 0, n=1, data=words(1, 2))
    rows.add("values", 0, **x, n=0, data=words(4, 8))
    rows.add("values", 0, **x, n=0, data=words(2, 4))
    rows.add("file", 3, n=7, n_bytes=70, text="bucket=3/f.parquet", data=b"m" * 32)
    rows.add("error", 1, text="broken")
    rows.add("task", -1, n=100, n_bytes=11)
    rows.add("task", -1, n=200, n_bytes=4)
    result = gather(pa.Table.from_batches([rows.batch()], SCAN_SCHEMA), plan, view.survey.roles, view.lake)
    place = result.rows.entries(np.array([0, 0], np.int32), np.array([0, 1], np.int32))
    parts = [result.rows.hashes[result.rows.indptr[n] : result.rows.indptr[n + 1]].tolist() for n in place]
    assert parts == [[[1, 2]], [[1, 2], [5, 5], [9, 1]]]
    assert result.rows.is_child[place].tolist() == [True, False]
    assert result.values.hashes.tolist() == [2, 4, 8]
    # the other columns were not read
    assert result.values.level.tolist() == [0, -1, -1]
    assert result.errors == {1: "broken"}
    assert (result.bytes_read, result.peak_worker_bytes) == (15, 200)
    assert [(file.path, file.bucket, file.n_rows, file.n_bytes) for file in result.files] == [
        ("bucket=3/f.parquet", 3, 7, 70)
    ]


def test_tables_without_a_row_have_empty_samples(planned):
    view, plan = planned
    result = gather(SCAN_SCHEMA.empty_table(), plan, view.survey.roles, view.lake)
    assert result.rows.indptr.tolist() == [0] * (len(view.survey.roles) + 1)
    assert (result.values.level == -1).all()
    assert result.bytes_read == 0


def test_distinct_rows_are_sorted_by_both_words():
    assert distinct_rows([words(2, 0, 1, 9), words(1, 3, 2, 0)]).tolist() == [[1, 3], [1, 9], [2, 0]]
    assert distinct_rows([]).shape == (0, 2)

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.reading import table_readings
from tests.tasks.containment.lakes import view_of, workspace_of

ROWS = pa.table({"x": [1, 2, 3]})


def reading(folder, name="t"):
    view, _ = view_of(workspace_of(folder), ContainmentConfig())
    table = view.lake.names.index(name)
    return table_readings(view.tables, [table])[table]


@pytest.fixture
def parts(tmp_path):
    folder = tmp_path / "lake" / "t" / "k=1"
    folder.mkdir(parents=True)
    pq.write_table(ROWS, folder / "part-0.parquet")
    return folder


def test_a_table_reads_the_same_wherever_it_stands_among_others(tmp_path, parts):
    before = reading(tmp_path)
    pq.write_table(ROWS, tmp_path / "lake" / "a.parquet")
    assert reading(tmp_path) == before
    assert list(before.files) == ["t/k=1/part-0.parquet"]


def test_a_touched_file_is_another(tmp_path, parts):
    before = reading(tmp_path)
    os.utime(parts / "part-0.parquet", ns=(1, 1))
    after = reading(tmp_path)
    assert after.how == before.how and after.files != before.files


def test_a_gained_file_leaves_the_others_as_they_were(tmp_path, parts):
    before = reading(tmp_path)
    pq.write_table(ROWS, parts / "part-1.parquet")
    after = reading(tmp_path)
    assert after.how == before.how
    assert before.files.items() < after.files.items()


def test_another_type_of_a_partition_column_changes_every_row(tmp_path, parts):
    before = reading(tmp_path)
    (tmp_path / "lake" / "t" / "k=x").mkdir()
    pq.write_table(ROWS, tmp_path / "lake" / "t" / "k=x" / "part-0.parquet")
    assert reading(tmp_path).how != before.how

"""What a scan keeps of an earlier one where less is wanted than before."""

import hashlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.tasks.containment.config import ContainmentConfig
from tests.tasks.containment.lakes import write_lake
from tests.tasks.containment.test_taken import Scans, assert_same_scan

WIDE = pa.table({"x": list(range(40)), "y": [f"y{n}" for n in range(40)]})


@pytest.fixture
def scans(tmp_path):
    # the narrow table asks for one column of the wide ones, their copies for both
    tables = {"one": WIDE, "two": WIDE, "narrow": WIDE.select(["x"]).slice(0, 9)}
    write_lake(tmp_path / "lake", tables)
    return Scans(tmp_path, ContainmentConfig())


def test_a_file_of_which_fewer_columns_are_wanted_is_no_more_read_as_a_whole(scans):
    _, first, _ = scans.next()
    path = scans.folder / "lake" / "one.parquet"
    assert first.result.digests["one.parquet"] == hashlib.sha256(path.read_bytes()).hexdigest()
    (scans.folder / "lake" / "two.parquet").unlink()
    _, content, scratch = scans.next()
    assert_same_scan(content, scratch, "fewer columns")
    assert "one.parquet" not in content.result.digests
    assert content.result.bytes_read == 0


def test_a_projection_that_was_not_hashed_costs_its_table(scans):
    scans.next()
    write_lake(scans.folder / "lake", {"other": WIDE.select(["y"]).slice(3, 9)})
    view, content, scratch = scans.next()
    assert_same_scan(content, scratch, "new projection")
    taken = {view.lake.names[table] for table in content.taken.reuse.taken}
    assert taken == {"narrow"}


def test_what_is_gone_is_counted(scans):
    scans.next()
    (scans.folder / "lake" / "narrow.parquet").unlink()
    pq.write_table(WIDE.slice(0, 5), scans.folder / "lake" / "part.parquet")
    view, content, _ = scans.next()
    changes = content.taken.reuse.changes(content.plan, view.lake)
    assert changes == {"tables_taken": 2, "tables_appended": 0, "tables_read": 1, "tables_dropped": 1}

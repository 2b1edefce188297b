import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.storage import Storage
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.previous import PATHS, load_state, save_state, table_readings
from lakebed.tasks.runtime.artifacts import Manifest
from tests.tasks.containment.lakes import search_here, view_of, workspace_of, write_lake

ROWS = pa.table({"x": list(range(40)), "y": [f"y{n}" for n in range(40)]})
MANIFEST = Manifest(stage="containment", key="k", digest="", version=1)


def saved(folder, found, unstable=()):
    content = found.content
    content.unstable.update(dict.fromkeys(unstable, "moved"))
    storage = Storage.at(str(folder / "artifacts"))
    save_state(storage, "containment/k", found.view, content, found.verified)
    assert all(storage.exists(f"containment/k/{path}") for path in PATHS)
    return load_state(storage, MANIFEST)


def test_what_was_saved_is_read_back(tmp_path):
    write_lake(tmp_path / "lake", {"a": ROWS, "b": ROWS.slice(0, 9), "c": ROWS.select(["x"])})
    found = search_here(tmp_path, ContainmentConfig())
    scan, content = saved(tmp_path, found), found.content
    assert set(scan.tables) == {"a", "b", "c"}
    assert {name: known.table_id for name, known in scan.tables.items()} == {"a": 0, "b": 1, "c": 2}
    assert scan.tables["a"].tokens == {'["x"]', '["y"]'}
    assert set(scan.tables["a"].digests) == {"a.parquet"}
    assert tuple(scan.hash_files) == content.result.files
    assert scan.bucket_bits == content.plan.bucket_bits
    rows = [sample for sample in scan.samples if not sample.token]
    assert b"".join(sample.data for sample in rows) == content.result.rows.hashes.tobytes()
    values = [sample for sample in scan.samples if sample.token]
    assert b"".join(sample.data for sample in values) == content.result.values.hashes.tobytes()
    for name, counts in vars(found.verified.counts).items():
        assert np.array_equal(getattr(scan.pairs.counts, name), counts)


def test_a_table_that_did_not_hold_still_is_left_out(tmp_path):
    write_lake(tmp_path / "lake", {"a": ROWS, "b": ROWS.slice(0, 9)})
    scan = saved(tmp_path, search_here(tmp_path, ContainmentConfig()), unstable=[1])
    assert set(scan.tables) == {"a"}
    assert {sample.table_id for sample in scan.samples} == {0}


def test_a_scan_of_nothing_is_saved_too(tmp_path):
    write_lake(tmp_path / "lake", {"alone": ROWS})
    scan = saved(tmp_path, search_here(tmp_path, ContainmentConfig()))
    assert (scan.tables, list(scan.samples), list(scan.hash_files), len(scan.pairs.child)) == ({}, [], [], 0)
    assert scan.bucket_bits >= 1


def test_a_damaged_file_is_an_error_that_says_what_to_do(tmp_path):
    write_lake(tmp_path / "lake", {"a": ROWS, "b": ROWS.slice(0, 9)})
    found = search_here(tmp_path, ContainmentConfig())
    saved(tmp_path, found)
    path = tmp_path / "artifacts" / "containment" / "k" / PATHS[1]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ArtifactError, match="damaged") as caught:
        load_state(Storage.at(str(tmp_path / "artifacts")), MANIFEST)
    assert "--full" in caught.value.hint


THREE = pa.table({"x": [1, 2, 3]})


def reading(folder, name="t"):
    view, _ = view_of(workspace_of(folder), ContainmentConfig())
    table = view.lake.names.index(name)
    return table_readings(view.tables, [table])[table]


@pytest.fixture
def parts(tmp_path):
    folder = tmp_path / "lake" / "t" / "k=1"
    folder.mkdir(parents=True)
    pq.write_table(THREE, folder / "part-0.parquet")
    return folder


def test_a_table_reads_the_same_wherever_it_stands_among_others(tmp_path, parts):
    before = reading(tmp_path)
    pq.write_table(THREE, tmp_path / "lake" / "a.parquet")
    assert reading(tmp_path) == before
    assert list(before.files) == ["t/k=1/part-0.parquet"]


def test_a_touched_file_is_another(tmp_path, parts):
    before = reading(tmp_path)
    os.utime(parts / "part-0.parquet", ns=(1, 1))
    after = reading(tmp_path)
    assert after.how == before.how and after.files != before.files


def test_a_gained_file_leaves_the_others_as_they_were(tmp_path, parts):
    before = reading(tmp_path)
    pq.write_table(THREE, parts / "part-1.parquet")
    after = reading(tmp_path)
    assert after.how == before.how
    assert before.files.items() < after.files.items()


def test_another_type_of_a_partition_column_changes_every_row(tmp_path, parts):
    before = reading(tmp_path)
    (tmp_path / "lake" / "t" / "k=x").mkdir()
    pq.write_table(THREE, tmp_path / "lake" / "t" / "k=x" / "part-0.parquet")
    assert reading(tmp_path).how != before.how

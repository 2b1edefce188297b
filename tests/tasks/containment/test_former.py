import numpy as np
import pyarrow as pa
import pytest

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.storage import Storage
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.former import load_state, save_state, state_paths
from lakebed.tasks.runtime.artifacts import Manifest
from tests.tasks.containment.lakes import search_here, write_lake

ROWS = pa.table({"x": list(range(40)), "y": [f"y{n}" for n in range(40)]})
MANIFEST = Manifest(stage="containment", key="k", digest="", version=1)


def saved(folder, found, unstable=()):
    content = found.content
    content.unstable.update(dict.fromkeys(unstable, "moved"))
    storage = Storage.at(str(folder / "artifacts"))
    save_state(storage, "containment/k", found.view, content, found.verified)
    assert all(storage.exists(f"containment/k/{path}") for path in state_paths())
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
    path = tmp_path / "artifacts" / "containment" / "k" / state_paths()[1]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ArtifactError, match="damaged") as caught:
        load_state(Storage.at(str(tmp_path / "artifacts")), MANIFEST)
    assert "--full" in caught.value.hint

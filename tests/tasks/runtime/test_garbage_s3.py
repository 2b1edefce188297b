"""The same on an object store, which has no folders and no links."""

import pytest

from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.config import GcConfig
from lakebed.tasks.runtime.garbage import find_garbage, remove
from lakebed.tasks.runtime.record import RUNS
from tests.tasks.quarantine.s3 import s3_server, upload
from tests.tasks.runtime.lakes import STAGES, key, publish, record_run


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    local = tmp_path_factory.mktemp("local")
    record_run(local, "20260101T000000-aaaaaa", [publish(local, "inventory", 1)])
    record_run(local, "20260102T000000-bbbbbb", [publish(local, "inventory", 2)])
    (local / "inventory" / key(3)).mkdir()
    (local / "inventory" / key(3) / "half.parquet").write_bytes(b"x")
    with s3_server():
        yield upload(local, "artifacts")


def test_garbage_goes_and_the_rest_stays(root):
    store, few = ArtifactStore(root), GcConfig(keep_runs=1, keep_days=0)
    sweep = find_garbage(store, STAGES, few)
    assert {(one.path, one.why) for one in sweep.all} == {
        (f"{RUNS}/20260101T000000-aaaaaa", "old run"),
        (f"inventory/{key(1)}", "unreferenced"),
        (f"inventory/{key(3)}", "unfinished"),
    }
    remove(store, sweep)
    assert find_garbage(store, STAGES, few).all == ()
    assert store.find("inventory", key(2)) is not None
    assert not [file.path for file in store.storage.list_files() if key(1) in file.path or key(3) in file.path]

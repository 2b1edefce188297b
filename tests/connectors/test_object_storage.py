"""Object storage against a real S3 server."""

import os
import subprocess
import sys
import threading
import time

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakebed.connectors.conditional import ConditionalObjects
from lakebed.connectors.delta import commit_files, open_table, read_table, write_table
from lakebed.connectors.errors import ArtifactError, SourceError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.listing import list_lake
from lakebed.connectors.object_client import delta_options
from lakebed.connectors.storage import Storage
from tests.services.versitygw import BUCKET, s3_server

pytestmark = pytest.mark.heavy

WITHIN_S = 60
NAMES = ["a b.txt", "ü%20x=1/q.txt", "k=a:b/é.json", "x#y?z.txt", "dir/.hidden", "a+b&c.txt", "c=~'(x)!*/d.txt"]


@pytest.fixture(scope="module")
def server():
    with s3_server() as running:
        yield running


@pytest.fixture
def root(server, request):
    return f"s3://{BUCKET}/{request.node.name.replace('[', '-').replace(']', '')}"


def test_every_name_comes_back(root):
    storage = Storage.at(root)
    for name in NAMES:
        storage.write_bytes_atomic(name, name.encode())
        assert storage.read_bytes(name) == name.encode()
        assert storage.stat(name).size == len(name.encode())
        with storage.open(name) as stream:
            assert stream.read() == name.encode()
    assert [file.path for file in storage.list_files()] == sorted(NAMES)
    assert storage.list_folders() == ["c=~'(x)!*", "dir", "k=a:b", "ü%20x=1"]


def test_what_is_not_there(root):
    storage = Storage.at(root)
    assert storage.stat("gone") is None and storage.read_if_there("gone") is None and not storage.exists("gone")
    assert storage.list_files("gone") == [] and storage.list_folders("gone") == []
    storage.delete_file("gone")
    storage.delete_folder("gone")
    Storage.at(f"{root}/gone").delete_folder("")
    with pytest.raises(ArtifactError, match="no such object"):
        storage.read_bytes("gone")


def test_deleting_leaves_nothing_behind(root, server):
    storage = Storage.at(root)
    for number in range(1100):
        (server.data / BUCKET / root.rsplit("/", 1)[1] / "folder").mkdir(parents=True, exist_ok=True)
        (server.data / BUCKET / root.rsplit("/", 1)[1] / "folder" / f"{number}.txt").write_text("")
    storage.write_bytes_atomic("folder-too/a", b"")
    before = len(server.log_lines())
    storage.delete_folder("folder")
    assert [file.path for file in storage.list_files()] == ["folder-too/a"]
    assert server.requests(before)["DeleteObjects"] == 2, "a thousand a request"


def test_a_small_file_is_one_request(root, server):
    storage = Storage.at(root)
    before = len(server.log_lines())
    storage.write_bytes_atomic("one", b"x")
    with storage.open_output("two") as stream:
        stream.write(b"y")
    storage.read_bytes("one")
    assert server.requests(before) == {"PutObject": 2, "GetObject": 1}


def test_a_lost_answer_does_not_make_a_put_fail(root):
    """The client sends it again, and the store then says that the condition does not hold."""
    objects = ConditionalObjects(root)
    first = objects.create("x", b"mine")
    assert objects.create("x", b"mine") == first
    assert objects.create("x", b"other") is None
    second = objects.replace("x", b"newer", first)
    assert objects.replace("x", b"newer", first) == second
    assert objects.replace("x", b"third", first) is None


@pytest.mark.parametrize("n_writers", [2, 4])
def test_a_commit_race_loses_nothing(root, n_writers):
    uri = f"{root}/table"
    write_table(uri, pa.table({"writer": pa.array([-1], pa.int64()), "n": pa.array([-1], pa.int64())}))
    n_commits, failures = 10, []

    def append(writer):
        for number in range(n_commits):
            rows = pa.table({"writer": pa.array([writer], pa.int64()), "n": pa.array([number], pa.int64())})
            try:
                write_deltalake(uri, rows, mode="append", storage_options=delta_options(uri))
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=append, args=(writer,)) for writer in range(n_writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    found = read_table(uri)
    assert sorted(zip(found["writer"].to_pylist(), found["n"].to_pylist(), strict=True)) == [
        (-1, -1), *((writer, number) for writer in range(n_writers) for number in range(n_commits))
    ]  # fmt: skip
    assert open_table(uri).version() == n_writers * n_commits


def test_of_two_that_make_a_table_at_once_nothing_is_lost(root):
    """delta-rs takes the later one for an append; artifacts have a lease, and are held to their commits."""
    uri, start, told = f"{root}/table", threading.Barrier(2), []

    def make(number):
        start.wait()
        try:
            write_table(uri, pa.table({"n": [number]}))
        except ArtifactError as error:
            told.append(error)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read_table(uri).num_rows == 2 - len(told)
    with pytest.raises(ArtifactError):
        commit_files(uri, pa.schema([("n", pa.int64())]), [])


def fails_within_seconds(call, kind, match):
    begun = time.monotonic()
    with pytest.raises(kind, match=match):
        call()
    assert time.monotonic() - begun < WITHIN_S


CALLS = {
    "list": lambda root: list_lake(LakeConfig(root=root)),
    "read": lambda root: Storage.at(root, SourceError).read_bytes("x"),
    "write": lambda root: Storage.at(root, SourceError).write_bytes_atomic("x", b""),
    "folders": lambda root: Storage.at(root, SourceError).list_folders(),
    "delta": lambda root: read_table(f"{root}/table"),
    "commit": lambda root: write_table(f"{root}/table", pa.table({"n": [1]})),
}
KINDS = (SourceError, ArtifactError)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_missing_bucket_is_told(server, call):
    fails_within_seconds(lambda: call("s3://no-such-bucket/lake"), KINDS, r"no such bucket|no files in log")


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials_are_told(server, call, variable, monkeypatch):
    monkeypatch.setenv(variable, "wrong-and-long")
    fails_within_seconds(lambda: call(f"s3://{BUCKET}/lake"), KINDS, "does not know these credentials|no permission")


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_store_that_is_down_is_told(server, call, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    fails_within_seconds(lambda: call(f"s3://{BUCKET}/lake"), KINDS, "does not answer")


def test_a_bucket_that_may_only_be_read_loses_nothing(root, server):
    storage = Storage.at(root)
    storage.write_bytes_atomic("kept", b"as it was")
    write_table(f"{root}/table", pa.table({"n": [1]}))
    server.stop()
    server.start("--readonly")
    try:
        fails_within_seconds(lambda: storage.write_bytes_atomic("kept", b"new"), ArtifactError, "no permission")
        fails_within_seconds(lambda: storage.delete_file("kept"), ArtifactError, "no permission")
        fails_within_seconds(lambda: write_table(f"{root}/new", pa.table({"n": [1]})), ArtifactError, "no permission")
        assert storage.read_bytes("kept") == b"as it was"
        assert read_table(f"{root}/table").num_rows == 1
    finally:
        server.stop()
        server.start()


def test_a_process_that_fails_ends_in_order(root, server):
    """Clients in C++ and in Rust have threads; none may turn the end of a process into an abort."""
    code = (
        "import sys; from lakebed.connectors.storage import Storage; storage = Storage.at(sys.argv[1]);"
        "storage.write_bytes_atomic('x', b'1'); storage.open('x').read(); storage.list_files(); sys.exit(3)"
    )
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", code, root], env=os.environ, capture_output=True, check=False)
        assert done.returncode == 3, done.stderr

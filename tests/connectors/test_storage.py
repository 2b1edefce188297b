import errno
import os

import pytest

from lakebed.connectors.errors import ArtifactError, SourceError
from lakebed.connectors.storage import LocalStorage, ObjectStorage, Storage, StoredFile, join_uri, storage_error


@pytest.fixture
def storage(tmp_path):
    return Storage.at(str(tmp_path))


def test_lists_files_recursively_by_path(storage, tmp_path):
    for name in ("b/x y.csv", "a.parquet", "b/c/ü'\".json"):
        storage.write_bytes_atomic(name, name.encode())
    found = storage.list_files()
    assert [file.path for file in found] == ["a.parquet", "b/c/ü'\".json", "b/x y.csv"]
    assert found[0] == StoredFile("a.parquet", 9, (tmp_path / "a.parquet").stat().st_mtime_ns)
    assert [file.path for file in storage.list_files("b/c")] == ["b/c/ü'\".json"]


def test_a_loop_of_links_is_listed_once(storage, tmp_path):
    storage.write_bytes_atomic("a/one.csv", b"1")
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    assert [file.path for file in storage.list_files()] == ["a/one.csv"]


def test_a_missing_folder_raises_the_kind_of_error_that_was_asked_for(tmp_path):
    lake = Storage.at(str(tmp_path / "nowhere"), SourceError)
    with pytest.raises(SourceError, match="no such file"):
        lake.list_files()
    seen = []
    assert lake.list_files(on_error=lambda folder, reason: seen.append((folder, reason))) == []
    assert seen[0][0] == ""


def test_a_root_that_is_a_file_says_so(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArtifactError, match="a part of the path is a file"):
        Storage.at(str(tmp_path / "file")).write_bytes_atomic("x.json", b"{}")


def test_a_failed_write_leaves_the_old_content_and_no_temporary_file(storage, tmp_path):
    storage.write_bytes_atomic("x.json", b"old")
    with pytest.raises(TypeError):
        storage.write_bytes_atomic("x.json", "not bytes")
    assert storage.read_bytes("x.json") == b"old"
    assert os.listdir(tmp_path) == ["x.json"]


def test_stat_exists_and_delete(storage):
    storage.write_bytes_atomic("d/x", b"123")
    assert storage.stat("d/x").size == 3
    assert storage.stat("d/x/y") is None
    assert storage.list_folders() == ["d"]
    assert storage.list_folders("nowhere") == []
    storage.delete_file("d/x")
    storage.delete_file("d/x")
    storage.delete_folder("d")
    storage.delete_folder("d")
    assert not storage.exists("d")


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "no permission"), (errno.EIO, "error")],
)
def test_every_failure_says_why_and_what_to_do(code, words):
    error = storage_error(OSError(code, os.strerror(code)), "write the file", "/x")
    assert isinstance(error, ArtifactError)
    assert words in str(error)
    assert error.hint


def test_a_read_only_file_system_is_typed():
    with pytest.raises(ArtifactError, match="cannot make the folder"):
        LocalStorage("/proc/lakebed").make_folder()


def test_object_store_with_a_bad_address_is_typed():
    with pytest.raises(ArtifactError, match="cannot use this object store"):
        Storage.at("abfss://no-account")


def test_join_uri():
    assert join_uri("s3://bucket/", "a", "/b/") == "s3://bucket/a/b"
    assert join_uri("/", "a") == "/a"
    assert join_uri("/data") == "/data"


def test_object_storage_does_as_local_storage_does(tmp_path):
    """The code for object stores, on Arrow's own local file system: no server runs here."""
    local, store = Storage.at(str(tmp_path)), ObjectStorage(f"file://{tmp_path}")
    for name in ("a/one two.csv", "b.parquet"):
        local.write_bytes_atomic(name, name.encode())
    assert [(f.path, f.size) for f in store.list_files()] == [(f.path, f.size) for f in local.list_files()]
    assert store.list_files("a") == local.list_files("a")
    assert store.stat("b.parquet").size == local.stat("b.parquet").size
    assert store.stat("b.parquet").mtime_ns // 10**9 == local.stat("b.parquet").mtime_ns // 10**9
    assert store.stat("a") is None
    assert store.list_folders() == ["a"]
    assert store.exists("a") and not store.exists("c")
    assert store.read_bytes("a/one two.csv") == b"a/one two.csv"
    store.write_bytes_atomic("b.parquet", b"new")
    assert local.read_bytes("b.parquet") == b"new"
    for _ in range(2):
        store.delete_file("b.parquet")
        store.delete_folder("a")
    assert local.list_files() == []
    with pytest.raises(ArtifactError, match="no such object"):
        store.read_bytes("gone")
    assert store.list_files("gone") == []

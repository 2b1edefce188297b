import os

import pytest

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.linking import link_file
from lakebed.connectors.storage import Storage


@pytest.mark.parametrize("has_links", [True, False])
def test_each_name_outlives_the_other(tmp_path, monkeypatch, has_links):
    if not has_links:
        monkeypatch.setattr(os, "link", _refuse)
    storage = Storage.at(str(tmp_path))
    storage.write_bytes_atomic("old/part", b"content")
    assert link_file(storage, "old/part", "new/deep/part") == 7
    assert (storage.stat("old/part").mtime_ns == storage.stat("new/deep/part").mtime_ns) or not has_links
    storage.delete_folder("old")
    assert storage.read_bytes("new/deep/part") == b"content"


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_is_linked_twice_keeps_its_content(tmp_path, monkeypatch, has_links):
    if not has_links:
        monkeypatch.setattr(os, "link", _refuse)
    storage = Storage.at(str(tmp_path))
    storage.write_bytes_atomic("old/part", b"content")
    assert [link_file(storage, "old/part", "new/part") for _ in range(2)] == [7, 7]
    assert (storage.read_bytes("old/part"), storage.read_bytes("new/part")) == (b"content", b"content")


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ArtifactError):
        link_file(Storage.at(str(tmp_path)), "nowhere", "target")


def _refuse(*_):
    raise OSError("this file system has no links")

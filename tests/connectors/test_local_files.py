"""Files that are there whole or not at all, on file systems with and without hard links."""

import errno
import os
import stat

import pytest

from lakebed.connectors.local_files import create_private, write_atomic


@pytest.mark.parametrize("has_links", [True, False])
def test_a_private_file_is_made_once_and_for_its_owner(tmp_path, monkeypatch, has_links):
    if not has_links:
        monkeypatch.setattr(os, "link", _refuse)
    target = tmp_path / "root" / "key"
    assert [create_private(str(target), data) for data in (b"one", b"two")] == [True, False]
    assert target.read_bytes() == b"one"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert os.listdir(target.parent) == ["key"]


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    target = tmp_path / "folder" / "a"
    for data in (b"one", b"two"):
        write_atomic(str(target), data)
    assert target.read_bytes() == b"two"
    target.unlink()
    target.mkdir()
    (target / "x").touch()
    with pytest.raises(OSError):
        write_atomic(str(target), b"three")
    assert os.listdir(target.parent) == ["a"]


def _refuse(*_):
    raise OSError(errno.EPERM, "this file system has no links")

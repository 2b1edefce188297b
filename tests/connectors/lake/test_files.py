from pathlib import Path

import pytest

from lakebed.connectors.errors import LakeError
from lakebed.connectors.lake.files import local_path, open_file


def test_a_local_file_is_read_at_any_place(tmp_path: Path) -> None:
    (tmp_path / "a b.bin").write_bytes(b"0123456789")
    for root in (str(tmp_path), f"file://{tmp_path}"):
        with open_file(root, "a b.bin") as file:
            file.seek(4)
            assert file.read(3) == b"456"
    assert local_path("/x", "y/z") == "/x/y/z"


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises((OSError, LakeError)):
        open_file(str(tmp_path), "nothing")

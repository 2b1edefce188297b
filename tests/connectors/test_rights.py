import os
import stat
import subprocess
import sys

import pytest

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.rights import require_own, weakness_of
from lakebed.connectors.storage import Storage

WRITE = """
import os, sys
from lakebed.connectors.rights import forbid_shared_writes
from lakebed.connectors.storage import Storage
os.umask(int(sys.argv[2], 8))
forbid_shared_writes()
storage = Storage.at(sys.argv[1])
storage.write_bytes_atomic("a/whole.json", b"x")
storage.open_output("a/stream.bin").close()
import pyarrow as pa
from lakebed.connectors.delta import write_table
write_table(sys.argv[1] + "/table", pa.table({"x": [1]}))
"""


def test_a_folder_of_ones_own_is_safe(tmp_path):
    assert weakness_of(str(tmp_path)) == ""
    assert weakness_of(str(tmp_path / "not there yet")) == ""
    assert weakness_of("s3://bucket/prefix") == ""


def test_everybodys_folder_is_not(tmp_path):
    tmp_path.chmod(0o777)
    weakness = weakness_of(str(tmp_path))
    assert "everybody may write" in weakness and "777" in weakness
    with pytest.raises(ArtifactError) as caught:
        require_own(str(tmp_path), weakness)
    assert "chmod o-w" in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
def test_another_users_folder_is_not(tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, 65534, -1)
    assert "belongs to" in weakness_of(str(folder))


@pytest.mark.parametrize(("umask", "most"), [("000", 0o644), ("002", 0o644), ("077", 0o600)])
def test_what_is_written_is_nobody_elses_to_write_and_a_stricter_umask_holds(tmp_path, umask, most):
    code = subprocess.run([sys.executable, "-c", WRITE, str(tmp_path), umask], check=False).returncode
    assert code == 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 4
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) & ~most == 0, path
    for path in [path for path in tmp_path.rglob("*") if path.is_dir()]:
        assert not path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH), path


def test_without_that_the_umask_of_the_caller_holds(tmp_path):
    Storage.at(str(tmp_path)).write_bytes_atomic("x", b"")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) & 0o022 == 0

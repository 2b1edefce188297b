import contextlib
import os
import stat
import subprocess
import sys

import numpy as np
import pytest

from lakebed.connectors.errors import ArtifactError, GraphError
from lakebed.tasks.links.feature_file import FeatureFile

ROWS = np.random.default_rng(0).standard_normal((300, 12)).astype(np.float32)
# a file system of 64 KiB of its own, for whoever may have one; then rows that it has no room for
FULL_DISK = """
mount -t tmpfs -o size=64k none "$1" || exit 77
exec "$2" - "$1" <<'END'
import sys
from pathlib import Path
import numpy as np
from lakebed.connectors.errors import ArtifactError
from lakebed.tasks.links.feature_file import FeatureFile
folder = Path(sys.argv[1])
try:
    FeatureFile(np.zeros((1000, 100), np.float32), folder)
except ArtifactError as error:
    print(error)
FeatureFile(np.zeros((100, 100), np.float32), folder)
print(list(folder.iterdir()))
END
"""


@pytest.fixture
def file(tmp_path):
    return FeatureFile(ROWS, tmp_path)


def handles_of(file):
    """The handles of files without a name of that length: this process's only way to them."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            facts = os.fstat(int(name))
            if stat.S_ISREG(facts.st_mode) and (facts.st_nlink, facts.st_size) == (0, file.n_bytes):
                found.append(int(name))
    return found


def damage(file, data, offset):
    for handle in handles_of(file):
        os.pwrite(handle, data, offset)


def read(file, nodes):
    nodes, out = np.asarray(nodes), np.full((len(nodes) + 2, 12), 7, np.float32)
    file.gather(nodes, out, np.arange(len(nodes)) + 1)
    assert (out[[0, -1]] == 7).all()
    return out[1:-1]


def test_rows_come_back_and_their_bytes_are_counted(file):
    nodes = np.array([0, 3, 4, 299])
    assert np.array_equal(read(file, nodes), ROWS[nodes])
    assert len(read(file, [])) == 0
    assert file.n_bytes_read == 4 * 12 * 4
    assert np.array_equal(file.mapped(), ROWS)


def test_the_file_has_no_name(file, tmp_path):
    assert list(tmp_path.iterdir()) == []
    assert np.array_equal(read(file, [5]), ROWS[[5]])


def test_every_single_flipped_bit_of_a_row_is_noticed(file):
    row = ROWS[[41]].tobytes()
    for bit in range(8 * len(row)):
        damaged = bytearray(row)
        damaged[bit // 8] ^= 1 << bit % 8
        damage(file, damaged, 41 * len(row))
        with pytest.raises(ArtifactError, match="not what was written"):
            read(file, [40, 41, 42])
    damage(file, row, 41 * len(row))
    assert np.array_equal(read(file, [41]), ROWS[[41]])


def test_a_shorter_file_is_an_error_and_no_crash(file):
    for handle in handles_of(file):
        os.ftruncate(handle, 4 * 12 * 10)
    with pytest.raises(ArtifactError, match="shorter than it was"):
        read(file, [200])


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_what_is_no_finite_number_is_named(tmp_path, wrong):
    rows = ROWS.copy()
    rows[17, 3] = wrong
    with pytest.raises(GraphError, match="no finite number") as error:
        FeatureFile(rows, tmp_path)
    assert "node 17, column 3" in str(error.value)


def test_a_folder_that_cannot_be_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="node features on disk"):
        FeatureFile(ROWS, tmp_path / "file" / "below")


def test_a_full_disk_is_an_error_and_gets_its_room_back(tmp_path):
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", FULL_DISK, "sh", str(tmp_path), sys.executable]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare")
    if ended.returncode == 77 or "unshare" in ended.stderr:
        pytest.skip("no file system of its own for this user")
    assert ended.returncode == 0, ended.stderr
    message, left = ended.stdout.strip().rsplit("\n", 1)
    assert "the disk is full" in message
    assert "400,000 bytes of node features" in message
    assert left == "[]"

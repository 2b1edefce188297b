import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.storage import Storage
from lakebed.tasks.containment import carry
from lakebed.tasks.containment.carry import HashFolders, carry_hashes
from lakebed.tasks.containment.hash_files import HashFiles, read_hash_rows
from tests.tasks.containment.test_hash_files import fingerprint, rows_of

ADDED = [(-7, 0, fingerprint(40)), (-7, 3, fingerprint(9, 1)), (5, 0, fingerprint(25, 2)), (5, 4, fingerprint(30, 3))]
SAME = {(projection, table): table for projection, table, _ in ADDED}


@pytest.fixture
def folders(tmp_path):
    return HashFolders(Storage.at(str(tmp_path)), "old/row_hashes", "new/row_hashes")


def written(folders, bits, added=ADDED):
    """A file a bucket for each table, as if each had been a task of its own."""
    files = []
    for one in added:
        writer = HashFiles(folders.storage.uri(folders.source), bits)
        writer.add(*one)
        files += writer.close()
    return files


def expected(kept):
    return Counter(
        (projection, kept[projection, table], tuple(row), n)
        for projection, table, rows in ADDED
        if (projection, table) in kept
        for row, n in zip(rows.hashes.tolist(), rows.counts.tolist(), strict=True)
    )


def read(folders, files):
    return rows_of(
        read_hash_rows(folders.storage.uri(folders.target), [file.path for file in files], np.arange(9, dtype=np.int32))
    )


def test_files_that_hold_get_a_second_name(folders):
    old = written(folders, 2)
    new = list(carry_hashes(folders, old, (2, 2), SAME))
    assert new == old
    assert read(folders, new) == expected(SAME)
    for file in new:
        ours, theirs = (folders.storage.uri(f, file.path) for f in (folders.source, folders.target))
        assert os.path.samefile(ours, theirs)
    folders.storage.delete_folder("old")
    assert read(folders, new) == expected(SAME)


@pytest.mark.parametrize("bits", [(1, 1), (1, 3), (3, 1)])
@pytest.mark.parametrize(
    "kept", [{(-7, 0): 0, (5, 4): 4}, {**SAME, (5, 4): 6}, {(-7, 0): 3, (-7, 3): 0, (5, 0): 3}, {}]
)
def test_other_rows_are_left_behind_numbered_anew_and_put_into_their_bucket(folders, bits, kept):
    new = list(carry_hashes(folders, written(folders, bits[0]), bits, kept))
    if kept:
        assert read(folders, new) == expected(kept)
    else:
        assert new == []
    for file in new:
        highs = read_hash_rows(folders.storage.uri(folders.target), [file.path], np.arange(9, dtype=np.int32)).hashes
        assert set((highs[:, 0] >> np.uint64(64 - bits[1])).tolist()) == {file.bucket}
        assert folders.storage.stat(f"{folders.target}/{file.path}").size == file.n_bytes
        assert file.n_rows == len(highs)


def test_many_files_of_a_bucket_become_one(folders, monkeypatch):
    monkeypatch.setattr(carry, "MAX_LINKED", 3)
    new = list(carry_hashes(folders, written(folders, 1), (1, 1), SAME))
    assert [file.bucket for file in new] == [0, 1]
    assert read(folders, new) == expected(SAME)


def test_a_damaged_file_is_an_error_that_says_what_to_do(folders):
    file = written(folders, 1, [(-7, 3, fingerprint(5_000))])[0]
    path = Path(folders.storage.uri(folders.source, file.path))
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match="damaged") as caught:
        list(carry_hashes(folders, [file], (1, 2), SAME))
    assert "--full" in caught.value.hint

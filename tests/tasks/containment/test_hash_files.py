import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.storage import Storage
from lakebed.tasks.containment import hash_files
from lakebed.tasks.containment.hash_files import HashFiles, HashFolders, carry_hashes, read_hash_rows


def fingerprint(n_rows, seed=0):
    """Row hashes in any order, some of them two or three times."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 1 << 64, (n_rows, 2), np.uint64, endpoint=False)
    return rng.permutation(np.repeat(hashes, rng.integers(1, 4, n_rows), axis=0))


def written(folder, bits, added):
    files = HashFiles(str(folder), bits)
    for projection, table, rows in added:
        files.add(projection, table, rows)
    return files.close()


def rows_of(read):
    sizes = np.diff(read.first)
    keys = (np.repeat(read.projection, sizes).tolist(), np.repeat(read.table, sizes).tolist())
    return Counter(zip(*keys, map(tuple, read.hashes.tolist()), strict=True))


ADDED = [(-7, 0, fingerprint(40)), (-7, 3, fingerprint(9, 1)), (5, 0, fingerprint(25, 2)), (5, 4, fingerprint(0))]


@pytest.mark.parametrize("bits", [0, 1, 3])
def test_what_is_written_is_read_and_every_row_lies_in_its_bucket(tmp_path, bits):
    files = written(tmp_path, bits, ADDED)
    wanted = np.array([0, 3, 4], np.int32)
    expected = Counter((projection, table, tuple(row)) for projection, table, rows in ADDED for row in rows.tolist())
    assert rows_of(read_hash_rows(str(tmp_path), [file.path for file in files], wanted)) == expected
    for file in files:
        high = read_hash_rows(str(tmp_path), [file.path], wanted).hashes[:, 0]
        assert (bits == 0) or set((high >> np.uint64(64 - bits)).tolist()) == {file.bucket}
        assert (file.n_rows, file.n_bytes) == (len(high), (tmp_path / file.path).stat().st_size)


def repeated(n_rows, seed=0):
    """Few hashes, each many times, as of a table under few of its columns."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 1 << 64, (7, 2), np.uint64, endpoint=False)[rng.integers(0, 7, n_rows)]


def test_rows_that_repeat_are_packed_and_read_as_they_were(tmp_path):
    added = [(1, 0, repeated(999)), (1, 3, fingerprint(500)), (2, 3, repeated(41, 1)), (2, 4, fingerprint(30, 3))]
    (file,) = written(tmp_path, 0, added)
    assert file.n_bytes == (tmp_path / file.path).stat().st_size < 16 * file.n_rows - 12 * 999
    expected = Counter((projection, table, tuple(row)) for projection, table, rows in added for row in rows.tolist())
    assert rows_of(read_hash_rows(str(tmp_path), [file.path], np.array([0, 3, 4], np.int32))) == expected
    blocks = list(hash_files.read_blocks(Storage.at(str(tmp_path)), file.path, {3, 4}))
    assert [block.table for block in blocks] == [3, 3, 4] and all(block.rows.flags.aligned for block in blocks)


def test_blocks_that_older_versions_wrote_plain_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(hash_files, "_packed", lambda rows: None)
    (file,) = written(tmp_path, 0, [(1, 0, repeated(999))])
    monkeypatch.undo()
    assert file.n_bytes > 16 * 999
    read = read_hash_rows(str(tmp_path), [file.path], np.array([0], np.int32))
    assert Counter(map(tuple, read.hashes.tolist())) == Counter(map(tuple, repeated(999).tolist()))


def test_only_the_asked_tables_are_read(tmp_path):
    files = written(tmp_path, 1, ADDED)
    read = read_hash_rows(str(tmp_path), [file.path for file in files], np.array([3], np.int32))
    assert set(read.table.tolist()) == {3}
    assert read.n_rows == len(ADDED[1][2])
    nothing = read_hash_rows(str(tmp_path), [file.path for file in files], np.array([1, 9], np.int32))
    assert nothing.n_rows == 0


def test_two_tasks_never_write_the_same_file(tmp_path):
    paths = [file.path for _ in range(2) for file in written(tmp_path, 0, ADDED)]
    assert len(set(paths)) == 2
    assert len(list(Path(tmp_path).rglob("*.rows"))) == 2


def test_a_task_without_rows_writes_no_file(tmp_path):
    assert written(tmp_path, 1, [(1, 1, fingerprint(0))]) == []
    assert list(tmp_path.iterdir()) == []


CARRIED = [(-7, 0, fingerprint(40)), (-7, 3, fingerprint(9, 1)), (5, 0, fingerprint(25, 2)), (5, 4, fingerprint(30, 3))]
SAME = {(projection, table): table for projection, table, _ in CARRIED}


@pytest.fixture
def folders(tmp_path):
    return HashFolders(Storage.at(str(tmp_path)), "old/row_hashes", "new/row_hashes")


def written_apart(folders, bits, added=CARRIED):
    """A file a bucket for each table, as if each had been a task of its own."""
    files = []
    for one in added:
        writer = HashFiles(folders.storage.uri(folders.source), bits)
        writer.add(*one)
        files += writer.close()
    return files


def expected(kept):
    return Counter(
        (projection, kept[projection, table], tuple(row))
        for projection, table, rows in CARRIED
        if (projection, table) in kept
        for row in rows.tolist()
    )


def read(folders, files):
    return rows_of(
        read_hash_rows(folders.storage.uri(folders.target), [file.path for file in files], np.arange(9, dtype=np.int32))
    )


def test_files_that_hold_get_a_second_name(folders):
    old = written_apart(folders, 2)
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
    new = list(carry_hashes(folders, written_apart(folders, bits[0]), bits, kept))
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
    monkeypatch.setattr(hash_files, "MAX_LINKED", 3)
    new = list(carry_hashes(folders, written_apart(folders, 1), (1, 1), SAME))
    assert [file.bucket for file in new] == [0, 1]
    assert read(folders, new) == expected(SAME)


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("is_cut", [False, True])
@pytest.mark.parametrize("rows", [np.unique(fingerprint(5_000), axis=0), repeated(90_000)], ids=["plain", "packed"])
def test_a_damaged_file_is_an_error_that_says_what_to_do(folders, place, is_cut, rows):
    file = written_apart(folders, 1, [(-7, 3, rows)])[0]
    path = Path(folders.storage.uri(folders.source, file.path))
    data = bytearray(path.read_bytes())
    at = int(place * (len(data) - 1))
    data[at] ^= 1
    path.write_bytes(data[: max(1, at)] if is_cut else data)
    with pytest.raises(ArtifactError, match="damaged") as caught:
        list(carry_hashes(folders, [file], (1, 2), SAME))
    assert "--full" in caught.value.hint


def test_a_block_that_belongs_to_another_table_is_noticed(folders):
    file = written_apart(folders, 0, [(-7, 3, fingerprint(50))])[0]
    path = Path(folders.storage.uri(folders.source, file.path))
    data = bytearray(path.read_bytes())
    data[4] ^= 2
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match="checksum"):
        read_hash_rows(folders.storage.uri(folders.source), [file.path], np.array([1, 3], np.int32))

import os
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.storage import Storage
from lakebed.tasks.containment import hash_files
from lakebed.tasks.containment.contract import ROW_HASHES
from lakebed.tasks.containment.hash_files import HashFiles, HashFolders, carry_hashes, n_below_bucket, read_hash_rows
from lakebed.tasks.containment.kernel.fingerprint import Fingerprint
from lakebed.tasks.runtime.digest import digest_table


def fingerprint(n_rows, seed=0):
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 1 << 64, (n_rows, 2), np.uint64, endpoint=False)
    hashes = hashes[np.lexsort((hashes[:, 1], hashes[:, 0]))]
    return Fingerprint(hashes, rng.integers(1, 4, n_rows))


def written(folder, bits, added):
    files = HashFiles(str(folder), bits)
    for projection, table, rows in added:
        files.add(projection, table, rows)
    return files.close()


def rows_of(read):
    columns = (read.projection.tolist(), read.table.tolist(), map(tuple, read.hashes.tolist()), read.counts.tolist())
    return Counter(zip(*columns, strict=True))


ADDED = [(-7, 0, fingerprint(40)), (-7, 3, fingerprint(9, 1)), (5, 0, fingerprint(25, 2)), (5, 4, fingerprint(0))]


@pytest.mark.parametrize("bits", [0, 1, 3])
def test_what_is_written_is_read_and_every_row_lies_in_its_bucket(tmp_path, bits):
    files = written(tmp_path, bits, ADDED)
    wanted = np.array([0, 3, 4], np.int32)
    expected = Counter(
        (projection, table, tuple(row), n)
        for projection, table, rows in ADDED
        for row, n in zip(rows.hashes.tolist(), rows.counts.tolist(), strict=True)
    )
    assert rows_of(read_hash_rows(str(tmp_path), [file.path for file in files], wanted)) == expected
    for file in files:
        high = read_hash_rows(str(tmp_path), [file.path], wanted).hashes[:, 0]
        assert (bits == 0) or set((high >> np.uint64(64 - bits)).tolist()) == {file.bucket}
        assert (file.n_rows, file.n_bytes) == (len(high), (tmp_path / file.path).stat().st_size)


def test_only_the_asked_tables_are_read(tmp_path):
    files = written(tmp_path, 1, ADDED)
    read = read_hash_rows(str(tmp_path), [file.path for file in files], np.array([3], np.int32))
    assert set(read.table.tolist()) == {3}
    assert len(read.table) == 9
    nothing = read_hash_rows(str(tmp_path), [file.path for file in files], np.array([1, 9], np.int32))
    assert len(nothing.table) == 0


def test_digests_of_files_do_not_depend_on_how_rows_are_grouped(tmp_path, monkeypatch):
    whole = written(tmp_path / "a", 0, ADDED)
    monkeypatch.setattr(hash_files, "ROWS_PER_GROUP", 16)
    grouped = written(tmp_path / "b", 0, list(reversed(ADDED)))
    assert [file.multiset for file in whole] == [file.multiset for file in grouped]
    one, many = (pq.ParquetFile(tmp_path / name / files[0].path) for name, files in (("a", whole), ("b", grouped)))
    assert (one.num_row_groups, many.num_row_groups > 1) == (1, True)
    assert digest_table(ROW_HASHES, one.read()) == digest_table(ROW_HASHES, many.read())


def test_two_tasks_never_write_the_same_file(tmp_path):
    paths = [file.path for _ in range(2) for file in written(tmp_path, 0, ADDED)]
    assert len(set(paths)) == 2
    assert len(list(Path(tmp_path).rglob("*.parquet"))) == 2


def test_a_task_without_rows_writes_no_file(tmp_path):
    assert written(tmp_path, 1, [(1, 1, fingerprint(0))]) == []
    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.integers(0, (1 << 64) - 1)), st.integers(0, 6))
def test_bucket_edges(values, bits):
    high = np.sort(np.array(values, np.uint64))
    edges = [n_below_bucket(high, bucket, bits) for bucket in range((1 << bits) + 1)]
    assert edges[0] == 0
    assert edges[-1] == len(high)
    expected = Counter(value >> (64 - bits) for value in values)
    assert [b - a for a, b in pairwise(edges)] == [expected[bucket] for bucket in range(1 << bits)]


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
        (projection, kept[projection, table], tuple(row), n)
        for projection, table, rows in CARRIED
        if (projection, table) in kept
        for row, n in zip(rows.hashes.tolist(), rows.counts.tolist(), strict=True)
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


def test_a_damaged_file_is_an_error_that_says_what_to_do(folders):
    file = written_apart(folders, 1, [(-7, 3, fingerprint(5_000))])[0]
    path = Path(folders.storage.uri(folders.source, file.path))
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match="damaged") as caught:
        list(carry_hashes(folders, [file], (1, 2), SAME))
    assert "--full" in caught.value.hint

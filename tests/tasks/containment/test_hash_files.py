from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakebed.tasks.containment import hash_files
from lakebed.tasks.containment.contract import ROW_HASHES
from lakebed.tasks.containment.hash_files import HashFiles, n_below_bucket, read_hash_rows
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

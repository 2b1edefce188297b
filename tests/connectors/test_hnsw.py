import resource
import signal
from contextlib import contextmanager

import hnswlib
import numpy as np
import pytest

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.hnsw import (
    FileStamp,
    index_bytes,
    load_index,
    map_stamped,
    mapped_copy,
    read_stamped,
    write_stamped,
)
from lakebed.connectors.storage import Storage


def built(n=50, dim=4):
    index = hnswlib.Index(space="l2", dim=dim)
    index.init_index(n)
    index.add_items(np.random.default_rng(0).standard_normal((n, dim)), num_threads=1)
    return index


def test_what_is_written_is_what_is_loaded(tmp_path):
    storage = Storage.at(str(tmp_path))
    stamp = write_stamped(storage, "a/one.hnsw", index_bytes(built()))
    again = load_index(read_stamped(storage, stamp), "l2", 4, 50)
    query = np.ones((1, 4))
    assert np.array_equal(again.knn_query(query, 5)[0], built().knn_query(query, 5)[0])


def test_other_bytes_are_refused(tmp_path):
    storage = Storage.at(str(tmp_path))
    stamp = write_stamped(storage, "one", b"0123456789")
    for wrong in (b"012345678", b"01234567890", b"0123456780"):
        (tmp_path / "one").write_bytes(wrong)
        for read in (read_stamped, map_stamped):
            with pytest.raises(ArtifactError, match="damaged or half-written"):
                read(storage, stamp)
    for read in (read_stamped, map_stamped):
        with pytest.raises(ArtifactError, match="damaged or half-written"):
            read(storage, FileStamp("none", 1, ""))


def test_a_mapping_outlives_its_file(tmp_path):
    storage = Storage.at(str(tmp_path))
    mapping = map_stamped(storage, write_stamped(storage, "one", b"0123456789"))
    (tmp_path / "one").unlink()
    assert mapping[:] == b"0123456789"
    assert mapped_copy([b"01", np.frombuffer(b"2345", np.uint8)])[:] == b"012345"


@contextmanager
def no_space():
    """Files may be of no more than 4,096 bytes, which stands for a full disk; pytest's own output is one outside."""
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 12, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_without_space_no_half_index_passes_for_a_whole_one():
    index = built(500, 16)
    with no_space():
        with pytest.raises(ArtifactError, match="did not write all"):
            index_bytes(index)
        with pytest.raises(ArtifactError, match="cannot load an index"):
            load_index(bytes(1 << 13), "l2", 16, 500)
        with pytest.raises(ArtifactError, match="cannot map vectors"):
            mapped_copy([bytes(1 << 13)])


def test_an_index_of_another_number_or_library_is_typed():
    with pytest.raises(ArtifactError, match="another number"):
        load_index(index_bytes(built(40)), "l2", 4, 50)
    with pytest.raises(ArtifactError, match="cannot load"):
        load_index(b"", "l2", 4, 50)

"""The rule for whether a file has changed."""

import pytest

from lakebed.connectors.lake.change import file_changes, has_changed, mark, stamp
from lakebed.connectors.lake.model import FileEntry
from lakebed.connectors.storage import Storage, StoredFile

FILE = FileEntry("a/b", 7, 5_000_000_001)


@pytest.mark.parametrize(
    ("was", "now", "is_other"),
    [
        ({}, {}, False),
        ({}, {"size": 8}, True),
        ({}, {"mtime_ns": 5_000_000_002}, True),
        # a tag decides where both have one, else the time
        ({"etag": "x"}, {"etag": "x", "mtime_ns": 9}, False),
        ({"etag": "x"}, {"etag": "y"}, True),
        ({"etag": "x"}, {}, False),
        ({"etag": "x"}, {"mtime_ns": 9}, True),
        # bytes must be the same where both are known, and excuse no other time
        ({"sha256": "1"}, {"sha256": "2"}, True),
        ({"sha256": "1"}, {"sha256": "1", "mtime_ns": 9}, True),
        ({"sha256": "1"}, {}, False),
        ({"etag": "x", "sha256": "1"}, {"etag": "x", "sha256": "2"}, True),
    ],
)
def test_size_tag_or_time_and_bytes_tell(was, now, is_other):
    one, other = (FileEntry(**{"path": "a", "size": 7, "mtime_ns": 5, **facts}) for facts in (was, now))
    if "mtime_ns" not in now:
        other = FileEntry("a", other.size, one.mtime_ns, other.etag, other.sha256)
    assert has_changed(one, other) is is_other
    assert has_changed(other, one) is is_other


def test_a_file_that_is_gone_has_changed():
    assert has_changed(FILE, None)


def test_times_of_whole_seconds_are_compared_as_such():
    now = StoredFile(FILE.path, FILE.size, 5_000_000_000)
    assert has_changed(FILE, now)
    assert not has_changed(FILE, now, unit_ns=1_000_000_000)


def test_the_mark_is_the_strongest_that_is_known():
    assert mark("digest", "tag", 5) == "digest"
    assert mark("", "tag", 5) == mark(None, "tag", 5) == "tag"
    assert mark("", "", 5) == "5"


def test_stamps_differ_where_two_sightings_do():
    assert stamp(FILE) == stamp(StoredFile(FILE.path, FILE.size, FILE.mtime_ns))
    others = [FileEntry("a/c", 7, FILE.mtime_ns), FileEntry("a/b", 7, 1), FileEntry("a/b", 7, FILE.mtime_ns, "", "1")]
    assert len({tuple(stamp(one)) for one in [FILE, *others]}) == 4


def test_what_became_of_files_is_told_by_path(tmp_path):
    storage = Storage.at(str(tmp_path))
    for name in ("stays", "grows", "goes"):
        (tmp_path / name).write_text(name)
    before = storage.list_files()
    (tmp_path / "grows").write_text("grows more")
    (tmp_path / "goes").unlink()
    (tmp_path / "comes").write_text("")
    assert file_changes(before, storage.list_files()) == {"grows": "was changed", "goes": "is gone", "comes": "is new"}

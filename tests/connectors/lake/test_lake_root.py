"""Places of catalogs, by whatever name of the lake's folder they are written."""

import os
from pathlib import Path

import pytest

from lakebed.connectors.lake.lake_root import LakeRoot, plain_path
from lakebed.connectors.lake.located import is_below, path_of


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A lake in `real/lake` that `data` leads to, with a link within it and one out of it."""
    for folder in ("real/lake/own/t", "real/lakes/t", "far/t"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data").symlink_to(tmp_path / "real")
    (tmp_path / "real/lake/inner").symlink_to(tmp_path / "real/lake/own")
    (tmp_path / "real/lake/out").symlink_to(tmp_path / "far")
    return tmp_path


@pytest.mark.parametrize("root", ["data/lake", "real/lake", "real/lake/", "data/../data/lake"])
@pytest.mark.parametrize("scheme", ["", "file:", "file://", "file://localhost"])
def test_a_place_is_below_the_root_by_any_name_of_both(disk: Path, root: str, scheme: str) -> None:
    lake = LakeRoot(f"{disk}/{root}")
    for place, below in {
        "real/lake/own/t": "own/t", "data/lake/own/t/": "own/t", "data//lake/./own": "own", "real/lake": "",
        # as it is listed: by its own path, unless that is elsewhere
        "data/lake/inner/t": "own/t", "data/lake/out/t": "out/t", "real/lake/gone/x": "gone/x",
        "real/lakes/t": None, "far/t": None, "real/lake/../lakes": None, "real": None,
    }.items():  # fmt: skip
        assert lake.below(f"{scheme}{disk}/{place}") == below, place
        assert is_below(f"{scheme}{disk}/{place}", f"{disk}/{root}") == (below is not None), place


def test_a_root_may_be_relative_a_store_or_none(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(disk / "data")
    assert LakeRoot("lake").below(f"{disk}/real/lake/own") == "own"
    assert LakeRoot("lake").below("/a\0b") is None and LakeRoot("lake").below("/\ud800") is None
    # what is no absolute path is none of this folder
    assert LakeRoot("lake").below("lake/own") is None and LakeRoot(str(disk)).below("hdfs://host/x") is None
    for place in ("s3://b/lake/t", "s3a://b/lake/t/", "s3n://b/lake/t"):
        assert LakeRoot("s3://b/lake").below(place) == LakeRoot("s3a://b/lake/").below(place) == "t"
    assert LakeRoot("s3://b/lake").below("s3://b/lakes/t") is None
    assert LakeRoot("gs://b").below("gcs://b/t") == LakeRoot("abfss://c@a/x").below("abfs://c@a/x/t") == "t"
    assert (
        LakeRoot("").below("/x") is None and LakeRoot("/").below(f"{disk}/far") == f"{os.path.realpath(disk)}/far"[1:]
    )


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/d/a#1/t", "/d/a#1/t"), ("/d/what?/t/", "/d/what?/t"), ("/d/a%20b", "/d/a%20b"), ("/d/a b;c", "/d/a b;c"),
        ("file:///d/a%20b", "/d/a b"), ("file:///d/a#1", "/d/a#1"), ("file:/d/x?", "/d/x?"),
        ("file:///d/a%231", "/d/a#1"),
        ("file://localhost/d/x", "/d/x"), ("C:/x", ""), ("s3://b/x", ""), ("file://host/x", ""), ("", ""), ("x/y", ""),
    ],
)  # fmt: skip
def test_the_path_of_a_location(location: str, path: str) -> None:
    assert path_of(location) == path


def test_spellings_of_one_place() -> None:
    spelled = ("file:///a/b", "file:/a/b", "file:///a/b", "file://localhost/a/b", "/a/b")
    assert {plain_path(one) for one in spelled} == {"/a/b"}
    assert {plain_path(f"{one}://b/c") for one in ("s3", "s3a", "s3n")} == {"s3://b/c"}
    assert (plain_path("./d/e"), plain_path("file:./d"), plain_path("hdfs://h/x")) == ("d/e", "d", "hdfs://h/x")

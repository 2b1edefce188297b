import shutil

import pytest

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.places import CACHE_VARIABLE
from lakebed.connectors.spark.fetch import fetch_set, present_jars
from lakebed.connectors.spark.jars import DELTA_JARS, JARS_VARIABLE, are_wanting, find_jars, inspect_jars


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """An empty cache, and a folder with the jars for a machine without a network."""
    source = tmp_path / "source"
    source.mkdir()
    for path in find_jars():
        shutil.copyfile(path, source / f"io.delta_{path.name}")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(JARS_VARIABLE, str(source))
    return tmp_path


def test_the_folder_is_filled_once_from_the_variables(empty, monkeypatch):
    target = empty / "cache" / "jars"
    (target / "delta-spark-1.0.jar").parent.mkdir(parents=True)
    (target / "delta-spark-1.0.jar").touch()
    assert fetch_set() == target
    assert {path.name for path in target.iterdir()} == {*DELTA_JARS, "delta-spark-1.0.jar"}
    assert [path.name for path in (empty / "cache").iterdir()] == ["jars"]
    before = {path: path.stat().st_mtime_ns for path in target.iterdir()}
    monkeypatch.setenv(JARS_VARIABLE, str(empty / "gone"))
    assert fetch_set() == target
    assert {path: path.stat().st_mtime_ns for path in target.iterdir()} == before
    monkeypatch.delenv(JARS_VARIABLE)
    assert not are_wanting()
    assert present_jars() == [target / name for name in DELTA_JARS]


def test_a_damaged_jar_is_fetched_again(empty):
    target = fetch_set()
    (target / next(iter(DELTA_JARS))).write_bytes(b"cut")
    fetch_set()
    assert all(jar.is_pinned for jar in inspect_jars(str(target)))


def test_what_is_not_the_pinned_jar_is_refused_and_not_kept(empty):
    with next((empty / "source").iterdir()).open("ab") as jar:
        jar.write(b"\0")
    with pytest.raises(ConfigError, match="differ from the pinned ones"):
        fetch_set()
    assert [*(empty / "cache" / "jars").iterdir()] == []


def test_they_are_wanting_only_where_nobody_named_a_folder(empty, monkeypatch):
    assert not are_wanting()
    monkeypatch.delenv(JARS_VARIABLE)
    assert are_wanting()
    assert not are_wanting(str(empty / "source"))


def test_no_room_for_them_is_told_with_the_variable(empty, monkeypatch):
    (empty / "file").touch()
    monkeypatch.setenv(CACHE_VARIABLE, str(empty / "file"))
    with pytest.raises(ConfigError) as caught:
        fetch_set()
    assert CACHE_VARIABLE in caught.value.hint

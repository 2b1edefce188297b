import shutil
from pathlib import Path

import pytest

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.spark import jars
from lakebed.connectors.spark.jars import (
    DELTA_JARS,
    JARS_VARIABLE,
    S3_JARS,
    class_path,
    find_jars,
    find_set,
    inspect_jars,
    jars_folder,
    s3_jars,
    share_folder,
)


def test_what_set_up_fetched_is_what_is_pinned():
    assert all(jar.is_pinned for jar in inspect_jars())
    assert len(find_jars()) == 7


def test_the_config_wins_over_the_variable_and_that_over_set_up(tmp_path, monkeypatch):
    assert jars_folder() == share_folder() / "jars"
    monkeypatch.setenv(JARS_VARIABLE, str(tmp_path / "variable"))
    assert jars_folder() == tmp_path / "variable"
    assert jars_folder(str(tmp_path / "config")) == tmp_path / "config"


def test_file_names_of_ivy_count(tmp_path):
    for path in find_jars():
        shutil.copyfile(path, tmp_path / f"io.delta_{path.name}")
    assert [jar.name for jar in inspect_jars(str(tmp_path)) if jar.is_pinned] == list(DELTA_JARS)


def test_a_missing_jar_is_named_with_the_fix(tmp_path):
    for path in find_jars()[1:]:
        shutil.copyfile(path, tmp_path / path.name)
    with pytest.raises(ConfigError) as caught:
        find_jars(str(tmp_path))
    assert caught.value.examples == (next(iter(DELTA_JARS)),)
    assert "make setup" in caught.value.hint


def test_a_changed_jar_is_seen(tmp_path):
    for path in find_jars():
        shutil.copyfile(path, tmp_path / path.name)
    with (tmp_path / "delta-storage-4.4.0.jar").open("ab") as jar:
        jar.write(b"\0")
    assert [jar.name for jar in inspect_jars(str(tmp_path)) if not jar.is_pinned] == ["delta-storage-4.4.0.jar"]


def test_hadoop_settings_come_last_on_the_class_path(monkeypatch):
    monkeypatch.setenv("HADOOP_CONF_DIR", "/etc/hadoop")
    assert class_path(find_jars()).split(":")[-1] == "/etc/hadoop"


def test_a_set_that_is_not_there_is_named_with_its_command(tmp_path, monkeypatch):
    monkeypatch.setattr(jars, "share_folder", lambda: tmp_path)
    monkeypatch.delenv(JARS_VARIABLE, raising=False)
    assert s3_jars() == []
    with pytest.raises(ConfigError) as caught:
        find_set(S3_JARS)
    assert "python -m lakebed.connectors.spark.fetch s3 (690 MB)" in caught.value.hint


def test_a_set_is_found_in_the_folder_of_the_variable(tmp_path, monkeypatch):
    monkeypatch.setattr(jars, "share_folder", lambda: tmp_path / "nowhere")
    monkeypatch.setenv(JARS_VARIABLE, str(tmp_path))
    for name in S3_JARS.jars:
        (tmp_path / f"group_{name}").touch()
    assert [path.name for path in s3_jars()] == [f"group_{name}" for name in S3_JARS.jars]


def test_further_jars_stand_behind_sparks_where_the_archive_does_not_look():
    entries = class_path(find_jars(), [Path("/further.jar")]).split(":")
    assert entries.index("/further.jar") > entries.index(next(entry for entry in entries if entry.endswith("*")))

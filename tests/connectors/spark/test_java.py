from pathlib import Path

import pytest

from lakebed.connectors.errors import ConfigError
from lakebed.connectors.spark.java import find_java


def fake_jdk(folder: Path, version: str, *, is_released: bool = True) -> Path:
    launcher = folder / "bin" / "java"
    launcher.parent.mkdir(parents=True)
    launcher.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    launcher.chmod(0o755)
    if is_released:
        (folder / "release").write_text(f'IMPLEMENTOR="X"\nJAVA_VERSION="{version}"\n')
    return folder


@pytest.mark.parametrize(("text", "version"), [("17.0.15", 17), ("21", 21), ("21.0.4+7", 21)])
@pytest.mark.parametrize("is_released", [True, False])
def test_supported_versions(tmp_path, monkeypatch, text, version, is_released):
    monkeypatch.setenv("JAVA_HOME", str(fake_jdk(tmp_path, text, is_released=is_released)))
    assert (find_java().version, find_java().text) == (version, text)


@pytest.mark.parametrize("text", ["1.8.0_392", "11.0.2", "25", "nonsense"])
def test_other_versions_are_named_with_the_fix(tmp_path, monkeypatch, text):
    monkeypatch.setenv("JAVA_HOME", str(fake_jdk(tmp_path, text)))
    with pytest.raises(ConfigError) as caught:
        find_java()
    assert text in str(caught.value)
    assert "openjdk-17" in caught.value.hint


def test_no_java_at_all(tmp_path, monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="Java was not found"):
        find_java()


def test_a_java_home_without_java_falls_back_to_the_path(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    assert find_java().version in (17, 21)

import pytest

from lakebed.connectors.errors import ConfigError
from lakebed.flows.cli.options import artifact_root, overrides


def test_only_what_is_given_overrides():
    assert overrides(None, None) == {}
    assert overrides("l", None) == {"lake": {"root": "l"}}
    assert overrides(None, "a") == {"artifacts": "a"}
    assert overrides("l", "a", strict=True, paranoid=None) == {"lake": {"root": "l", "strict": True}, "artifacts": "a"}


def test_the_option_wins(tmp_path):
    (tmp_path / "lakebed.toml").write_text('artifacts = "file"\n[lake]\nroot = "x"\n')
    assert artifact_root("given") == "given"
    assert artifact_root(None) == str(tmp_path / "file")


def test_no_lake_is_needed_to_read_artifacts(tmp_path, monkeypatch):
    assert artifact_root(None) == str(tmp_path / ".lakebed")
    (tmp_path / "some.toml").write_text('artifacts = "mine"\n')
    assert artifact_root(None, tmp_path / "some.toml") == str(tmp_path / "mine")
    monkeypatch.setenv("LAKEBED_ARTIFACTS", "of-environment")
    assert artifact_root(None) == str(tmp_path / "of-environment")


def test_a_wrong_file_is_a_typed_error(tmp_path):
    (tmp_path / "lakebed.toml").write_text("nope = 1\n")
    with pytest.raises(ConfigError, match="nope"):
        artifact_root(None)

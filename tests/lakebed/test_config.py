import os

import pytest

from lakebed.config import LakebedConfig, load_config, merged, require_apart
from lakebed.connectors.errors import ConfigError


def written(tmp_path, text):
    path = tmp_path / "some.toml"
    path.write_text(text)
    return path


def test_file_then_environment_then_command_line(tmp_path, monkeypatch):
    path = written(
        tmp_path, '[lake]\nroot = "file"\nstrict = true\nexclude = ["a"]\n[spark]\ndriver_memory_mib = 600\n'
    )
    assert load_config(path).lake.root == str(tmp_path / "file")
    monkeypatch.setenv("LAKEBED_LAKE__ROOT", "environment")
    monkeypatch.setenv("LAKEBED_SPARK__DRIVER_MEMORY_MIB", "700")
    config = load_config(path)
    assert (config.lake.root, config.lake.strict, config.lake.exclude) == (str(tmp_path / "environment"), True, ("a",))
    assert config.spark.driver_memory_mib == 700
    config = load_config(path, {"lake": {"root": "line"}, "artifacts": "here"})
    assert (config.lake.root, config.lake.strict) == (str(tmp_path / "line"), True)
    assert config.artifacts == str(tmp_path / "here")


def test_the_file_of_the_working_folder_is_found(tmp_path):
    (tmp_path / "lakebed.toml").write_text('artifacts = "elsewhere"\n[lake]\nroot = "x"\n')
    assert load_config().artifacts == str(tmp_path / "elsewhere")


def test_without_any_file_defaults_hold(tmp_path):
    config = load_config(None, {"lake": {"root": "x"}})
    assert config.artifacts == str(tmp_path / ".lakebed")
    assert config.containment == LakebedConfig(lake={"root": "x"}).containment


@pytest.mark.parametrize(
    ("text", "key", "found"),
    [
        ('[lake]\nroot = "x"\ncolour = 3\n', "lake.colour", "3"),
        ('[lake]\nroot = "x"\n[lakes]\n', "lakes", "{}"),
        ('[lake]\nroot = "x"\n[spark]\ndriver_memory_mib = 1\n', "spark.driver_memory_mib", "1"),
        ('[lake]\nroot = "x"\n[containment]\nsemantics = "heap"\n', "containment.semantics", "heap"),
        ('[lake]\nroot = "x"\nstrict = "perhaps"\n', "lake.strict", "perhaps"),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path, text, key, found):
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, text))
    assert key in caught.value.what
    assert str(caught.value.value) == found
    assert caught.value.expected
    assert "lakebed config" in caught.value.hint
    assert caught.value.exit_code == 2


def test_further_problems_are_examples(tmp_path):
    path = written(tmp_path, '[lake]\nroot = "x"\na = 1\nb = 2\n[spark]\ndriver_memory_mib = 1\n')
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert len(caught.value.examples) == 2


def test_the_lake_must_be_given():
    with pytest.raises(ConfigError, match="lake is missing") as caught:
        load_config()
    assert "--lake" in caught.value.hint


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no such config file") as caught:
        load_config(tmp_path / "none.toml")
    assert "lakebed config >" in caught.value.hint


@pytest.mark.parametrize("data", [b"[lake\n", b"\xff\xfe[lake]", b"a = 1\na = 2\n"])
def test_a_broken_file_is_a_typed_error(tmp_path, data):
    path = tmp_path / "broken.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        load_config(path)
    assert "broken.toml" in str(caught.value)


def test_a_folder_as_config_file_is_a_typed_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("LAKEBED_LAKE__NOPE", "1"), ("LAKEBED_SPARK__DRIVER_MEMORY_MIB", "few"), ("LAKEBED_LAKE", "no json")],
)
def test_the_environment_is_held_to_the_same_rules(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError):
        load_config(None, {"lake": {"root": "x"}})


def test_every_key_has_a_description():
    def undescribed(model, prefix=""):
        for name, field in model.model_fields.items():
            if hasattr(field.annotation, "model_fields"):
                yield from undescribed(field.annotation, f"{prefix}{name}.")
            elif not field.description:
                yield prefix + name

    assert list(undescribed(LakebedConfig)) == []


def test_paths_become_absolute_and_one_lake_has_one_name(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    roots = ["link", "real", "./real/", f"file://{tmp_path}/real", "real/../real"]
    found = {load_config(None, {"lake": {"root": root}}).lake.root for root in roots}
    assert found == {str(tmp_path / "real")}
    home = load_config(None, {"lake": {"root": "~/x"}}).lake.root
    assert home == os.path.realpath(os.path.expanduser("~/x"))


def test_object_stores_keep_their_address():
    assert load_config(None, {"lake": {"root": "s3://bucket/x"}}).lake.root == "s3://bucket/x"


def test_links_in_a_circle_do_not_break_the_config(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert load_config(None, {"lake": {"root": "a"}}).lake.root == str(tmp_path / "a")


@pytest.mark.parametrize(
    ("lake", "artifacts"),
    [
        ("/x/lake", "/x/lake"),
        ("/x/lake", "/x/lake/.lakebed"),
        ("/x/lake/part", "/x/lake"),
        ("/x/lake/", "/x/other/../lake/a"),
        ("file:///x/lake", "/x/lake/a"),
        ("s3://b/lake", "s3://b/lake/artifacts"),
    ],
)
def test_lake_and_artifacts_must_lie_apart(lake, artifacts):
    with pytest.raises(ConfigError, match="lie in each other") as caught:
        require_apart(lake, artifacts)
    assert lake in str(caught.value.value) and artifacts in str(caught.value.value)


def test_artifacts_reached_by_a_link_into_the_lake_are_refused(tmp_path):
    (tmp_path / "lake").mkdir()
    (tmp_path / "way").symlink_to("lake")
    with pytest.raises(ConfigError, match="lie in each other"):
        require_apart(str(tmp_path / "lake"), str(tmp_path / "way" / "a"))


@pytest.mark.parametrize(
    ("lake", "artifacts"), [("/x/lake", "/x/lake2"), ("s3://b/lake", "/b/lake"), ("s3://b/lake", "s3://c/lake/a")]
)
def test_folders_apart_are_fine(lake, artifacts):
    require_apart(lake, artifacts)


def test_merged_goes_section_by_section():
    assert merged({"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"y": 3}, "b": {"z": 1}}) == {
        "a": {"x": 1, "y": 3},
        "b": {"z": 1},
    }

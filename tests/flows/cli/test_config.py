import json
import tomllib

from lakebed.config import LakebedConfig, load_config
from lakebed.flows.cli.config import config


def shown(capsys, **options):
    config(**options)
    return capsys.readouterr().out


def test_the_output_is_a_config_file(capsys, tmp_path):
    text = shown(capsys)
    values = tomllib.loads(text)
    assert set(values) == set(LakebedConfig.model_fields)
    (tmp_path / "lakebed.toml").write_text(text.replace('root = ""', 'root = "here"', 1))
    default = load_config(None, {"lake": {"root": "here"}})
    assert load_config(tmp_path / "lakebed.toml") == default


def test_every_key_stands_there_with_its_meaning_and_range(capsys):
    lines = shown(capsys).splitlines()
    for name, value in _leaves(tomllib.loads("\n".join(lines))):
        assert value is not None
        place = next(n for n, line in enumerate(lines) if line.startswith(f"{name} ="))
        assert lines[place - 1].startswith("# ")
    place = next(n for n, line in enumerate(lines) if line.startswith("driver_memory_mib"))
    assert "≥ 512" in lines[place - 1] and "≤ 1048576" in lines[place - 1]


def _leaves(values):
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value)
        elif not isinstance(value, dict):
            yield name, value


def test_json_is_the_schema(capsys):
    out = shown(capsys, as_json=True)
    schema = json.loads(out)
    assert out.count("\n") == 1
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["SparkConfig"]["properties"]["driver_memory_mib"]["minimum"] == 512

"""The chart's values against its own schema, without Helm."""

import json

import jsonschema
import pytest
import yaml

from tests.infra.places import CHART

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())


def test_the_defaults_are_valid():
    jsonschema.validate(VALUES, SCHEMA)


def test_every_value_is_described_and_every_description_is_of_a_value():
    assert SCHEMA["properties"].keys() == VALUES.keys() | {"global"}
    for name, section in SCHEMA["properties"].items():
        if "properties" in section:
            assert section["properties"].keys() == VALUES[name].keys(), name
            assert section["additionalProperties"] is False, name


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("lake", "root", "relative/path"),
        ("image", "digest", "sha256:short"),
        ("prefect", "apiUrl", "http://prefect:4200"),
        ("worker", "schedule", "daily"),
        ("cronJob", "schedule", ""),
        ("worker", "enabled", "yes"),
        ("artifacts", "accessModes", []),
        ("artifacts", "size", "20"),
    ],
)
def test_what_cannot_be_is_refused(section, key, value):
    changed = VALUES | {section: VALUES[section] | {key: value}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(changed, SCHEMA)

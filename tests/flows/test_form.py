"""What the form of a run shows, and what it never does."""

import json

from pydantic import SecretStr

from lakebed.config import NOT_OF_RUNS, LakebedConfig, load_config
from lakebed.flows.form import ContainmentForm, without_secrets
from lakebed.tasks.containment.config import ContainmentConfig

KEYS = {"hash_key", "older_hash_key"}
KEY = "0123456789abcdef" * 4


def test_no_secret_is_among_the_parameters(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(f'[lake]\nroot = "lake"\n[containment]\nhash_key = "{KEY}"\nsemantics = "bag"\n')
    given = without_secrets(load_config(file))
    assert KEY not in json.dumps(given) and "hash_key" not in json.dumps(given)
    assert given["containment"]["semantics"] == "bag"
    assert given["lake"]["root"] == str(tmp_path / "lake")
    assert set(given) == set(LakebedConfig.model_fields) - NOT_OF_RUNS
    assert set(given["containment"]) == set(ContainmentConfig.model_fields) - KEYS


def test_every_secret_of_the_configuration_is_hidden_from_the_form():
    secrets = [
        (section, name)
        for section, field in LakebedConfig.model_fields.items()
        if hasattr(field.annotation, "model_fields")
        for name, inner in field.annotation.model_fields.items()
        if inner.annotation is SecretStr
    ]
    assert secrets == [("containment", name) for name in ("hash_key", "older_hash_key")]
    assert "hash_key" not in json.dumps(ContainmentForm.model_json_schema())
    assert "hash_key" not in ContainmentForm(hash_key=KEY).model_dump()


def test_the_key_comes_from_the_caller_then_the_environment(monkeypatch):
    assert ContainmentForm().config() == ContainmentConfig()
    monkeypatch.setenv("LAKEBED_CONTAINMENT__HASH_KEY", KEY)
    assert ContainmentForm(semantics="bag").config() == ContainmentConfig(semantics="bag", hash_key=KEY)
    other = "f" * 64
    assert ContainmentForm.model_validate(ContainmentConfig(hash_key=other)).config().hash_key == SecretStr(other)
    assert type(ContainmentForm().config()) is ContainmentConfig

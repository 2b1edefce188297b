"""What the form of a run shows, and what it never does."""

import inspect
import json

import pytest
from pydantic import SecretStr

from lakebed.config import NOT_OF_RUNS, LakebedConfig, load_config
from lakebed.connectors.errors import ConfigError
from lakebed.flows.form import ContainmentForm, config_of, filled, with_form, without_secrets
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


def formed(**given):
    return filled(given)


def test_what_people_change_most_stands_first_and_no_run_id():
    names = list(inspect.signature(with_form(formed)).parameters)
    assert names[:4] == ["to", "only", "full", "lake"]
    assert set(names) == set(LakebedConfig.model_fields) - NOT_OF_RUNS | {"to", "only"}


def test_every_section_is_completed_by_that_of_the_deployment(tmp_path):
    lake = {"root": str(tmp_path), "exclude": ["tmp/**"]}
    own = without_secrets(load_config(None, {"lake": lake, "retention": {"pins": {"legal_hold": ["gold/**"]}}}))
    for name, value in own.items():
        if not isinstance(value, dict):
            continue
        part = {"solver_seconds": 30} if name == "retention" else {}
        config = config_of(formed(**{**own, name: part}), own)
        assert without_secrets(config) == {**own, name: {**value, **part}}, name
    nested = config_of(formed(**{**own, "retention": {"pins": {"veto": ["x"]}, "prices": {"currency": "EUR"}}}), own)
    assert (nested.retention.pins.legal_hold, nested.retention.pins.veto) == (("gold/**",), ("x",))
    assert nested.retention.prices.currency == "EUR"
    # what the run says is said, as one edits a filled form
    emptied = config_of(formed(**{**own, "retention": {"pins": {"legal_hold": []}}}), own)
    assert emptied.retention.pins.legal_hold == ()


def test_without_a_deployment_what_is_not_said_is_the_default():
    config = config_of(formed(lake={"root": "x"}, retention={"solver_seconds": 30}))
    assert config == LakebedConfig.model_validate({"lake": {"root": "x"}, "retention": {"solver_seconds": 30}})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"retantion": {}}, "retantion"),
        ({"retention": {"solver": 1}}, "retention.solver"),
        ({"spark": {"driver_memory_mib": 1}}, "spark.driver_memory_mib"),
        ({"full": "perhaps"}, "full"),
    ],
)
def test_wrong_parameters_are_refused_by_name(given, message):
    with pytest.raises(ConfigError) as caught:
        config_of(formed(lake={"root": "x"}, **given))
    assert message in f"{caught.value.what} {caught.value.value}"

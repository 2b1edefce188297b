import pytest
from pydantic import ValidationError

from lakebed.tasks.containment.config import ContainmentConfig, SampledConfig
from lakebed.tasks.runtime.hash_key import KEY_FILE, OLDER_PUBLIC_KEY


@pytest.mark.parametrize(
    "field",
    [
        {"hash_key": "0" * 63},
        {"hash_key": "X" * 64},
        {"hash_key": "0" * 32},
        {"older_hash_key": "0" * 64},
        {"mode": "exactly"},
        {"confidence": 1.0},
        {"chance_threshold": 1.1},
        {"sketch_rows": 15},
        {"unknown": 1},
    ],
)
def test_what_makes_no_sense_is_refused(field):
    with pytest.raises(ValidationError):
        ContainmentConfig(**field)


def test_the_key_that_all_installations_had_is_refused():
    with pytest.raises(ValidationError, match="public"):
        ContainmentConfig(hash_key=OLDER_PUBLIC_KEY.hex())


def test_a_key_that_is_given_wins_over_that_of_the_root(tmp_path):
    assert ContainmentConfig(hash_key="ab" * 32).key_at(str(tmp_path)) == bytes.fromhex("ab" * 32)
    assert not (tmp_path / KEY_FILE).exists()
    made = ContainmentConfig().key_at(str(tmp_path))
    assert made == ContainmentConfig().key_at(str(tmp_path)) == bytes.fromhex((tmp_path / KEY_FILE).read_text().strip())


def test_no_dump_holds_a_key():
    config = ContainmentConfig(hash_key="ab" * 32, older_hash_key="cd" * 16)
    assert not {"hash_key", "older_hash_key"} & config.model_dump().keys()
    assert "abab" not in repr(config) + config.model_dump_json() + repr(config.hash_keys())


def test_a_seed_fits_the_generator():
    assert SampledConfig(seed=(1 << 63) - 1).seed > 0
    with pytest.raises(ValidationError):
        SampledConfig(seed=-1)


def test_every_field_is_described():
    for config in (ContainmentConfig, SampledConfig):
        assert all(field.description for field in config.model_fields.values())

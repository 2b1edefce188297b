import pytest
from pydantic import ValidationError

from lakebed.tasks.containment.config import ContainmentConfig, SampledConfig


@pytest.mark.parametrize(
    "field",
    [
        {"hash_key": "0" * 31},
        {"hash_key": "X" * 32},
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


def test_a_seed_fits_the_generator():
    assert SampledConfig(seed=(1 << 63) - 1).seed > 0
    with pytest.raises(ValidationError):
        SampledConfig(seed=-1)


def test_every_field_is_described():
    for config in (ContainmentConfig, SampledConfig):
        assert all(field.description for field in config.model_fields.values())

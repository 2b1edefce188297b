import pytest
from pydantic import ValidationError

from lakebed.tasks.retention.recipes.config import RecipeConfig


def test_every_setting_has_a_description() -> None:
    assert all(field.description for field in RecipeConfig.model_fields.values())


def test_shares_lie_between_nothing_and_all() -> None:
    with pytest.raises(ValidationError):
        RecipeConfig(max_position_share=1.5)

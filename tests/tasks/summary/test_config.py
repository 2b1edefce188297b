"""What the config allows, and which part of it is in the key."""

import pytest
from pydantic import ValidationError

from lakebed.tasks.summary.config import SummaryConfig


def test_what_does_not_show_in_the_result_is_left_out() -> None:
    assert SummaryConfig(threads=3, local_max_edges=5).result_part() == SummaryConfig()
    assert SummaryConfig(seed=3).result_part() != SummaryConfig().result_part()


@pytest.mark.parametrize("wrong", [{"iterations": 0}, {"group_size": 1}, {"seed": -1}, {"threads": -1}, {"other": 1}])
def test_wrong_values(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        SummaryConfig(**wrong)


def test_every_field_is_described() -> None:
    assert all(field.description for field in SummaryConfig.model_fields.values())

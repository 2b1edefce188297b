import pytest
from pydantic import ValidationError

from lakebed.tasks.retention.config import RetentionConfig


def test_everything_has_a_default_and_a_description():
    def check(model):
        for name, field in model.model_fields.items():
            assert field.description, name
            assert not field.is_required(), name
            if hasattr(field.annotation, "model_fields"):
                check(field.annotation)

    check(RetentionConfig)


@pytest.mark.parametrize(
    "values",
    [
        {"prices": {"storage_per_gb_month": -1.0}},
        {"prices": {"storage_per_gb_month": float("nan")}},
        {"prices": {"date": "yesterday"}},
        {"throughput": {"read_mb_per_s": 0.0}},
        {"accesses": {"days": 0.0}},
        {"solver_seconds": -1.0},
        {"unknown": 1},
        {"attributes": {"x": {"colour": "red"}}},
    ],
)
def test_values_out_of_range_are_refused(values):
    with pytest.raises(ValidationError):
        RetentionConfig.model_validate(values)

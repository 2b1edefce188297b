import pytest
from pydantic import ValidationError

from lakebed.tasks.quarantine.config import QUARANTINE, QuarantineConfig


def test_the_default_waits_a_month_in_a_hidden_folder():
    assert QuarantineConfig().grace_days == 30
    assert QuarantineConfig().folder == "" and QUARANTINE.startswith("_")


@pytest.mark.parametrize("values", [{"grace_days": -1}, {"max_bytes": -1}, {"days": 3}])
def test_wrong_values_are_refused(values):
    with pytest.raises(ValidationError):
        QuarantineConfig(**values)

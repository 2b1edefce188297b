import json

from lakebed.tasks.report.charts import bytes_chart, funnel_chart, seconds_chart, step_title
from lakebed.tasks.report.model import FunnelStep

STEPS = (FunnelStep("schema", 12_182, 1530, 0.5, None), FunnelStep("proof", 0, 0, 1.25, 15_000_000))


def test_bars_carry_the_values_of_the_steps() -> None:
    spec = funnel_chart(STEPS)
    assert spec is not None
    (rows,) = spec["datasets"].values()
    assert rows == [
        {"step": "schema", "value": 12_182, "label": "12,182"},
        {"step": "proof", "value": 0, "label": "0"},
    ]


def test_a_step_that_was_not_measured_has_no_bar() -> None:
    spec = bytes_chart(STEPS)
    assert spec is not None
    (rows,) = spec["datasets"].values()
    assert [row["step"] for row in rows] == ["proof"]
    assert bytes_chart(STEPS[:1]) is None
    assert funnel_chart(()) is None


def test_specs_name_no_address_and_are_equal_each_time() -> None:
    first, second = (json.dumps(seconds_chart(STEPS), sort_keys=True) for _ in range(2))
    assert first == second
    assert "://" not in first


def test_a_step_of_a_later_version_keeps_its_name() -> None:
    assert step_title("min_max") == "min-max"
    assert step_title("union_of_parents") == "union of parents"

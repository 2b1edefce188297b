from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.policy import attribute_groups, attributes_of, pin_reasons, rebuild_limits

NAMES = ["hr/people", "hr/archive/people", "sales/orders"]


def config(**values):
    return RetentionConfig.model_validate(values)


def test_pins_by_glob_the_legal_hold_first():
    pins = {"legal_hold": ["hr/p*"], "veto": ["hr"], "streaming": ["**/orders"]}
    assert pin_reasons(NAMES, config(pins=pins)) == ["legal_hold", "veto", "streaming"]
    assert pin_reasons(NAMES, config()) == ["", "", ""]


def test_of_several_limits_the_shortest_counts():
    limits = rebuild_limits(
        NAMES, config(max_rebuild_s=100.0, max_rebuild_s_of={"hr": 50.0, "hr/p*": 70.0, "sales": 900.0})
    )
    assert limits.tolist() == [50.0, 50.0, 100.0]


def test_the_last_glob_gives_the_attributes():
    values = {"hr": {"owner": "people"}, "hr/archive": {"owner": "people", "retention_class": "10y"}}
    groups = attribute_groups(NAMES, config(attributes=values))
    assert len(set(groups.tolist())) == 3
    assert attributes_of("hr/archive/people", config(attributes=values)).retention_class == "10y"
    assert attribute_groups(NAMES, config(attributes=values, allow_other_attributes=True)).tolist() == [0, 0, 0]
    assert attribute_groups(NAMES, config()).tolist() == [0, 0, 0]

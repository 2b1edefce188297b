import pytest

from lakebed.tasks.retention.explain import explain_decision
from tests.tasks.retention.lakes import contained_lake, decide_here


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    return decide_here(contained_lake(tmp_path_factory.mktemp("explained")))


def test_a_deleted_table_tells_its_ways_and_its_recipe(decided):
    found = explain_decision(*decided, "sales/cheap")
    assert found.decision["decision"] == "delete"
    assert {option["parent"] for option in found.options} == {
        "sales/orders",
        "sales/orders_copy",
        "archive/a_longer_path/orders",
    }
    assert [option["status"] for option in found.options].count("chosen") == 1
    assert "SELECT" in found.rebuild["sql"]
    assert found.as_dict()["currency"] == "USD"


def test_a_kept_table_tells_why(decided):
    found = explain_decision(*decided, "alone")
    assert (found.decision["reason"], found.options, found.rebuild) == ("not_contained", (), None)


def test_a_table_that_is_not_known(decided):
    assert explain_decision(*decided, "nowhere") is None


def test_equal_copies_tell_which_stays_and_by_what(decided):
    group = explain_decision(*decided, "sales/orders_copy").copies
    assert (group.keeper, group.signal) == ("sales/orders", "name")
    assert group.deleted == ("archive/a_longer_path/orders", "sales/orders_copy")
    assert explain_decision(*decided, "sales/orders_copy").as_dict()["copies"]["because"] == group.because
    assert explain_decision(*decided, "sales/cheap").copies is None
    assert "lesser word" in explain_decision(*decided, "sales/cheap").decision["rank"]

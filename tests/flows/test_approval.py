import pytest

from lakebed.connectors.errors import PlanError
from tests.flows.cli.test_apply import CHILDREN, folder  # noqa: F401 - a fixture

pytestmark = pytest.mark.flow


@pytest.fixture
def plan(folder):  # noqa: F811 - the fixture
    from lakebed.tasks.retention.plan import read_plan

    return read_plan(folder / "plan.json")


def test_the_page_names_every_table_and_its_parents(plan):
    from lakebed.flows.approval import plan_page

    page = plan_page(plan)
    for name in CHILDREN:
        assert f"| `{name}` |" in page
    assert "5 of 8 tables" in page
    assert plan.plan_id[:12] in page


def test_names_cannot_break_the_page(plan):
    from lakebed.flows.approval import plan_page

    table = plan.deleted[0].model_copy(update={"name": "a|b`c\n# d"})
    page = plan_page(plan.model_copy(update={"tables": (table,)}))
    assert "| `a\\|b'c # d` |" in page


def test_a_veto_keeps_a_table_and_the_rest_is_still_a_plan(plan):
    from lakebed.flows.approval import without

    less = without(plan, ["hr/ids"])
    assert {table.name for table in less.deleted} == CHILDREN - {"hr/ids"}
    assert less.plan_id != plan.plan_id and less.plan_id == less.content_digest()
    assert all("hr/ids" not in table.needed_by for table in less.tables)
    assert without(plan, []).plan_id == plan.plan_id
    with pytest.raises(PlanError, match="not one that the plan deletes"):
        without(plan, ["sales/orders"])


def test_while_a_run_holds_the_root_the_approved_plan_waits(plan, monkeypatch):
    import logging

    import lakebed.flows.approval as module
    from lakebed.connectors.errors import LeaseError

    tried, slept = [], []

    def apply(*given):
        tried.append(given)
        if len(tried) < 3:
            raise LeaseError("another run works on this artifact root")
        return "done"

    monkeypatch.setattr(module, "apply", apply)
    monkeypatch.setattr(module, "get_run_logger", lambda: logging.getLogger("test"))
    monkeypatch.setattr(module.time, "sleep", slept.append)
    assert module._apply_when_free(plan, "settings") == "done"
    assert tried == [(plan, "settings")] * 3 and slept == [module._POLL_S] * 2
    monkeypatch.setattr(module, "_LEASE_WAIT_S", -1)
    tried.clear()
    with pytest.raises(LeaseError):
        module._apply_when_free(plan, "settings")

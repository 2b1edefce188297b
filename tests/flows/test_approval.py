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
    assert {table.name for table in without(plan, ["h?/*"]).deleted} == {
        name for name in CHILDREN if not name.startswith("hr/")
    }
    with pytest.raises(PlanError, match="not one that the plan deletes"):
        without(plan, ["sales/orders"])


def test_while_a_run_holds_the_root_the_approved_plan_waits(plan, monkeypatch):
    import logging

    import lakebed.flows.approval as module
    from lakebed.connectors.errors import LeaseError

    tried, slept = [], []

    def apply(*given):
        tried.append(given)
        if len(tried) == 1:
            raise LeaseError("another run works on this artifact root")
        if len(tried) == 2:
            # as the quarantine says it, which holds its own lease by then
            raise PlanError("another run works on this artifact root") from LeaseError("another run")
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


def test_a_decision_names_who_took_it():
    from pydantic import ValidationError

    from lakebed.flows.approval import Decision

    assert "reviewer" in Decision.model_json_schema()["required"]
    with pytest.raises(ValidationError, match="reviewer"):
        Decision(approve=True, reviewer="")


def test_the_page_of_what_was_done_says_who_what_and_how_to_undo_it(folder):  # noqa: F811 - the fixture
    from pathlib import Path

    from lakebed.flows.approval import Decision, applied_page
    from lakebed.quarantine import apply, apply_settings
    from lakebed.tasks.retention.plan import read_plan

    plan = read_plan(Path("plan.json"))
    done = apply(plan, apply_settings(plan, None, {}), is_dry=True, skip=["hr/ids"])
    page = applied_page(done, Decision(approve=True, reviewer="Ada|`x`", comment="spring"), plan.lake.root)
    assert (
        "approved by `Ada" in page and "`spring`" in page and f"lakebed restore --all --lake {plan.lake.root}" in page
    )
    assert "- `hr/ids` stays: `left out by --exclude`" in page
    assert all(f"| `{name}` |" in page for name in CHILDREN - {"hr/ids"})

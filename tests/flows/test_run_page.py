"""What a run leaves in Prefect's UI."""

import pytest

from lakebed.tasks.runtime.record import StageRecord

pytestmark = pytest.mark.flow

COUNTS = {
    "inventory": {"tables": 1200, "unreadable": 2},
    "containment": {"proven": 30, "coincidental": 4},
    "retention": {
        "deletable_tables": 7, "deletable_bytes": 1_500_000, "saving_per_month": 0.25, "currency": "USD",
    },
}  # fmt: skip


def stage(name, *, reused=False, seconds=1.5):
    return StageRecord(stage=name, key=name * 9, digest="d", reused=reused, seconds=seconds, bytes_read=2_000)


def test_a_run_without_work_says_so():
    from lakebed.flows.run_page import NOTHING_DONE, run_message

    assert run_message([stage("inventory", reused=True)], COUNTS) == NOTHING_DONE
    assert NOTHING_DONE == "all artifacts are up to date; nothing was done"


def test_the_message_tells_what_was_built_reused_and_found():
    from lakebed.flows.run_page import run_message

    told = run_message([stage("inventory", reused=True), stage("containment")], COUNTS)
    assert told.startswith("built containment; reused inventory; 1,200 tables, 2 unreadable; 30 containments proven")
    assert "7 tables may go (1.5 MB), which would save 0.250 USD a month, 3.00 USD a year" in told


def test_tables_that_a_later_stage_could_not_read_are_counted_among_the_unreadable():
    from lakebed.flows.run_page import run_message

    counts = {**COUNTS, "containment": {**COUNTS["containment"], "unstable": 3}, "relations": {"unstable": 1}}
    assert "1,200 tables, 5 unreadable" in run_message([stage("containment")], counts)


def test_the_page_lists_stages_and_edges_and_names_cannot_break_it():
    from lakebed.flows.run_page import SHOWN_EDGES, Found, summary_page

    edges = [("a|b`c\n# d", "<b>x</b>", True)] + [(f"t{i}", "p", False) for i in range(SHOWN_EDGES)]
    page = summary_page([stage("inventory", reused=True), stage("containment", seconds=1234.56)], COUNTS, Found(edges))
    lines = page.splitlines()
    assert "| inventory | `inventoryinv` | reused | 1.5 | 2.0 kB |" in lines
    assert "| containment | `containmentc` | built | 1,234.6 | 2.0 kB |" in lines
    assert "| `a\\|b'c # d` | `<b>x</b>` | coincidental |" in lines
    assert lines[-1] == "… and 1 more edges"
    assert summary_page([stage("inventory")], {}).count("|") > 0


def test_the_page_names_what_could_not_be_read_and_of_what_a_share_is():
    from lakebed.flows.run_page import SHOWN_UNREADABLE, Found, summary_page

    unreadable = [("a|b", "its files are kept by\nHudi", "")]
    unreadable += [(f"t{i}", "damaged", "write it again") for i in range(SHOWN_UNREADABLE)]
    counts = {**COUNTS, "inventory": {**COUNTS["inventory"], "other_files": 3, "other_bytes": 1_500}}
    page = summary_page([stage("inventory")], counts, Found(unreadable=unreadable, table_bytes=3_000_000))
    assert "| `a\\|b` | `its files are kept by Hudi` |  |" in page and "| `t0` | `damaged` | `write it again` |" in page
    assert "… and 1 more: `lakebed tables --unreadable`" in page
    assert "- not looked at: 3 files of other kinds, 1.5 kB" in page
    assert "7 tables may go (1.5 MB, 50.0% of what was read)" in page


def test_decisions_come_from_the_artifact_those_that_go_first(finished):
    from lakebed.artifacts import newest_refs
    from lakebed.flows.run_page import decisions

    store, refs = newest_refs(str(finished[0] / "artifacts"), "retention")
    rows = decisions(store, refs)
    assert [row["plan"] for row in rows] == sorted((row["plan"] for row in rows), key=lambda plan: plan != "delete")
    assert {row["table"] for row in rows if row["plan"] == "delete"} == {"`names`", "`orders_part`"}
    assert all(row["rebuilt from"] == "`orders`" for row in rows if row["plan"] == "delete")
    assert decisions(store, {}) == []

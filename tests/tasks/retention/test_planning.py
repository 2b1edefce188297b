import os
import shutil
from pathlib import Path

import pytest

from lakebed.connectors.errors import PlanError
from lakebed.tasks.quarantine.checks import changed_tables
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.plan import read_plan, write_plan
from lakebed.tasks.retention.planning import PlanSource, make_plan
from tests.tasks.retention.lakes import BASE, contained_lake, decide_here


@pytest.fixture
def source(tmp_path):
    workspace, inventory, containment = contained_lake(tmp_path)
    store, ref = decide_here((workspace, inventory, containment))
    refs = {"inventory": inventory, "containment": containment, "retention": ref}
    return PlanSource(store, refs, workspace.lake, RetentionConfig())


def test_a_plan_names_every_table_and_binds_what_it_concerns(source, tmp_path):
    plan = make_plan(source, "today")
    assert [table.name for table in plan.deleted] == [
        "archive/a_longer_path/orders", "hr/ids", "sales/cheap", "sales/ids", "sales/orders_copy",
    ]  # fmt: skip
    for table in plan.tables:
        is_concerned = table.decision == "delete" or table.needed_by
        assert all(bool(file.sha256) == bool(is_concerned) for file in table.identity.files)
    write_plan(plan, tmp_path / "plan.json")
    again = read_plan(tmp_path / "plan.json")
    assert again == plan
    assert changed_tables(again, again.deleted, with_bytes=True) == {}


def test_savings_and_evidence_stand_in_the_plan(source):
    plan = make_plan(source)
    table = plan.table("sales/cheap")
    saving = table.saving
    assert saving.total == pytest.approx(saving.storage + saving.maintenance + saving.read - saving.rebuild)
    assert saving.total > 0
    assert table.evidence[0].parent == table.parents[0]
    assert table.evidence[0].artifact == source.refs["containment"]
    assert plan.rows_folder.startswith(source.store.root)


@pytest.mark.parametrize(("link", "target"), [("newest.parquet", "ids.parquet"), ("_hidden", "ids.parquet")])
def test_a_table_that_a_link_leads_to_stays(source, link, target):
    folder = Path(source.lake.root, "hr")
    (folder / link).symlink_to(folder / target)
    plan = make_plan(source)
    kept = plan.table("hr/ids")
    assert (kept.decision, kept.reason) == ("keep", "hold")
    assert kept.why == f"the symbolic link hr/{link} leads to hr/{target}, and would lead nowhere"
    assert len(plan.deleted) == 4 and all("hr/ids" not in table.needed_by for table in plan.tables)


def test_a_table_that_is_a_link_stays(source):
    path = Path(source.lake.root, "hr", "ids.parquet")
    path.rename(path.with_name("blob"))
    path.symlink_to("blob")
    kept = make_plan(source).table("hr/ids")
    assert (kept.decision, kept.reason) == ("keep", "hold")
    assert kept.why == "hr/ids.parquet is a symbolic link, and only the link would move"


def test_the_same_state_gives_the_same_plan(source):
    assert make_plan(source, "today").plan_id == make_plan(source, "tomorrow").plan_id


@pytest.mark.parametrize("table", ["sales/cheap", "sales/orders"])
def test_a_table_that_changed_since_the_run_is_refused(source, table):
    path = f"{source.lake.root}/{table}.parquet"
    os.utime(path, ns=(1, 1))
    with pytest.raises(PlanError, match="changed since the run") as refused:
        make_plan(source)
    assert table in str(refused.value)


def test_bytes_that_are_not_those_of_the_trial_are_refused(source):
    path = f"{source.lake.root}/sales/orders.parquet"
    facts, data = os.stat(path), bytearray(Path(path).read_bytes())
    data[20] ^= 1
    Path(path).write_bytes(data)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    with pytest.raises(PlanError, match="since its rebuild was tried"):
        make_plan(source)


def test_a_table_that_vanished_is_refused(source):
    os.remove(f"{source.lake.root}/hr/ids.parquet")
    with pytest.raises(PlanError, match="changed since the run"):
        make_plan(source)


def test_a_table_that_the_plan_does_not_concern_may_change(source):
    os.utime(f"{source.lake.root}/alone.parquet", ns=(1, 1))
    assert make_plan(source).deleted


def test_a_lake_that_is_gone_is_refused(source):
    shutil.rmtree(source.lake.root)
    with pytest.raises(PlanError, match="cannot be listed"):
        make_plan(source)


def test_what_is_added_to_parents_after_the_run_leaves_the_plan_as_it_was(tmp_path):
    """A folder of parts of which a table is the first."""
    parts = {f"sales/all/part-{part}": BASE.slice(200 * part, 200) for part in range(2)}
    workspace, inventory, containment = contained_lake(tmp_path, {**parts, "exports/first": BASE.slice(0, 150)})
    store, ref = decide_here((workspace, inventory, containment))
    source = PlanSource(
        store, {"inventory": inventory, "containment": containment, "retention": ref}, workspace.lake, RetentionConfig()
    )
    before = make_plan(source)
    assert [table.parents for table in before.deleted] == [("sales/all",)]
    shutil.copy(f"{workspace.lake.root}/sales/all/part-0.parquet", f"{workspace.lake.root}/sales/all/part-2.parquet")
    after = make_plan(source)
    assert after.plan_id == before.plan_id
    assert changed_tables(before, before.deleted, with_bytes=True) == {}
    shutil.copy(f"{workspace.lake.root}/sales/all/part-0.parquet", f"{workspace.lake.root}/sales/all/part-1.parquet")
    with pytest.raises(PlanError, match="changed since the run") as refused:
        make_plan(source)
    assert refused.value.value == "sales/all: sales/all/part-1.parquet was changed"

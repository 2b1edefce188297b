import pytest

from lakebed.connectors.errors import PlanError
from lakebed.tasks.quarantine.checks import require_possible, require_unmoved
from lakebed.tasks.quarantine.place import Quarantine
from tests.tasks.quarantine.lakes import CHILDREN


def with_identity(case, name, **changes):
    table = case.plan.table(name)
    return table.model_copy(update={"identity": table.identity.model_copy(update=changes)})


def test_an_untouched_lake_passes(case):
    tables = [case.plan.table(name) for name in CHILDREN]
    require_unmoved(case.plan, tables, with_bytes=True)
    require_possible(Quarantine.look(str(case.root), case.config), case.plan, tables)


def test_a_table_is_found_by_its_place_when_its_name_has_changed(case):
    """`a` beside `a.csv` is called `a.parquet` in a plan, and `a` once the other has been set aside."""
    renamed = [
        table.model_copy(update={"name": "part.parquet", "identity": table.identity.model_copy(update={"name": "x"})})
        if table.name == "part"
        else table
        for table in case.plan.tables
    ]
    plan = case.plan.model_copy(update={"tables": tuple(renamed)})
    require_unmoved(plan, [plan.table("part.parquet")], with_bytes=True)


def test_another_format_at_the_place_is_a_move(case):
    (case.root / "part.parquet").unlink()
    (case.root / "part.parquet").mkdir()
    (case.root / "part.parquet" / "part-0.csv").write_text("a\n1\n")
    with pytest.raises(PlanError, match="have moved") as caught:
        require_unmoved(case.plan, [case.plan.table("part")], with_bytes=False)
    assert "not in this format" in caught.value.value


def test_the_root_and_the_quarantines_own_folder_cannot_move(case):
    quarantine = Quarantine.look(str(case.root), case.config)
    with pytest.raises(PlanError, match="root is itself"):
        require_possible(quarantine, case.plan, [with_identity(case, "part", path=".")])
    case.config = case.config.model_copy(update={"folder": str(case.root / "days" / "_aside")})
    with pytest.raises(PlanError, match="lies in this table's folder"):
        require_possible(Quarantine.look(str(case.root), case.config), case.plan, [case.plan.table("days")])


def test_a_pointers_place_must_be_free(case):
    (case.root / "_part.lakebed.json").write_text("{}")
    with pytest.raises(PlanError, match="where its pointer goes"):
        require_possible(Quarantine.look(str(case.root), case.config), case.plan, [case.plan.table("part")])


def test_a_link_inside_a_folder_is_found(case):
    (case.root / "days" / "day=1" / "_link").symlink_to(case.root / "all.parquet")
    with pytest.raises(PlanError, match="symbolic link"):
        require_possible(Quarantine.look(str(case.root), case.config), case.plan, [case.plan.table("days")])

import os

import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from lakebed.connectors.errors import PlanError
from lakebed.tasks.quarantine.checks import Movable, changed_tables
from lakebed.tasks.quarantine.place import Quarantine
from tests.tasks.quarantine.lakes import CHILDREN
from tests.tasks.quarantine.test_pins import delete_by_vector, plan_with_rows, rows_by_file
from tests.tasks.retention.plans import ROWS, plan_of, write_lake

NAMES = ("all", "delta", "some")


def with_identity(case, name, **changes):
    table = case.plan.table(name)
    return table.model_copy(update={"identity": table.identity.model_copy(update=changes)})


def test_an_untouched_lake_passes(case):
    tables = [case.plan.table(name) for name in CHILDREN]
    assert changed_tables(case.plan, tables, with_bytes=True) == {}
    movable = Movable(Quarantine.look(str(case.root), case.config), case.plan)
    for table in tables:
        movable.require(table)


def test_a_table_is_found_by_its_place_when_its_name_has_changed(case):
    """`a` beside `a.csv` is called `a.parquet` in a plan, and `a` once the other has been set aside."""
    renamed = [
        table.model_copy(update={"name": "part.parquet", "identity": table.identity.model_copy(update={"name": "x"})})
        if table.name == "part"
        else table
        for table in case.plan.tables
    ]
    plan = case.plan.model_copy(update={"tables": tuple(renamed)})
    assert changed_tables(plan, [plan.table("part.parquet")], with_bytes=True) == {}


def test_another_format_at_the_place_is_a_move(case):
    (case.root / "part.parquet").unlink()
    (case.root / "part.parquet").mkdir()
    (case.root / "part.parquet" / "part-0.csv").write_text("a\n1\n")
    found = changed_tables(case.plan, [case.plan.table("part"), case.plan.table("days")], with_bytes=False)
    assert found.keys() == {"part"}
    assert "not in this format" in found["part"].value


def test_the_root_and_the_quarantines_own_folder_cannot_move(case):
    quarantine = Quarantine.look(str(case.root), case.config)
    with pytest.raises(PlanError, match="root is itself"):
        Movable(quarantine, case.plan).require(with_identity(case, "part", path="."))
    case.config = case.config.model_copy(update={"folder": str(case.root / "days" / "_aside")})
    with pytest.raises(PlanError, match="lies in this table's folder"):
        Movable(Quarantine.look(str(case.root), case.config), case.plan).require(case.plan.table("days"))


def test_rows_are_looked_for_in_the_recipe_of_each_child(case):
    """Of two children of one parent each reads another file of it; rows are gone from the first one's."""
    rows = rows_by_file(case)
    children = dict(zip(("part", "days"), rows, strict=True))
    plans = [plan_with_rows(case, name, {file: rows[file]}) for name, file in children.items()]
    tables = [plan.table(name) for plan, name in zip(plans, children, strict=True)]
    assert changed_tables(plans[0], tables, with_bytes=False) == {}
    delete_by_vector(case.root / "delta", children["part"], rows[children["part"]])
    assert changed_tables(plans[0], tables, with_bytes=False).keys() >= {"part"}


def test_a_pointers_place_must_be_free(case):
    (case.root / "_part.lakebed.json").write_text("{}")
    with pytest.raises(PlanError, match="where its pointer goes"):
        Movable(Quarantine.look(str(case.root), case.config), case.plan).require(case.plan.table("part"))


def test_a_link_inside_a_folder_is_found(case):
    (case.root / "days" / "day=1" / "_link").symlink_to(case.root / "all.parquet")
    with pytest.raises(PlanError, match="symbolic link"):
        Movable(Quarantine.look(str(case.root), case.config), case.plan).require(case.plan.table("days"))


def changed(plan, names, *, with_bytes=True):
    return changed_tables(plan, [plan.table(name) for name in names], with_bytes=with_bytes)


@pytest.fixture
def lake(tmp_path):
    write_lake(tmp_path / "lake")
    return tmp_path / "lake"


def test_identities_hold_while_nothing_moves(lake):
    plan = plan_of(lake)
    assert changed(plan, NAMES) == {}
    assert all(len(file.sha256) == 64 for table in plan.tables for file in table.identity.files)
    assert plan.table("delta").identity.log_files
    assert not plan.table("all").identity.log_files


def append_to_delta(lake):
    write_deltalake(str(lake / "delta"), ROWS, mode="append")


def change_bytes(lake):
    path = lake / "all.parquet"
    before, data = path.stat(), bytearray(path.read_bytes())
    data[10] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def make_folder(lake):
    (lake / "some.parquet").unlink()
    (lake / "some").mkdir()
    pq.write_table(ROWS, lake / "some" / "part-0.parquet")


@pytest.mark.parametrize(
    ("change", "message", "names"),
    [
        (lambda lake: (lake / "some.parquet").unlink(), "not there any more", {"some"}),
        (lambda lake: pq.write_table(ROWS.slice(1, 4), lake / "some.parquet"), "was changed", {"some"}),
        (lambda lake: os.utime(lake / "all.parquet", ns=(1, 1)), "was changed", {"all", "some"}),
        (append_to_delta, "is new", {"delta"}),
        (change_bytes, "other bytes", {"all", "some"}),
        (make_folder, "not in this format", {"some"}),
    ],
)
def test_a_table_that_changed_is_refused_alone_or_with_its_children(lake, change, message, names):
    plan = plan_of(lake)
    change(lake)
    found = changed(plan, NAMES)
    assert found.keys() == names
    for error in found.values():
        assert "changed since the plan" in str(error) and message in str(error)


@pytest.mark.parametrize(
    ("link", "target", "held"),
    [
        ("newest.parquet", "some.parquet", "some"),
        ("_newest", "some.parquet", "some"),
        ("latest", "delta", "delta"),
        ("latest", "delta/_delta_log", "delta"),
        ("newest.parquet", "all.parquet", ""),
    ],
)
def test_a_table_that_a_link_leads_to_is_refused(lake, link, target, held):
    plan = plan_of(lake)
    (lake / link).symlink_to(lake / target)
    names = [name for name in NAMES if name != "all"]
    found = changed(plan, names)
    assert found.keys() == ({held} if held else set())
    for error in found.values():
        assert f"{held}: the symbolic link {link} leads to {held if held == 'delta' else target}" in str(error.value)
        assert "nothing was done" in str(error)


def test_tables_that_do_not_matter_may_change(lake):
    plan = plan_of(lake)
    append_to_delta(lake)
    assert changed(plan, ("all", "some")) == {}


def test_changed_bytes_under_old_stamps_need_the_bytes_read(lake):
    plan = plan_of(lake)
    change_bytes(lake)
    assert changed(plan, NAMES, with_bytes=False) == {}


def test_a_table_in_which_a_parents_file_lies_is_refused(case):
    table = case.plan.table("part")
    file = case.plan.table(table.parents[0]).identity.files[0]
    (case.root / file.path).unlink()
    (case.root / file.path).symlink_to(case.root / table.identity.path)
    with (
        Quarantine.hold(str(case.root), case.config, "apply") as quarantine,
        pytest.raises(PlanError, match="symbolic link into it"),
    ):
        Movable(quarantine, case.plan).require(table)

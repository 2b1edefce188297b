"""kill -9 at every moment of every verb, in real processes: no table is ever lost."""

import shutil

import pytest

from lakebed.tasks.quarantine.apply import apply_plan
from lakebed.tasks.quarantine.kernel import Phase
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.purge import purge
from lakebed.tasks.quarantine.restore import restore
from lakebed.tasks.retention.plan import write_plan
from tests.tasks.quarantine.children import children
from tests.tasks.quarantine.conftest import Case
from tests.tasks.quarantine.lakes import CHILDREN, SliceRebuilder, child_rows, read_place

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def forks():
    with children() as found:
        yield found


def hold(case, verb):
    return Quarantine.hold(case.lake.root, case.config, verb)


def apply_all(case):
    with hold(case, "apply") as quarantine:
        return apply_plan(quarantine, case.plan, SliceRebuilder())


def restore_all(case):
    with hold(case, "restore") as quarantine:
        return restore(quarantine, None, SliceRebuilder())


def purge_all(case):
    with hold(case, "purge") as quarantine:
        return purge(quarantine, None, SliceRebuilder())


def phases(case):
    return {state.table: state.phase for state in Quarantine.look(case.lake.root, case.config).states.values()}


def restored_byte_for_byte(case):
    restore_all(case)
    return case.snapshot() == case.before


def all_rows_are_back(case):
    """Moved tables are byte-identical, rebuilt ones have the same rows; nothing of the quarantine is left."""
    restore_all(case)
    assert not any("lakebed" in path for path in case.snapshot())
    return all(read_place(case.root, name).equals(child_rows(name)) for name in CHILDREN if name != "delta")


@pytest.fixture
def fresh(lake_template, tmp_path):
    """Makes the same lake again and again, in the state before a verb."""
    case = Case(shutil.copytree(lake_template, tmp_path / "lake"))
    plan_file = tmp_path / "plan.json"
    write_plan(case.plan, plan_file)

    def make(state):
        shutil.rmtree(case.root)
        shutil.copytree(tmp_path / state if state else lake_template, case.root)
        return case

    def keep(state):
        shutil.copytree(case.root, tmp_path / state)

    make.keep, make.plan_file = keep, plan_file
    return make


def test_apply_killed_at_every_moment_is_finished_by_the_same_command_and_undone_by_restore(fresh, forks):
    moments = forks.moments("apply", fresh(None).lake.root, fresh.plan_file)
    assert len(moments) >= 60
    for moment, what in enumerate(moments):
        case = fresh(None)
        forks.kill("apply", case.lake.root, fresh.plan_file, moment, what)
        if moment % 2:
            apply_all(case)
            assert set(phases(case).values()) == {Phase.SET_ASIDE}, what
        assert restored_byte_for_byte(case), what


def test_restore_killed_at_every_moment_is_finished_by_the_same_command(fresh, forks):
    apply_all(fresh(None))
    fresh.keep("set-aside")
    moments = forks.moments("restore", fresh("set-aside").lake.root, fresh.plan_file)
    assert len(moments) >= 60
    for moment, what in enumerate(moments):
        case = fresh("set-aside")
        forks.kill("restore", case.lake.root, fresh.plan_file, moment, what)
        assert restored_byte_for_byte(case), what


def is_right(root, name):
    """Whether a table lies there with its rows; not at all is not right."""
    own = root / {"part": "part.parquet", "sub/text": "sub/text.csv"}.get(name, name)
    return (own.is_file() or any(own.rglob("*.parquet"))) and read_place(root, name).equals(child_rows(name))


def test_restore_beside_killed_at_every_moment_is_finished_at_one_place_or_the_other(fresh, forks):
    apply_all(fresh(None))
    fresh.keep("set-aside")
    moments = forks.moments("beside", fresh("set-aside").lake.root, fresh.plan_file)
    assert len(moments) >= 60
    for moment, what in enumerate(moments):
        case = fresh("set-aside")
        forks.kill("beside", case.lake.root, fresh.plan_file, moment, what)
        restore_all(case)
        for name in CHILDREN:
            assert [is_right(root, name) for root in (case.root, case.root / "old")].count(True) == 1, (what, name)
        assert not any("lakebed" in path for path in case.snapshot())


def test_purge_killed_at_every_moment_is_finished_or_undone(fresh, forks):
    apply_all(fresh(None))
    fresh.keep("set-aside")
    moments = forks.moments("purge", fresh("set-aside").lake.root, fresh.plan_file)
    assert len(moments) >= 40
    for moment, what in enumerate(moments):
        case = fresh("set-aside")
        forks.kill("purge", case.lake.root, fresh.plan_file, moment, what)
        if moment % 2 and Phase.PURGED not in phases(case).values():
            purge_all(case)
            assert set(phases(case).values()) == {Phase.PURGED}, what
        assert all_rows_are_back(case), what


def test_rebuilding_killed_at_every_moment_is_finished_by_the_same_command(fresh, forks):
    apply_all(fresh(None))
    fresh.keep("set-aside")
    purge_all(fresh("set-aside"))
    fresh.keep("purged")
    moments = forks.moments("restore", fresh("purged").lake.root, fresh.plan_file)
    assert len(moments) >= 40
    for moment, what in enumerate(moments):
        case = fresh("purged")
        forks.kill("restore", case.lake.root, fresh.plan_file, moment, what)
        assert all_rows_are_back(case), what

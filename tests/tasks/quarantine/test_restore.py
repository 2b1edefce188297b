import shutil

import pytest

from lakebed.connectors.errors import ArtifactError, PlanError
from lakebed.tasks.quarantine.kernel import Phase
from tests.tasks.quarantine.test_apply import applied, phases, purged, restored


@pytest.mark.parametrize("place", ["part.parquet", "sub/text.csv", "days/new.csv", "mixed/part-1.parquet", "delta/x"])
def test_a_restore_onto_something_that_exists_is_refused(case, place):
    applied(case)
    (case.root / place).parent.mkdir(exist_ok=True)
    (case.root / place).write_text("new")
    before = case.snapshot()
    with pytest.raises(PlanError, match="in the place of a table") as caught:
        restored(case)
    assert "lakebed restore" in caught.value.hint
    assert case.snapshot() == before | {path: case.snapshot()[path] for path in before if "lease" in path}
    assert set(phases(case).values()) == {Phase.SET_ASIDE}


def test_one_table_comes_back_and_the_others_stay(case):
    applied(case)
    restored(case, ["days"])
    assert phases(case) == {name: Phase.SET_ASIDE if name != "days" else Phase.AT_PLACE for name in phases(case)}
    applied(case)
    assert set(phases(case).values()) == {Phase.SET_ASIDE}
    restored(case)
    assert case.snapshot() == case.before


def test_a_table_that_is_not_in_quarantine_is_refused(case):
    applied(case)
    with pytest.raises(PlanError, match="no such table is in quarantine") as caught:
        restored(case, ["part", "nothing"])
    assert caught.value.value == "nothing"
    assert set(phases(case).values()) == {Phase.SET_ASIDE}


def test_restoring_from_nothing_is_fine(case):
    assert restored(case).moved == ()
    assert case.snapshot() == case.before


def test_damage_in_quarantine_is_noticed(case):
    applied(case)
    file = next((case.root / "_lakebed_quarantine").rglob("part.parquet"))
    file.write_bytes(b"damaged")
    with pytest.raises(ArtifactError, match="not what its receipt says"):
        restored(case, ["part"])
    assert phases(case)["part"] is Phase.SET_ASIDE


def test_a_purged_table_without_its_parent_stays_purged_until_the_parent_is_back(case):
    applied(case)
    purged(case)
    shutil.move(case.root / "all.parquet", case.root.parent / "all.parquet")
    with pytest.raises(PlanError, match="part cannot be rebuilt"):
        restored(case, ["part"])
    assert phases(case)["part"] is Phase.PURGED
    shutil.move(case.root.parent / "all.parquet", case.root / "all.parquet")
    assert restored(case, ["part"]).rebuilt == ("part",)
    assert phases(case)["part"] is Phase.AT_PLACE

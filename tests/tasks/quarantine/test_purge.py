import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import PlanError
from lakebed.tasks.quarantine.config import QuarantineConfig
from lakebed.tasks.quarantine.kernel import Phase
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.purge import Purged, purge
from tests.tasks.quarantine.lakes import CHILDREN, SliceRebuilder, parent_rows
from tests.tasks.quarantine.test_apply import applied, phases, purged, restored


def test_before_its_time_a_table_that_is_named_is_refused(case):
    case.config = QuarantineConfig(grace_days=30)
    applied(case)
    with pytest.raises(PlanError, match="may not be purged yet") as caught:
        purged(case, ["part"])
    assert "lakebed restore" in caught.value.hint
    restored(case)
    assert case.snapshot() == case.before


def require_all_wait(found, why):
    assert (found.tables, found.n_bytes) == ((), 0)
    assert {name for name, _ in found.waiting} == set(CHILDREN)
    assert all(why in told for _, told in found.waiting), found.waiting


def test_before_their_time_all_wait(case):
    case.config = QuarantineConfig(grace_days=30)
    applied(case)
    require_all_wait(purged(case), "may not be purged yet")
    restored(case)
    assert case.snapshot() == case.before


def test_a_shorter_grace_later_does_not_shorten_what_the_receipt_promised(case):
    case.config = QuarantineConfig(grace_days=30)
    applied(case)
    case.config = QuarantineConfig(grace_days=0)
    require_all_wait(purged(case), "may not be purged yet")


def test_a_longer_grace_later_holds(case):
    applied(case)
    case.config = QuarantineConfig(grace_days=5)
    require_all_wait(purged(case), "may not be purged yet")


def test_a_changed_parent_saves_its_children(case):
    applied(case)
    rows = parent_rows().slice(1)
    pq.write_table(rows, case.root / "all.parquet")
    with pytest.raises(PlanError, match="a parent of a table in quarantine has changed"):
        purged(case, list(CHILDREN))
    require_all_wait(purged(case), "a parent of a table in quarantine has changed")
    assert set(phases(case).values()) == {Phase.SET_ASIDE}


def test_nothing_to_purge_is_nothing(case):
    assert purged(case) == Purged((), 0)


@pytest.mark.parametrize("names", [None, ["part", "delta"]])
def test_a_table_under_a_hold_stays_and_the_others_go(case, names):
    applied(case)
    with Quarantine.hold(str(case.root), case.config, "purge") as quarantine:
        if names is not None:
            with pytest.raises(PlanError, match="under a hold"):
                purge(quarantine, names, SliceRebuilder(), {"delta": "legal_hold"})
            assert set(phases(case).values()) == {Phase.SET_ASIDE}
            return
        found = purge(quarantine, names, SliceRebuilder(), {"delta": "legal_hold"})
    assert set(found.tables) == set(CHILDREN) - {"delta"}
    assert found.waiting == (("delta", "a table under a hold may not be purged: delta: legal_hold"),)
    assert restored(case, ["delta"]).moved == ("delta",)


def test_a_purged_table_cannot_be_purged_again(case):
    applied(case)
    assert set(purged(case).tables) == set(CHILDREN)
    with pytest.raises(PlanError, match="only a table that is set aside"):
        purged(case, ["part"])

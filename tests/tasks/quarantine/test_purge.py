import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import PlanError
from lakebed.tasks.quarantine.config import QuarantineConfig
from lakebed.tasks.quarantine.kernel import Phase
from tests.tasks.quarantine.lakes import CHILDREN, parent_rows
from tests.tasks.quarantine.test_apply import applied, phases, purged, restored


@pytest.mark.parametrize("names", [None, ["part"]])
def test_before_its_time_nothing_is_purged(case, names):
    case.config = QuarantineConfig(grace_days=30)
    applied(case)
    with pytest.raises(PlanError, match="may not be purged yet") as caught:
        purged(case, names)
    assert "lakebed restore" in caught.value.hint
    restored(case)
    assert case.snapshot() == case.before


def test_a_shorter_grace_later_does_not_shorten_what_the_receipt_promised(case):
    case.config = QuarantineConfig(grace_days=30)
    applied(case)
    case.config = QuarantineConfig(grace_days=0)
    with pytest.raises(PlanError, match="may not be purged yet"):
        purged(case)


def test_a_longer_grace_later_holds(case):
    applied(case)
    case.config = QuarantineConfig(grace_days=5)
    with pytest.raises(PlanError, match="may not be purged yet"):
        purged(case)


def test_a_moved_parent_saves_its_children(case):
    applied(case)
    rows = parent_rows().slice(1)
    pq.write_table(rows, case.root / "all.parquet")
    with pytest.raises(PlanError, match="a parent of a table in quarantine has moved"):
        purged(case)
    assert set(phases(case).values()) == {Phase.SET_ASIDE}


def test_nothing_to_purge_is_refused(case):
    with pytest.raises(PlanError, match="no table can be purged"):
        purged(case)


def test_a_purged_table_cannot_be_purged_again(case):
    applied(case)
    assert set(purged(case).tables) == set(CHILDREN)
    with pytest.raises(PlanError, match="only a table that is set aside"):
        purged(case, ["part"])

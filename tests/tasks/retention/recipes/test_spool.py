import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakebed.tasks.retention.recipes import spool as module
from lakebed.tasks.retention.recipes.spool import find_members, first_of_equal, spool

ROWS = st.lists(st.integers(0, 5), max_size=60)


def hashes(numbers: list[int]) -> np.ndarray:
    """Rows whose uppermost bits differ, so that there are many ranges."""
    words = np.array(numbers, np.uint64).reshape(-1, 1)
    return np.ascontiguousarray(np.hstack([words << np.uint64(61), words]))


@pytest.fixture(autouse=True)
def few_rows_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROUND_ROWS", 7)
    monkeypatch.setattr(module, "_BLOCK_ROWS", 5)


@settings(deadline=None)
@given(ROWS, ROWS)
def test_members_are_what_counting_gives(child: list[int], parent: list[int]) -> None:
    with spool() as mine, spool() as theirs:
        mine.add(hashes(child))
        theirs.add(hashes(parent))
        found = find_members(mine, theirs)
        is_first = first_of_equal(theirs)
    assert found.is_member.tolist() == [row in child for row in parent]
    assert found.is_chosen.tolist() == [parent[:n].count(row) < child.count(row) for n, row in enumerate(parent)]
    assert is_first.tolist() == [row not in parent[:n] for n, row in enumerate(parent)]
    counts = [(child.count(row), parent.count(row)) for row in set(child)]
    assert found.n_missing == sum(not theirs for _, theirs in counts)
    assert found.n_short == sum(0 < theirs < mine for mine, theirs in counts)
    assert found.n_surplus == sum(theirs > mine for mine, theirs in counts)
    assert found.most == max((mine for mine, _ in counts), default=0)

"""kill -9 at every moment of every verb on an Iceberg table in a folder and in a SQLite catalog, read by pyiceberg."""

import shutil

import pytest

from lakebed.tasks.quarantine.kernel import Phase
from lakebed.tasks.retention.plan import write_plan
from tests.tasks.quarantine.children import children
from tests.tasks.quarantine.iceberg_lakes import ICE, CatalogCase, IceCase, seen, write_lake

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def forks():
    with children("iceberg_verb") as found:
        yield found


class Fresh:
    """The same lake again and again, at the same place, in the state before a verb."""

    def __init__(self, base, kind):
        self.base, self.work, self.plan_file = base, base / "work", base / "work" / "plan.json"
        self.case = (
            CatalogCase(self.work) if kind == "catalog" else IceCase(write_lake(self.work / "lake"), self.work / "rows")
        )
        self.looked = self.seen()
        write_plan(self.case.plan, self.plan_file)
        self.keep("start")

    def seen(self):
        if isinstance(self.case, CatalogCase):
            self.case.catalog.engine.dispose()
            assert self.case.names() == ["sales.ice"]
            return self.case.seen()
        return seen(self.case.root / ICE)

    def keep(self, state):
        shutil.copytree(self.work, self.base / state)

    def make(self, state):
        shutil.rmtree(self.work)
        shutil.copytree(self.base / state, self.work)
        return self.case

    def is_back(self):
        """Whether pyiceberg sees what it saw at first, and nothing else is left."""
        return self.seen() == self.looked and not any("lakebed" in path for path in self.case.snapshot())


@pytest.mark.parametrize("kind", ["folder", "catalog"])
def test_killed_at_every_moment(tmp_path, forks, kind):
    fresh = Fresh(tmp_path, kind)

    def moments(verb, state):
        return list(enumerate(forks.moments(verb, fresh.make(state).lake.root, fresh.plan_file)))

    def kill(verb, state, moment, what):
        case = fresh.make(state)
        forks.kill(verb, case.lake.root, fresh.plan_file, moment, what)
        return case

    for moment, what in moments("apply", "start"):
        case = kill("apply", "start", moment, what)
        if moment % 2:
            case.apply()
            assert case.phases() == {ICE: Phase.SET_ASIDE}, what
        case.restore()
        assert case.snapshot() == case.before and fresh.is_back(), what
    fresh.make("start").apply()
    fresh.keep("aside")
    for moment, what in moments("restore", "aside"):
        kill("restore", "aside", moment, what).restore()
        assert fresh.case.snapshot() == fresh.case.before and fresh.is_back(), what
    for moment, what in moments("purge", "aside"):
        case = kill("purge", "aside", moment, what)
        if moment % 2 and case.phases() != {ICE: Phase.PURGED}:
            case.purge()
            assert case.phases() == {ICE: Phase.PURGED}, what
        case.restore()
        assert fresh.is_back(), what
    fresh.make("aside").purge()
    fresh.keep("purged")
    for moment, what in moments("restore", "purged"):
        kill("restore", "purged", moment, what).restore()
        assert fresh.is_back(), what

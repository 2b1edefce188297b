"""A database that cannot serve just now is asked again; a real server that has no room, and then has."""

import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.postgresql.client import DatabaseBusyError
from lakebed.tasks.inventory.sources import listed_lake
from lakebed.tasks.runtime import retry
from lakebed.tasks.runtime.progress import Progress, show
from lakebed.tasks.runtime.retry import DELAYS_S
from lakebed.tasks.runtime.workspace import Workspace


class Heard(Progress):
    """Keeps what is said to be tried again, and does something about it."""

    def __init__(self, heal):
        super().__init__(is_quiet=True)
        self.heal, self.heard = heal, []

    def note(self, text):
        if "tried again" in text:
            self.heard.append(text)
            self.heal()


@pytest.fixture
def full(place, tmp_path, monkeypatch):
    """A database with one table, whose server has no connection left for the reader; the workspace that reads it."""
    monkeypatch.setattr(retry, "DELAYS_S", (0.0,) * len(DELAYS_S))
    place.sql("CREATE TABLE t (a int); GRANT SELECT ON t TO reader; ALTER ROLE reader CONNECTION LIMIT 0")
    (tmp_path / "lake").mkdir()
    lake = LakeConfig(root=str(tmp_path / "lake"), databases={"shop": place.config()})
    yield Workspace(lake=lake, artifacts=str(tmp_path / "artifacts"))
    place.sql("ALTER ROLE reader CONNECTION LIMIT -1")
    show(Progress(is_quiet=True))


def test_it_is_read_once_it_has_room(place, full):
    show(heard := Heard(lambda: place.sql("ALTER ROLE reader CONNECTION LIMIT -1")))
    with listed_lake(full) as lake:
        assert [source.name for source in lake.listing.sources] == ["shop/public.t"]
        assert lake.listing.problems == ()
    assert len(heard.heard) == 1 and heard.heard[0].startswith("database shop is tried again")


def test_one_that_stays_full_is_listed_as_unreadable(place, full):
    show(heard := Heard(lambda: None))
    with listed_lake(full) as lake:
        assert lake.listing.sources == ()
        assert [(problem.name, "53300" in problem.reason) for problem in lake.listing.problems] == [("shop", True)]
    assert len(heard.heard) == len(DELAYS_S)
    with pytest.raises(DatabaseBusyError):
        place.open(raises_busy=True)


def test_one_that_cannot_be_reached_is_not_waited_for(place, full, tmp_path):
    show(heard := Heard(lambda: None))
    gone = place.config(url="jdbc:postgresql://127.0.0.1:1/shop")
    lake = full.lake.model_copy(update={"databases": {"shop": gone}})
    with listed_lake(full.model_copy(update={"lake": lake})) as found:
        assert [problem.name for problem in found.listing.problems] == ["shop"]
    assert heard.heard == []

import pytest

from lakebed.connectors.errors import ArtifactError
from lakebed.connectors.storage import Storage
from lakebed.tasks.quarantine.journal import JOURNAL_FILE, Journal, ObjectJournal, decode, encode
from lakebed.tasks.quarantine.kernel import Event, Phase, Step


@pytest.fixture(params=["file", "objects"])
def storage(request, tmp_path):
    """Both kinds keep the same promises; objects are files here."""
    storage = Storage.at(str(tmp_path / "quarantine"))
    return (storage, ObjectJournal if request.param == "objects" else Journal.at)


def test_what_was_appended_is_read_again(storage):
    place, make = storage
    journal = make(place)
    assert journal.events == []
    journal.append("e", Step.SET_ASIDE_BEGUN, table="ä\n b", plan_id="p", n_bytes=3)
    journal.append("e", Step.SET_ASIDE_COPIED)
    again = make(place)
    assert again.events == journal.events
    assert again.states == journal.states
    assert again.states["e"].table == "ä\n b"


def test_a_step_that_may_not_follow_is_not_written(storage):
    place, make = storage
    journal = make(place)
    with pytest.raises(ArtifactError, match="out of order"):
        journal.append("e", Step.PURGED)
    assert make(place).events == []


def test_an_ended_journal_is_empty_and_can_begin_again(storage):
    place, make = storage
    journal = make(place)
    journal.append("e", Step.SET_ASIDE_BEGUN, table="a")
    journal.end()
    journal.end()
    again = make(place)
    assert again.events == []
    again.append("f", Step.SET_ASIDE_BEGUN, table="b")
    assert [event.entry for event in make(place).events] == ["f"]


def test_an_end_that_was_cut_short_counts_as_an_end(tmp_path):
    place = Storage.at(str(tmp_path))
    journal = ObjectJournal(place)
    for step in (Step.SET_ASIDE_BEGUN, Step.SET_ASIDE):
        journal.append("e", step)
    place.write_bytes_atomic("journal/ended", b"ended")
    place.delete_file("journal/00000000.json")
    again = ObjectJournal(place)
    assert again.events == []
    again.append("f", Step.SET_ASIDE_BEGUN)
    assert [event.entry for event in ObjectJournal(place).events] == ["f"]


@pytest.mark.parametrize("n_lost", range(1, 60))
def test_a_line_that_a_crash_cut_short_is_no_step_and_the_next_one_takes_its_place(tmp_path, n_lost):
    place = Storage.at(str(tmp_path))
    journal = Journal.at(place)
    journal.append("e", Step.SET_ASIDE_BEGUN, table="a", plan_id="a plan that makes the line long enough for this")
    journal.append("e", Step.SET_ASIDE_COPIED)
    file = tmp_path / JOURNAL_FILE
    file.write_bytes(file.read_bytes()[:-n_lost])
    torn = Journal.at(place)
    assert [event.step for event in torn.events] == [Step.SET_ASIDE_BEGUN]
    torn.append("e", Step.RESTORE_BEGUN)
    assert Journal.at(place).states["e"].phase is Phase.RESTORING


def test_damage_before_the_last_line_is_refused(tmp_path):
    place = Storage.at(str(tmp_path))
    journal = Journal.at(place)
    for step in (Step.SET_ASIDE_BEGUN, Step.SET_ASIDE_COPIED, Step.SET_ASIDE):
        journal.append("e", step)
    file = tmp_path / JOURNAL_FILE
    file.write_bytes(file.read_bytes().replace(b"begun", b"Begun"))
    with pytest.raises(ArtifactError, match="journal is damaged") as caught:
        Journal.at(place)
    assert "step 0" in caught.value.value


def test_a_line_tells_every_change_of_it():
    event = Event(7, "t", "e", Step.PURGED, {"n": 1})
    line = encode(event)
    assert decode(line) == event
    for place in range(len(line)):
        assert decode(line[:place] + bytes([line[place] ^ 1]) + line[place + 1 :]) != event

import os
import shutil
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import ArtifactError, ConfigError, PlanError
from lakebed.connectors.storage import LocalStorage
from lakebed.tasks.quarantine.beside import require_free_beside
from lakebed.tasks.quarantine.journal import FileJournal
from lakebed.tasks.quarantine.kernel import Phase
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.receipt import pointer_path
from tests.tasks.quarantine.lakes import CHILDREN, child_rows, make_plan
from tests.tasks.quarantine.test_apply import applied, phases, purged, restored


@pytest.mark.parametrize("place", ["part.parquet", "sub/text.csv", "days/new.csv", "mixed/part-1.parquet", "delta/x"])
def test_a_restore_onto_something_that_exists_is_refused(case, place):
    applied(case)
    (case.root / place).parent.mkdir(exist_ok=True)
    (case.root / place).write_text("new")
    before = case.snapshot()
    with pytest.raises(PlanError, match="in the place of a table") as caught:
        restored(case)
    assert "lakebed restore" in caught.value.hint and "--beside" in caught.value.hint
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


PLACES = {
    "part": ("part.parquet", "old/part", "old/part.parquet"),
    "sub/text": ("sub/text.csv", "sub/text_before", "sub/text_before.csv"),
    "days": ("days", "days_before", "days_before"),
    "mixed": ("mixed/part-of-tonight.parquet", "archive/mixed/", "archive/mixed"),
    "delta": ("delta", "archive/2026/delta", "archive/2026/delta"),
}


def written_again(case, name):
    """What a nightly job leaves where a table was."""
    place = case.root / PLACES[name][0]
    if "." in place.name:
        place.write_bytes(b"new")
    else:
        place.mkdir(parents=True)
        (place / "part-0.parquet").write_bytes(b"new")
    return {path: facts for path, facts in case.snapshot().items() if "lakebed" not in path}


@pytest.mark.parametrize("is_purged", [False, True])
@pytest.mark.parametrize("name", list(CHILDREN))
def test_beside_what_was_written_in_its_place_the_old_one_comes_back(case, name, is_purged):
    before = {path: facts for path, facts in case.before.items() if path.startswith((f"{name}/", f"{name}."))}
    applied(case)
    if is_purged:
        purged(case, [name])
    lying = written_again(case, name)
    _, asked, place = PLACES[name]
    back = restored(case, [name], asked)
    assert (back.moved, back.rebuilt, back.beside) == (((), (name,)) if is_purged else ((name,), ())) + (place,)
    after = case.snapshot()
    assert all(after[path] == facts for path, facts in lying.items())
    came = {path: facts for path, facts in after.items() if path not in lying and "lakebed" not in path}
    assert all(path.startswith(place) for path in came)
    if not is_purged:
        moved = {path: facts for path, facts in before.items() if path != "mixed/notes.txt"}
        own = case.plan.table(name).identity.path
        assert came == {f"{place}{path[len(own) :]}": facts for path, facts in moved.items()}
    elif name != "delta":
        rows = [pq.read_table(case.root / path) if not path.endswith(".csv") else None for path in sorted(came)]
        assert None in rows or pa.concat_tables(rows).equals(child_rows(name))
    assert not (case.root / pointer_path(name)).exists()
    assert phases(case)[name] is Phase.AT_PLACE


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("mixed/part-7", "a part of another table"),
        ("_hidden/part", "hidden"),
        ("all.parquet", "something lies there"),
        ("all.parquet/part", "is a file"),
        ("ice/part", "a part of another table"),
        ("../part", "no path in the lake"),
        ("/part", "no path in the lake"),
        (".", "no path in the lake"),
    ],
)
def test_a_place_where_it_would_be_no_table_of_its_own_is_refused(case, place, why):
    applied(case, make_plan(case.lake, ("part",)))
    (case.root / "ice" / "metadata").mkdir(parents=True)
    (case.root / "ice" / "metadata" / "v1.metadata.json").write_text("{}")
    before = {path: facts for path, facts in case.snapshot().items() if "lease" not in path}
    with pytest.raises((PlanError, ConfigError), match=r"cannot come back to that place|no path") as caught:
        restored(case, ["part"], place)
    assert why in str(caught.value)
    assert {path: facts for path, facts in case.snapshot().items() if "lease" not in path} == before


@pytest.mark.parametrize("name", ["part", "days", "mixed"])
@pytest.mark.parametrize(
    ("place", "why"),
    [
        pytest.param("link/before", "link is a symbolic link", id="link"),
        pytest.param("gone/before", "gone is a symbolic link", id="dangling"),
        pytest.param("old/" + "ü" * 128, "too long a name", id="name"),
        pytest.param("/".join(["deep" * 50] * 21), "too long a name", id="path"),
    ],
)
def test_a_place_to_which_nothing_can_be_renamed_is_refused_before_anything_is_written_down(case, name, place, why):
    applied(case)
    (case.root.parent / "elsewhere").mkdir()
    (case.root / "link").symlink_to(case.root.parent / "elsewhere")
    (case.root / "gone").symlink_to(case.root.parent / "nowhere")
    with pytest.raises(PlanError, match="cannot come back to that place") as caught:
        restored(case, [name], place)
    assert why in caught.value.what
    assert phases(case)[name] is Phase.SET_ASIDE
    assert restored(case, [name]).moved == (name,)


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no second file system here")
def test_a_place_on_another_file_system_is_refused_before_anything_is_written_down(case, tmp_path):
    """As where a folder of the lake is a mount: the quarantine lies on the other side of it."""
    applied(case)
    lake = Path(tempfile.mkdtemp(prefix="lakebed-test-", dir="/dev/shm"))
    try:
        quarantine = Quarantine.look(str(case.root), case.config)
        (state,) = (state for state in quarantine.live() if state.table == "part")
        quarantine.lake = LocalStorage(str(lake))
        with pytest.raises(PlanError, match="on another file system"):
            require_free_beside(quarantine, state, quarantine.receipt(state), "part_before.parquet")
    finally:
        shutil.rmtree(lake)


@pytest.mark.parametrize("name", ["part", "mixed"])
@pytest.mark.parametrize("last", ["restore_begun", "restore_copied", "restored"])
def test_an_interrupted_move_beside_goes_on_to_the_same_place(case, name, last, monkeypatch):
    applied(case)
    written_again(case, name)
    write = FileJournal._write

    def stop(self, event):
        if event.step == last:
            raise KeyboardInterrupt
        write(self, event)

    monkeypatch.setattr(FileJournal, "_write", stop)
    with pytest.raises(KeyboardInterrupt):
        restored(case, [name], PLACES[name][1])
    monkeypatch.undo()
    if last != "restore_begun":
        with pytest.raises(PlanError, match="half moved already"):
            restored(case, [name], "elsewhere")
    back = restored(case, [name], PLACES[name][1] if last == "restore_begun" else "")
    assert back.moved == (name,) and (case.root / PLACES[name][2]).exists()
    assert phases(case)[name] is Phase.AT_PLACE

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.listing import list_lake
from lakebed.connectors.storage import LocalStorage
from lakebed.tasks.quarantine.apply import apply_plan, preview
from lakebed.tasks.quarantine.config import QuarantineConfig
from lakebed.tasks.quarantine.kernel import Phase
from lakebed.tasks.quarantine.mover import LocalMover
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.purge import purge
from lakebed.tasks.quarantine.restore import restore
from tests.tasks.quarantine.conftest import Case
from tests.tasks.quarantine.lakes import CHILDREN, SliceRebuilder, child_rows, make_plan, read_place


def applied(case, plan=None, config=None, named=()):
    with Quarantine.hold(str(case.root), config or case.config, "apply") as quarantine:
        return apply_plan(quarantine, plan or case.plan, SliceRebuilder(), named)


def restored(case, names=None, beside=""):
    with Quarantine.hold(str(case.root), case.config, "restore") as quarantine:
        return restore(quarantine, names, SliceRebuilder(), beside)


def purged(case, names=None):
    with Quarantine.hold(str(case.root), case.config, "purge") as quarantine:
        return purge(quarantine, names, SliceRebuilder())


def tables(case):
    return [table.name for table in discover(list_lake(case.lake), case.lake).tables]


def phases(case):
    return {state.table: state.phase for state in Quarantine.look(str(case.root), case.config).states.values()}


def test_the_whole_way_there_and_back_leaves_the_lake_byte_identical(case):
    result = applied(case)
    assert {receipt.table.name for receipt in result.receipts} == set(CHILDREN)
    assert tables(case) == ["all"]
    assert set(phases(case).values()) == {Phase.SET_ASIDE}
    pointer = json.loads((case.root / "sub" / "_text.lakebed.json").read_text())
    assert (case.root / "sub" / pointer["receipt"]).resolve().is_file()
    assert (case.root / "mixed" / "notes.txt").exists()
    back = restored(case)
    assert set(back.moved) == set(CHILDREN) and back.rebuilt == ()
    assert back.n_bytes == result.n_bytes
    assert case.snapshot() == case.before
    assert not (case.root / "_lakebed_quarantine").exists()


def test_the_same_command_again_does_nothing(case):
    first = applied(case)
    lying = case.snapshot()
    again = applied(case)
    assert again.n_before == len(CHILDREN)
    assert again.receipts == first.receipts
    assert {path for path in lying if "lease" not in path} == {path for path in case.snapshot() if "lease" not in path}


def test_purged_tables_come_back_by_rebuilding(case):
    applied(case)
    gone = purged(case)
    assert set(gone.tables) == set(CHILDREN)
    assert not list((case.root / "_lakebed_quarantine").rglob("*.parquet")) or all(
        "recipe" in str(path) for path in (case.root / "_lakebed_quarantine").rglob("*.parquet")
    )
    back = restored(case, ["part", "sub/text"])
    assert back.rebuilt == ("part", "sub/text")
    for name in back.rebuilt:
        assert read_place(case.root, name).equals(child_rows(name))
    assert tables(case) == ["all", "part", "sub/text"]


def left_alone(case, name, plan=None):
    """The one table that stays at its place while the others go; asked for by name it is refused, nothing is done."""
    before = case.snapshot()
    with pytest.raises(PlanError) as caught:
        applied(case, plan, named=[name])
    assert case.snapshot() == before
    result = applied(case, plan)
    assert {receipt.table.name for receipt in result.receipts} == set(CHILDREN) - {name}
    ((table, why),) = result.left
    assert table == name
    assert phases(case).get(name, Phase.AT_PLACE) is Phase.AT_PLACE
    restored(case)
    assert case.snapshot() == before
    return caught.value, why


@pytest.mark.parametrize("name", list(CHILDREN))
def test_a_table_that_changed_stays_alone(case, name):
    changed = next(path for path in (case.root / name).parent.rglob("*") if path.name.startswith(name.split("/")[-1]))
    changed = next(path for path in changed.rglob("*.parquet")) if changed.is_dir() else changed
    data = changed.read_bytes()
    facts = changed.stat()
    changed.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(changed, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    error, why = left_alone(case, name)
    assert "changed since the plan" in error.what and "lakebed plan" in error.hint
    assert changed.name in why and "other bytes" in why


@pytest.mark.parametrize("path", ["part.parquet", "days/day=1/part-0.parquet", "delta"])
def test_what_vanished_stays_alone(case, path):
    place = case.root / path
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    _, why = left_alone(case, path.partition("/")[0].removesuffix(".parquet"))
    assert "gone" in why or "not there any more" in why


def test_a_parent_that_vanished_refuses_all(case):
    (case.root / "all.parquet").unlink()
    before = case.snapshot()
    with pytest.raises(PlanError, match="changed since the plan") as caught:
        applied(case)
    assert caught.value.value == "all: all.parquet is gone"
    assert len(caught.value.examples) == len(CHILDREN) - 1
    assert case.snapshot() == before


def test_a_new_file_in_a_folder_that_is_to_go_is_a_change(case):
    shutil.copy(case.root / "mixed" / "part-0.parquet", case.root / "mixed" / "part-9.parquet")
    _, why = left_alone(case, "mixed")
    assert "mixed/part-9.parquet is new" in why


def test_a_rebuild_that_differs_stays_alone(case):
    tables_ = [
        table.model_copy(update={"original_hash": "0" * 64}) if table.name == "sub/text" else table
        for table in case.plan.tables
    ]
    error, why = left_alone(case, "sub/text", case.plan.model_copy(update={"tables": tuple(tables_)}).sealed())
    assert error.what == "the rebuild differs" and why == "the rebuild differs: sub/text"


def test_two_at_once_are_refused(case):
    with Quarantine.hold(str(case.root), case.config, "restore"):
        with pytest.raises(PlanError, match="another verb works") as caught:
            applied(case)
        assert f"restore, process {os.getpid()}" in caught.value.value


def test_a_full_quarantine_is_refused(case):
    with pytest.raises(PlanError, match="quarantine is full") as caught:
        applied(case, config=QuarantineConfig(max_bytes=1000))
    assert "purge" in caught.value.hint
    assert case.snapshot() == case.before


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no second file system here")
def test_a_quarantine_on_another_file_system_is_refused(case):
    with pytest.raises(PlanError, match="another file system") as caught:
        applied(case, config=QuarantineConfig(folder="/dev/shm/lakebed-test"))
    assert "folder" in caught.value.hint
    assert case.snapshot() == case.before
    assert not os.path.exists("/dev/shm/lakebed-test/lake")


def test_a_quarantine_beside_the_lake_is_fine(case, tmp_path):
    case.config = QuarantineConfig(folder=str(tmp_path / "aside"), grace_days=0)
    applied(case)
    assert not (case.root / "_lakebed_quarantine").exists()
    pointer = json.loads((case.root / "_days.lakebed.json").read_text())
    assert os.path.isfile(pointer["receipt"]) and pointer["receipt"].startswith(str(tmp_path / "aside"))
    restored(case)
    assert case.snapshot() == case.before


def test_links_are_refused(case):
    (case.root / "part.parquet").rename(case.root.parent / "elsewhere.parquet")
    (case.root / "part.parquet").symlink_to(case.root.parent / "elsewhere.parquet")
    ((name, why),) = applied(case).left
    assert name == "part" and "symbolic link" in why


def test_a_pinned_parent_is_refused(case):
    from tests.tasks.quarantine.lakes import make_plan

    applied(case, make_plan(case.lake, ("part",)))
    second = make_plan(case.lake, ("mixed",), ("days",))
    wrong = [
        table.model_copy(update={"decision": "delete", "parents": ("mixed",), "recipe": {"x": 1}, "original_hash": "0"})
        if table.name == "all"
        else table.model_copy(update={"decision": "keep"})
        for table in second.tables
    ]
    with pytest.raises(PlanError, match="is pinned") as caught:
        applied(case, second.model_copy(update={"tables": tuple(wrong)}).sealed())
    assert "all, which part needs" in caught.value.value
    assert "lakebed restore part" in caught.value.hint


def test_a_table_that_is_written_while_it_moves_is_brought_back(case, monkeypatch):
    from lakebed.tasks.quarantine.mover import LocalMover

    rename = LocalMover.rename

    def late_writer(self, source, target):
        if source.endswith("part.parquet"):
            with open(source, "ab") as stream:
                stream.write(b"late")
        rename(self, source, target)

    monkeypatch.setattr(LocalMover, "rename", late_writer)
    with pytest.raises(PlanError, match=r"part could not be set aside.*back at its place"):
        applied(case, named=["part"])
    assert set(phases(case).values()) == {Phase.SET_ASIDE, Phase.AT_PLACE}
    assert (case.root / "part.parquet").read_bytes().endswith(b"late")
    assert phases(case)["part"] is Phase.AT_PLACE
    assert not (case.root / "_part.lakebed.json").exists()


def test_a_folder_to_which_a_file_is_added_while_it_moves_is_brought_back(case, monkeypatch):
    """A rename takes along what lies there: a file in no receipt would go with the table when it is purged."""
    rename = LocalMover.rename

    def late_writer(self, source, target):
        if source.endswith("days"):
            shutil.copy(f"{source}/day=1/part-0.parquet", f"{source}/day=1/part-1.parquet")
        rename(self, source, target)

    monkeypatch.setattr(LocalMover, "rename", late_writer)
    with pytest.raises(PlanError, match=r"days could not be set aside.*back at its place") as caught:
        applied(case, named=["days"])
    assert caught.value.value == "days/day=1/part-1.parquet" and "lakebed plan" in caught.value.hint
    assert phases(case)["days"] is Phase.AT_PLACE
    assert len(list((case.root / "days" / "day=1").iterdir())) == 2


@pytest.mark.parametrize("named", [(), ("part", "days")])
def test_where_a_named_table_changes_while_receipts_are_written_nothing_moves(case, named, monkeypatch):
    keep = SliceRebuilder.keep

    def changing(self, table, target, folder):
        keep(self, table, target, folder)
        if table.name == "days":
            shutil.copy(case.root / "days/day=1/part-0.parquet", case.root / "days/day=1/part-1.parquet")

    monkeypatch.setattr(SliceRebuilder, "keep", changing)
    if not named:
        done = applied(case)
        assert [name for name, _ in done.left] == ["days"] and len(done.receipts) == len(CHILDREN) - 1
        return
    with pytest.raises(PlanError, match="changed since the plan") as caught:
        applied(case, make_plan(case.lake, named), named=named)
    assert "days/day=1/part-1.parquet is new" in caught.value.value
    assert phases(case) == {}
    after = case.snapshot()
    assert {path: facts for path, facts in after.items() if path in case.before} == case.before
    assert not [path for path in after if "lakebed" in path]


def test_each_table_is_listed_once_before_it_moves(case, monkeypatch):
    listed, list_files = [], LocalStorage.list_files

    def spy(self, under="", on_error=None):
        listed.append(under)
        return list_files(self, under, on_error)

    monkeypatch.setattr(LocalStorage, "list_files", spy)
    applied(case)
    assert sorted(path for path in listed if path in CHILDREN) == ["days", "delta", "mixed"]


def test_a_second_plan_waits_for_what_the_first_left_half_done(case, monkeypatch):
    from lakebed.tasks.quarantine.journal import FileJournal
    from tests.tasks.quarantine.lakes import make_plan

    write = FileJournal._write

    def stop(self, event):
        if event.step == "set_aside_copied":
            raise KeyboardInterrupt
        write(self, event)

    monkeypatch.setattr(FileJournal, "_write", stop)
    with pytest.raises(KeyboardInterrupt):
        applied(case, make_plan(case.lake, ("part",)))
    monkeypatch.undo()
    with pytest.raises(PlanError, match="interrupted while setting aside") as caught:
        applied(case, make_plan(case.lake, ("mixed",)))
    assert "lakebed restore part" in caught.value.hint
    restored(case)
    assert case.snapshot() == case.before


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB, where this user may make one."""
    place = tmp_path / "small"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("this user may not mount")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=False)


@pytest.mark.parametrize("n_free", [0, 5_000, 200_000])
def test_a_full_disk_is_refused(lake_template, small_disk, n_free):
    """Also where it gets full only after the check: then nothing is lost and the lake is as it was."""
    case = Case(shutil.copytree(lake_template, small_disk / "lake"))
    with open(small_disk / "ballast", "wb") as ballast:
        while shutil.disk_usage(small_disk).free > n_free:
            ballast.write(b"x" * min(4096, shutil.disk_usage(small_disk).free - n_free))
            ballast.flush()
    with pytest.raises(PlanError, match="full"):
        applied(case)
    (small_disk / "ballast").unlink()
    assert case.snapshot() == case.before
    applied(case)
    restored(case)
    assert case.snapshot() == case.before


def test_a_disk_that_gets_full_in_the_middle_leaves_every_table_restorable(case, monkeypatch):
    from lakebed.connectors.storage import LocalStorage

    write, n_written = LocalStorage.write_bytes_atomic, []

    def full(self, path, data):
        n_written.append(path)
        if len(n_written) == 14:
            raise PlanError("cannot write the file: the disk is full", value=path)
        write(self, path, data)

    monkeypatch.setattr(LocalStorage, "write_bytes_atomic", full)
    ((table, why),) = applied(case).left
    assert "the disk is full; it is back at its place" in why
    assert phases(case)[table] is Phase.AT_PLACE
    monkeypatch.undo()
    restored(case)
    assert case.snapshot() == case.before


@pytest.fixture
def open_case(lake_template):
    """A case that every user may read and write; pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        case = Case(shutil.copytree(lake_template, Path(folder) / "lake"))
        for place in (Path(folder), case.root, *case.root.rglob("*")):
            place.chmod(0o777)
        yield case


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user to be")
@pytest.mark.parametrize("closed", ["sub", "days", "", "_lakebed_quarantine"])
def test_where_nothing_may_be_written_dry_run_says_so_and_leaves_nothing(open_case, closed):
    """As a user who may read all of the lake and write all but one folder."""
    case, place = open_case, open_case.root / closed
    place.mkdir(exist_ok=True)
    place.chmod(0o555)
    lying = {path: path.stat().st_mtime_ns for path in (case.root, *case.root.rglob("*"))}
    looked = Quarantine.look(str(case.root), case.config)
    told = as_nobody(lambda: preview(looked, case.plan, SliceRebuilder()).left)
    assert {path: path.stat().st_mtime_ns for path in (case.root, *case.root.rglob("*"))} == lying
    assert "may not be written to" in told and f"{place}: Permission denied" in told
    if name := {"sub": "sub/text", "days": "days"}.get(closed):
        assert [table for table, _ in json.loads(told)] == [name]
    else:
        assert "nothing was done" in told


def as_nobody(call):
    """What a call returns as JSON, or the error that it raises, in a process of another user."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setgid(65534)
        os.setuid(65534)
        try:
            answer = json.dumps(call())
        except PlanError as error:
            answer = str(error)
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as stream:
        answer = stream.read()
    os.wait()
    return answer

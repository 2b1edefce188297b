import os
import shutil

import pytest

from lakebed.connectors.errors import PlanError
from lakebed.tasks.quarantine.journal import FileJournal
from lakebed.tasks.quarantine.pins import pins, require_pins, warnings
from lakebed.tasks.quarantine.place import Quarantine
from tests.tasks.quarantine.lakes import CHILDREN, make_plan
from tests.tasks.quarantine.test_apply import applied, purged, restored


def look(case):
    return Quarantine.look(str(case.root), case.config)


def test_without_a_quarantine_nothing_is_pinned(case):
    assert pins(look(case)) == ()
    assert warnings(look(case)) == []


def test_a_parent_is_pinned_as_long_as_its_children_lie_there(case):
    applied(case)
    (pin,) = pins(look(case))
    assert pin.parent == "all" and set(pin.children) == set(CHILDREN)
    assert (pin.problem, pin.hint, pin.purged) == ("", "", ())
    restored(case)
    assert pins(look(case)) == ()


def test_a_parent_that_was_only_touched_is_as_it_was(case):
    applied(case)
    os.utime(case.root / "all.parquet", ns=(1, 1))
    assert warnings(look(case)) == []


@pytest.mark.parametrize("change", ["dropped", "overwritten"])
def test_what_happened_to_a_parent_is_told_with_the_command_that_helps(case, change):
    applied(case)
    path = case.root / "all.parquet"
    path.unlink() if change == "dropped" else path.write_bytes(path.read_bytes()[::-1])
    (line,) = warnings(look(case))
    assert "all has moved" in line and ("gone" if change == "dropped" else "overwritten") in line
    assert "lakebed restore" in line and all(name in line for name in CHILDREN)
    with pytest.raises(PlanError, match="has moved"):
        require_pins(look(case), [look(case).receipt(look(case).live()[0])], with_bytes=False)


def test_purged_children_can_only_come_from_the_old_parent(case):
    applied(case)
    purged(case, ["part"])
    (case.root / "all.parquet").unlink()
    (line,) = warnings(look(case))
    assert "only it can rebuild part" in line
    assert "lakebed restore" in line and "sub/text" in line.partition("lakebed restore")[2]
    assert "part " not in line.partition("lakebed restore")[2].replace("part-", "")


def test_newer_versions_of_a_delta_parent_harm_nothing_but_lost_files_do(case):
    from deltalake import DeltaTable, write_deltalake

    from tests.tasks.quarantine.lakes import child_rows

    applied(case, make_plan(case.lake, ("part",), ("delta",)))
    write_deltalake(case.root / "delta", child_rows("delta"), mode="append")
    assert warnings(look(case)) == []
    write_deltalake(case.root / "delta", child_rows("delta"), mode="overwrite")
    assert warnings(look(case)) == []
    table = DeltaTable(case.root / "delta")
    table.vacuum(0, dry_run=False, enforce_retention_duration=False)
    (line,) = warnings(look(case))
    assert "delta has moved" in line and "gone" in line


def test_a_new_file_in_a_parent_of_plain_files_is_told(case):
    applied(case, make_plan(case.lake, ("part",), ("mixed",)))
    (case.root / "mixed" / "more.txt").write_text("no table's file")
    assert warnings(look(case)) == []
    shutil.copy(case.root / "mixed" / "part-0.parquet", case.root / "mixed" / "part-7.parquet")
    (line,) = warnings(look(case))
    assert "mixed/part-7.parquet is new" in line


def test_a_half_moved_table_is_told(case, monkeypatch):
    write = FileJournal._write

    def stop(self, event):
        if event.step == "set_aside":
            raise KeyboardInterrupt
        write(self, event)

    monkeypatch.setattr(FileJournal, "_write", stop)
    with pytest.raises(KeyboardInterrupt):
        applied(case, make_plan(case.lake, ("part",)))
    (line,) = warnings(look(case))
    assert "part is half moved (setting aside" in line and "lakebed restore part" in line

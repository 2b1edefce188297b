import json
import os
import shutil

import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import PlanError
from lakebed.connectors.storage import LocalStorage
from lakebed.data_samples.delta_log import inline_deletion_vector
from lakebed.quarantine import apply_settings, quarantine_told
from lakebed.tasks.quarantine.journal import FileJournal
from lakebed.tasks.quarantine.pins import Standing, pins, require_pins
from lakebed.tasks.quarantine.place import Quarantine
from tests.tasks.quarantine.lakes import CHILDREN, child_rows, make_plan
from tests.tasks.quarantine.test_apply import applied, purged, restored


def warnings(quarantine):
    return Standing.of(quarantine).warnings


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
    assert "all has changed" in line and ("gone" if change == "dropped" else "was changed") in line
    assert "lakebed restore" in line and all(name in line for name in CHILDREN)
    with pytest.raises(PlanError, match="has changed"):
        require_pins(look(case), [look(case).receipt(look(case).live()[0])], with_bytes=False)


def test_purged_children_can_only_come_from_the_old_parent(case):
    applied(case)
    purged(case, ["part"])
    (case.root / "all.parquet").unlink()
    (line,) = warnings(look(case))
    assert "only it can rebuild part" in line
    assert "lakebed restore" in line and "sub/text" in line.partition("lakebed restore")[2]
    assert "part " not in line.partition("lakebed restore")[2].replace("part-", "")


def test_versions_of_a_delta_parent_that_add_harm_nothing_and_others_are_told(case):
    """An overwrite leaves the old files until a VACUUM: until then even what was purged can be brought back."""
    from deltalake import DeltaTable, write_deltalake

    applied(case, make_plan(case.lake, ("part", "mixed"), ("delta",)))
    write_deltalake(case.root / "delta", child_rows("delta"), mode="append")
    assert warnings(look(case)) == []
    purged(case, ["part"])
    write_deltalake(case.root / "delta", child_rows("delta"), mode="overwrite")
    (line,) = warnings(look(case))
    assert "delta has changed" in line and "overwritten, deleted or compacted: version 3 does not read it" in line
    assert f"lakebed restore mixed part --lake {case.root}, before its old files are vacuumed" in line
    with pytest.raises(PlanError, match="has changed"):
        purged(case, ["mixed"])
    table = DeltaTable(case.root / "delta")
    table.vacuum(0, dry_run=False, enforce_retention_duration=False)
    (line,) = warnings(look(case))
    assert "delta has changed" in line and "gone" in line and "only it can rebuild part" in line


def plan_with_rows(case, name, rows):
    """A plan for one table of which the recipe says how many rows of each file of `delta` were live."""
    files = [{"path": f"delta/{file}", "n_rows": n} for file, n in rows.items()]
    plan = make_plan(case.lake, (name,), ("delta",))
    facts = {"recipe": plan.table(name).recipe | {"parts": [{"parent": {"files": files}}]}}
    tables = [table.model_copy(update=facts) if table.name == name else table for table in plan.tables]
    return plan.model_copy(update={"tables": tuple(tables)}).sealed()


def rows_by_file(case):
    paths = sorted((case.root / "delta").glob("*.parquet"))
    return {path.name: pq.ParquetFile(path).metadata.num_rows for path in paths}


def test_rows_that_a_deletion_vector_takes_are_told(case):
    """The file stays in the table and keeps its bytes: only the log says that fewer of its rows are live."""
    rows = rows_by_file(case)
    first = min(rows)
    applied(case, plan_with_rows(case, "part", rows))
    assert warnings(look(case)) == []
    delete_by_vector(case.root / "delta", first, rows[first])
    (line,) = warnings(look(case))
    assert f"delta/{first} has {rows[first] - 3} rows in version 2, not {rows[first]}" in line
    assert "before its old files are vacuumed" in line


def test_a_recipe_of_the_same_files_with_fewer_rows_hides_no_change_from_an_older_one(case):
    rows = rows_by_file(case)
    first = min(rows)
    applied(case, plan_with_rows(case, "part", rows))
    delete_by_vector(case.root / "delta", first, rows[first])
    applied(case, plan_with_rows(case, "days", rows | {first: rows[first] - 3}))
    (line,) = warnings(look(case))
    assert f"delta/{first} has {rows[first] - 3} rows in version 2, not {rows[first]}" in line
    quarantine = look(case)
    new, old = sorted(map(quarantine.receipt, quarantine.live()), key=lambda receipt: receipt.table.name)
    require_pins(quarantine, [new], with_bytes=True)
    with pytest.raises(PlanError, match="has changed"):
        require_pins(quarantine, [old], with_bytes=True)


def test_each_entry_is_looked_at_once(case, monkeypatch):
    """Its receipt is read for pins, for what appeared and for what is listed, but only once."""
    applied(case)
    asked, read = [], LocalStorage.read_bytes
    monkeypatch.setattr(LocalStorage, "read_bytes", lambda self, path: asked.append(path) or read(self, path))
    told = quarantine_told(apply_settings(case.plan, None, {}))
    assert len(told[1]["quarantine"]) == len(CHILDREN)
    assert len([path for path in asked if path.endswith("receipt.json")]) == len(CHILDREN)


def delete_by_vector(folder, name, n_rows):
    """A commit as Delta writes it for DELETE: the first three rows of a file."""
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    size, path = (folder / name).stat().st_size, {"path": name, "dataChange": True}
    add = {"partitionValues": {}, "size": size, "modificationTime": 0, "stats": json.dumps({"numRecords": n_rows})}
    actions = [
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}},
        {"remove": {**path, "deletionTimestamp": 1, "extendedFileMetadata": True, "partitionValues": {}, "size": size}},
        {"add": {**path, **add, "deletionVector": inline_deletion_vector(range(3))}},
    ]
    (folder / "_delta_log" / f"{2:020d}.json").write_text("".join(json.dumps(action) + "\n" for action in actions))


def test_a_new_file_in_a_parent_of_plain_files_harms_nothing(case):
    applied(case, make_plan(case.lake, ("part",), ("mixed",)))
    shutil.copy(case.root / "mixed" / "part-0.parquet", case.root / "mixed" / "part-7.parquet")
    assert warnings(look(case)) == []
    require_pins(look(case), [look(case).receipt(look(case).live()[0])], with_bytes=True)


def test_what_appeared_in_the_place_of_a_table_is_told_with_the_way_to_have_both(case):
    applied(case, make_plan(case.lake, ("part", "mixed", "days")))
    shutil.copy(case.root / "all.parquet", case.root / "part.parquet")
    (case.root / "days").mkdir()
    shutil.copy(case.root / "all.parquet", case.root / "mixed" / "part-of-tonight.parquet")
    (case.root / "mixed" / "more notes.txt").touch()
    lines = warnings(look(case))
    taken = [line.partition(" was written")[0] for line in lines]
    assert taken == ["days", "mixed/part-of-tonight.parquet", "part.parquet"]
    assert all("was set aside from there" in line for line in lines)
    assert f"lakebed restore mixed --beside mixed_before --lake {case.root}" in lines[1]


@pytest.mark.parametrize("is_purged", [False, True])
def test_what_lay_there_before_and_is_no_part_of_a_table_has_not_appeared(case, is_purged):
    """An empty part that a writer left, and a file that the configuration leaves out, stay when a table goes."""
    for path in (case.root / "mixed").glob("*.parquet"):
        path.unlink()
    pacsv.write_csv(child_rows("mixed"), case.root / "mixed" / "part-0.csv")
    (case.root / "mixed" / "part-1.csv").touch()
    shutil.copy(case.root / "mixed" / "part-0.csv", case.root / "mixed" / "left-out.csv")
    lake = case.lake.model_copy(update={"exclude": ("mixed/left-out*",)})
    applied(case, make_plan(lake, ("mixed",)))
    assert sorted(os.listdir(case.root / "mixed")) == ["left-out.csv", "notes.txt", "part-1.csv"]
    if is_purged:
        purged(case)
    assert warnings(look(case)) == []
    (case.root / "mixed" / "part-2.csv").write_text("id,name\n7,n49\n")
    (line,) = warnings(look(case))
    assert line.startswith("mixed/part-2.csv was written after mixed was set aside")


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

"""Plans and quarantines of a lakebed that took parts of other systems' tables for tables of their own."""

import json
import shutil

import pyarrow as pa
import pytest

from lakebed.connectors.errors import PlanError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.data_samples.families.managed import write_sink
from lakebed.tasks.quarantine.apply import apply_plan, preview
from lakebed.tasks.quarantine.journal import FileJournal
from lakebed.tasks.quarantine.kernel import Phase
from lakebed.tasks.quarantine.mover import file_sha256
from lakebed.tasks.quarantine.pins import Standing
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.purge import preview as preview_purge
from lakebed.tasks.quarantine.purge import purge
from lakebed.tasks.quarantine.receipt import RECEIPT, write_model
from lakebed.tasks.quarantine.restore import restore
from lakebed.tasks.retention.plan import FileIdentity
from tests.iceberg_tables import HandMade, column
from tests.tasks.quarantine.lakes import CHILDREN, SliceRebuilder, child_rows, make_plan, parent_rows

# what makes a folder of the lake a part of a managed table: child → sign, managed folder, format
SIGNS = {
    "sub/text": ("sub/metadata/v1.metadata.json", "sub", "Iceberg"),
    "days": ("days/.hoodie/hoodie.properties", "days", "Hudi"),
    "mixed": ("mixed/_spark_metadata/7", "mixed", "streaming sink"),
    "delta": ("delta/in/metadata/version-hint.text", "delta/in", "Iceberg"),
}


def sign(root, name):
    place = root / SIGNS[name][0]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("1")
    return place


def applied(case, plan=None, named=()):
    with Quarantine.hold(str(case.root), case.config, "apply") as quarantine:
        return apply_plan(quarantine, plan or case.plan, SliceRebuilder(), named)


def purged(case, names=None):
    with Quarantine.hold(str(case.root), case.config, "purge") as quarantine:
        return purge(quarantine, names, SliceRebuilder())


def restored(case, names=None):
    with Quarantine.hold(str(case.root), case.config, "restore") as quarantine:
        return restore(quarantine, names, SliceRebuilder())


@pytest.mark.parametrize("name", ["sub/text", "days", "delta"])
def test_apply_of_an_older_plan_refuses_parts_and_touches_nothing(case, name):
    sign(case.root, name)
    before = case.snapshot()
    _, folder, told = SIGNS[name]
    looked = Quarantine.look(str(case.root), case.config)
    for refused in (lambda: applied(case, None, [name]), lambda: preview(looked, case.plan, SliceRebuilder(), [name])):
        with pytest.raises(PlanError, match="another system keeps; nothing was done") as caught:
            refused()
        assert caught.value.value.startswith(f"{name}: ")
        assert folder in caught.value.value and told in caught.value.value
        assert caught.value.hint == f"lakebed run --lake {case.root}; lakebed plan"
    assert case.snapshot() == before
    for done in (preview(looked, case.plan, SliceRebuilder()), applied(case)):
        assert {receipt.table.name for receipt in done.receipts} == set(CHILDREN) - {name}
        assert [(table, "another system keeps" in why) for table, why in done.left] == [(name, True)]
    restored(case)
    assert case.snapshot() == before


@pytest.mark.parametrize(
    ("name", "mark", "told"),
    [
        ("sub/text", "sub/base_0000001/bucket_00000", "in sub, kept by Hive ACID (base_0000001/bucket_00000)"),
        (
            "days",
            "days/day=1/.hoodie_partition_metadata",
            "in days, kept by Hudi (day=1/.hoodie_partition_metadata)",
        ),
    ],
)
def test_what_is_a_part_of_a_table_of_hive_or_hudi_now_stays(case, name, mark, told):
    (case.root / mark).parent.mkdir(exist_ok=True)
    (case.root / mark).write_text("1")
    before = case.snapshot()
    with pytest.raises(PlanError, match="another system keeps; nothing was done") as caught:
        applied(case, None, [name])
    assert caught.value.value == f"{name}: {told}" and case.snapshot() == before


def test_a_file_that_an_iceberg_table_names_is_its_own(case):
    """Somebody has added a table's file to an Iceberg table since the plan was made."""
    before = case.snapshot()
    (file,) = case.plan.table("part").identity.files
    table = HandMade(case.root / "ice", [column(1, "id", "long")], location="s3://gone/lake/ice")
    entry = table.data(pa.table({"id": [1]}))
    entry["data_file"]["file_path"] = f"s3://gone/lake/{file.path}"
    table.commit(entry)
    with pytest.raises(PlanError, match="another system keeps") as caught:
        applied(case, None, ["part"])
    assert file.path.partition("/")[0] and "ice, kept by Iceberg" in caught.value.value
    assert {path: facts for path, facts in case.snapshot().items() if not path.startswith("ice")} == before


def claimed(case, child, act=lambda table: None):
    """An Iceberg table that has a child's file in an older snapshot; the plan's names and what lies in the lake."""
    (file,) = case.plan.table(child).identity.files
    table = HandMade(case.root / "ice", [column(1, "id", "long")], location="s3://gone/lake/ice")
    entry = table.data(pa.table({"id": [1]}))
    entry["data_file"]["file_path"] = f"s3://gone/lake/{file.path}"
    table.commit(entry)
    table.commit(table.data(pa.table({"id": [1]})), drop=True)
    act(table)


def two_of_a_version(table):
    """No snapshot is known to be the newest."""
    folder = table.folder / "metadata"
    (folder / "version-hint.text").unlink()
    for name in "ab":
        shutil.copy(folder / "v2.metadata.json", folder / f"00009-{name}.metadata.json")


def no_manifests(table):
    for path in (table.folder / "metadata").glob("*.avro"):
        path.write_bytes(b"Obj")


def nothing_readable(table):
    """No manifest, and no data in the table's folder."""
    no_manifests(table)
    shutil.rmtree(table.folder / "data")


@pytest.mark.parametrize("act", [lambda table: None, two_of_a_version])
def test_files_of_older_snapshots_and_of_refused_tables_stay(case, act):
    claimed(case, "part", act)
    before = case.snapshot()
    with pytest.raises(PlanError, match="another system keeps") as caught:
        applied(case, None, ["part"])
    assert "in ice, kept by Iceberg" in caught.value.value and case.snapshot() == before
    done = applied(case)
    assert {receipt.table.name for receipt in done.receipts} == set(CHILDREN) - {"part"}


def test_a_file_that_would_move_with_its_folder_stays(case):
    claimed(case, "part")
    table = HandMade(case.root / "two", [column(1, "id", "long")], location="s3://gone/lake/two")
    entry = table.data(pa.table({"id": [1]}))
    entry["data_file"]["file_path"] = "s3://gone/lake/days/_SUCCESS"
    table.commit(entry)
    with pytest.raises(PlanError, match="another system keeps") as caught:
        applied(case, None, ["days"])
    assert "days/_SUCCESS in its folder is a file of two" in caught.value.value


def test_purge_refuses_what_an_older_snapshot_names(case):
    applied(case)
    claimed(case, "part")
    with pytest.raises(PlanError, match="nothing was deleted"):
        purged(case, ["part"])
    assert restored(case, ["part"]).moved == ("part",)


def test_what_may_be_a_part_of_a_damaged_table_stays_until_that_is_left_out(case):
    claimed(case, "part", nothing_readable)
    with pytest.raises(PlanError, match="metadata cannot be read; nothing was done") as caught:
        applied(case, None, ["part"])
    assert caught.value.value.startswith("part: ice: none of its manifests") and "exclude" in caught.value.hint
    # text is no file of Iceberg
    assert {receipt.table.name for receipt in applied(case).receipts} == {"sub/text"}
    plan = make_plan(LakeConfig(root=str(case.root), exclude=("ice/**",)), ("part",))
    assert [receipt.table.name for receipt in applied(case, plan).receipts] == ["part"]


def test_purge_refuses_what_may_be_a_part_of_a_damaged_table(case):
    applied(case)
    claimed(case, "part", no_manifests)
    with pytest.raises(PlanError, match="metadata cannot be read; nothing was deleted"):
        purged(case, ["delta"])
    assert purged(case, ["sub/text"]).tables == ("sub/text",)


def test_a_damaged_table_with_its_data_stops_no_apply_but_every_purge(case):
    """What is set aside comes back, even where an older snapshot named it."""
    claimed(case, "part", no_manifests)
    before = case.snapshot()
    assert {receipt.table.name for receipt in applied(case).receipts} == set(CHILDREN)
    with pytest.raises(PlanError, match="metadata cannot be read; nothing was deleted"):
        purged(case, ["part"])
    restored(case)
    assert case.snapshot() == before


def test_a_parent_that_is_a_part_is_refused(case):
    (case.root / "metadata").mkdir()
    plan = make_plan(case.lake, ("days",), ("part",))
    (case.root / "metadata" / "v1.metadata.json").write_text("{}")
    with pytest.raises(PlanError, match="another system keeps") as caught:
        applied(case, plan)
    assert "in ., kept by Iceberg (metadata/v1.metadata.json)" in caught.value.value


def test_a_lake_inside_a_managed_table_is_refused(case):
    (case.root.parent / ".hoodie").mkdir()
    with pytest.raises(PlanError, match="inside a table of Hudi"):
        applied(case)
    assert case.snapshot() == case.before


def test_half_a_move_is_not_finished(case, monkeypatch):
    write = FileJournal._write

    def stop(self, event):
        if event.step == "set_aside_copied":
            raise KeyboardInterrupt
        write(self, event)

    monkeypatch.setattr(FileJournal, "_write", stop)
    plan = make_plan(case.lake, ("sub/text",))
    with pytest.raises(KeyboardInterrupt):
        applied(case, plan)
    monkeypatch.undo()
    sign(case.root, "sub/text")
    with pytest.raises(PlanError, match="another system keeps") as caught:
        applied(case, plan)
    assert caught.value.hint == f"lakebed restore sub/text --lake {case.root}"
    restored(case)
    (case.root / SIGNS["sub/text"][0]).unlink()
    (case.root / "sub" / "metadata").rmdir()
    assert case.snapshot() == case.before


@pytest.mark.parametrize("name", ["sub/text", "mixed"])
def test_purge_refuses_what_came_out_of_a_managed_table_and_restore_brings_it_back(case, name):
    applied(case)
    place = sign(case.root, name)
    _, folder, told = SIGNS[name]
    lying = case.snapshot()
    with pytest.raises(PlanError, match="another system keeps; nothing was deleted") as caught:
        purged(case, [name])
    assert caught.value.value.startswith(f"{name}: in {folder}, kept by ") and told in caught.value.value
    assert caught.value.hint == f"lakebed restore {name} --lake {case.root}"
    seen = preview_purge(Quarantine.look(str(case.root), case.config), None)
    assert set(seen.tables) == set(CHILDREN) - {name}
    assert [(table, "another system" in why) for table, why in seen.waiting] == [(name, True)]
    assert {path for path in lying if "lease" not in path} == {path for path in case.snapshot() if "lease" not in path}
    assert restored(case, [name]).moved == (name,)
    place.unlink()
    place.parent.rmdir()
    others = set(CHILDREN) - {name}
    assert set(purged(case).tables) == others
    assert set(restored(case).rebuilt) == others


def test_purge_refuses_a_folder_that_was_set_aside_with_its_sign(case):
    applied(case)
    quarantine = Quarantine.look(str(case.root), case.config)
    (state,) = [state for state in quarantine.live() if state.table == "days"]
    receipt = quarantine.receipt(state)
    properties = "days/.hoodie/hoodie.properties"
    quarantine.storage.write_bytes_atomic(receipt.kept_at(properties), b"1")
    facts = quarantine.storage.stat(receipt.kept_at(properties))
    digest = file_sha256(quarantine.storage, receipt.kept_at(properties))
    file = FileIdentity(path=properties, size=facts.size, mtime_ns=facts.mtime_ns, sha256=digest)
    older = receipt.model_copy(update={"files": (*receipt.files, file)})
    write_model(quarantine.storage, f"{receipt.folder}/{RECEIPT}", older)
    with pytest.raises(PlanError, match="another system keeps; nothing was deleted") as caught:
        purged(case, ["days"])
    assert caught.value.value == "days: in days, kept by Hudi (.hoodie/hoodie.properties)"
    assert restored(case, ["days"]).moved == ("days",)
    assert (case.root / properties).read_text() == "1"


def test_a_streaming_sink_moves_whole_and_comes_back_but_is_never_purged(tmp_path, case):
    shutil.rmtree(case.root / "mixed")
    write_sink(case.root / "mixed", child_rows("mixed"), child_rows("part"))
    before = case.snapshot()
    plan = make_plan(LakeConfig(root=str(case.root)), ("mixed",))
    assert [file.path for file in plan.table("mixed").identity.files] == ["mixed/part-00000-a.snappy.parquet"]
    (receipt,) = applied(case, plan).receipts
    assert receipt.layout == "whole" and len(receipt.files) == 3
    assert not (case.root / "mixed").exists()
    with pytest.raises(PlanError, match="another system keeps") as caught:
        purged(case, ["mixed"])
    assert "streaming sink" in caught.value.value
    restored(case)
    assert case.snapshot() == before


def test_a_managed_table_in_the_folder_of_a_plain_one_stays(case):
    (case.root / "mixed" / "ice" / ".hoodie").mkdir(parents=True)
    (case.root / "mixed" / "ice" / ".hoodie" / "hoodie.properties").write_text("x")
    (case.root / "mixed" / "notes.txt").unlink()
    plan = make_plan(LakeConfig(root=str(case.root)), ("mixed",))
    (receipt,) = applied(case, plan).receipts
    assert receipt.layout == "files"
    assert (case.root / "mixed" / "ice" / ".hoodie" / "hoodie.properties").exists()
    states = Quarantine.look(str(case.root), case.config).states.values()
    assert [state.phase for state in states] == [Phase.SET_ASIDE]


def test_a_sink_that_is_a_parent_may_get_more(case):
    write_sink(case.root / "stream", parent_rows(), child_rows("part"))
    plan = make_plan(LakeConfig(root=str(case.root)), ("part",), ("stream",))
    applied(case, plan)
    quarantine = Quarantine.look(str(case.root), case.config)
    assert Standing.of(quarantine).warnings == []
    write_sink(case.root / "stream", parent_rows(), child_rows("days"))
    (case.root / "stream" / "day=1").mkdir()
    late = case.root / "stream" / "day=1" / "part-1.parquet"
    late.write_bytes(b"1234")
    assert Standing.of(quarantine).warnings == []
    line = {"path": late.as_uri(), "size": 4, "action": "add"}
    (case.root / "stream" / "_spark_metadata" / "1").write_text(f"v1\n{json.dumps(line)}")
    assert Standing.of(quarantine).warnings == []

"""Iceberg tables in folders: set aside, read there, brought back, purged and rebuilt; what has to stay."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakebed
from lakebed.connectors.errors import PlanError
from lakebed.tasks.quarantine.kernel import Phase
from lakebed.tasks.quarantine.pins import Standing
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.receipt import pointer_path
from tests.iceberg_tables import HandMade, column, folder_table
from tests.tasks.quarantine.iceberg_lakes import ICE, IceCase, copied, iceberg_plan, outcome_of, seen, write_lake
from tests.tasks.quarantine.lakes import PARENT, parent_rows


@pytest.fixture
def case(tmp_path):
    return IceCase(write_lake(tmp_path / "lake"), tmp_path / "rows")


def test_it_moves_whole_is_read_there_and_comes_back_byte_for_byte(case):
    (receipt,) = case.apply().receipts
    assert receipt.layout == "whole" and not (case.root / ICE).exists()
    assert (case.root / pointer_path(ICE)).is_file()
    for path in (ICE, pointer_path(ICE)):
        found = lakebed.open_table(f"{case.root}/{path}")
        assert found.sort_by("id").to_pydict() == parent_rows().slice(0, 60).to_pydict()
    case.restore()
    assert case.snapshot() == case.before


def test_what_was_purged_comes_back_with_snapshots_branch_tag_and_properties(case):
    looked = seen(case.root / ICE)
    case.apply()
    case.purge()
    assert case.phases() == {ICE: Phase.PURGED} and not list((case.root / "_lakebed_quarantine").rglob("*-m0.avro"))
    assert lakebed.open_table(f"{case.root}/{ICE}").sort_by("id").to_pydict() == parent_rows().slice(0, 60).to_pydict()
    case.restore()
    assert seen(case.root / ICE) == looked and set(looked[1]) == {"main", "audit", "audit-tag"}
    assert case.snapshot().keys() == case.before.keys()
    # rebuilt once, it may go again
    case.plan = iceberg_plan(case.lake, case.rows_folder)
    case.apply()
    case.restore()
    assert seen(case.root / ICE) == looked


def test_a_commit_since_the_plan_keeps_the_table_at_its_place(case):
    metadata = case.root / ICE / "metadata"
    found = json.loads((metadata / "v3.metadata.json").read_text())
    (metadata / "v4.metadata.json").write_text(json.dumps({**found, "properties": {"owner": "you"}}))
    before = case.snapshot()
    with pytest.raises(PlanError, match="has changed since the plan") as caught:
        case.apply([ICE])
    assert "v4.metadata.json" in caught.value.value and case.snapshot() == before


def test_a_table_that_cannot_be_read_where_it_lies_comes_back(case, monkeypatch):
    from lakebed.connectors.lake.iceberg import live

    monkeypatch.setattr(live, "live_rows", lambda *given: {})
    with pytest.raises(PlanError, match="cannot be read where it was set aside; it is back at its place"):
        case.apply([ICE])
    assert case.snapshot() == case.before


def test_it_comes_back_to_its_own_place_alone(case):
    case.apply()
    with pytest.raises(PlanError, match="names its files by their whole paths"):
        case.restore("elsewhere/ice")
    case.restore()
    assert case.snapshot() == case.before


def test_a_copy_that_names_its_files_keeps_it(case):
    copied(case.root / ICE, case.root / "copy")
    before = case.snapshot()
    with pytest.raises(PlanError, match="another system keeps") as caught:
        case.apply([ICE])
    assert "is named by copy, a copy that is kept by Iceberg" in caught.value.value and case.snapshot() == before


def test_a_copy_that_is_set_aside_keeps_it_too(case):
    copied(case.root / ICE, case.root / "copy")
    case.plan, own = iceberg_plan(case.lake, case.rows_folder, "copy"), case.plan
    case.apply()
    assert case.phases() == {"copy": Phase.SET_ASIDE}
    case.plan = own
    with pytest.raises(PlanError, match="another system keeps") as caught:
        case.apply([ICE])
    assert "is named by copy" in caught.value.value
    case.restore()


def test_purge_deletes_no_file_that_another_table_names(case):
    case.apply()
    table = HandMade(case.root / "two", [column(1, "id", "long")])
    entry = table.data(pa.table({"id": [1]}))
    (file, *_) = case.plan.table(ICE).identity.files
    entry["data_file"]["file_path"] = f"{case.root}/{file.path}"
    table.commit(entry)
    with pytest.raises(PlanError, match="another system keeps; nothing was deleted") as caught:
        case.purge()
    assert "in two, kept by Iceberg" in caught.value.value
    case.restore()
    assert {path: facts for path, facts in case.snapshot().items() if not path.startswith("two")} == case.before


def test_an_append_to_an_iceberg_parent_leaves_plans_and_what_is_set_aside_valid(tmp_path):
    root = tmp_path / "lake"
    table = HandMade(root / PARENT, [column(1, "id", "long"), column(2, "name", "string"), column(3, "day", "long")])
    table.commit(table.data(parent_rows()))
    folder_table(root / ICE, parent_rows().slice(0, 30), parent_rows().slice(30, 30))
    case = IceCase(root, tmp_path / "rows")
    table.commit(table.data(parent_rows()))
    case.apply([ICE])
    table.commit(table.data(parent_rows()))
    assert Standing.of(Quarantine.look(str(root), case.config)).warnings == []
    case.purge()
    case.restore()
    assert seen(root / ICE)[0]


def refusal(case):
    outcome = outcome_of(case.lake, case.rows_folder)
    assert outcome.recipe is None and outcome.refusal is not None
    return outcome.refusal.reason


def test_history_that_would_not_come_back_keeps_it(case):
    shutil.rmtree(case.root / ICE)
    table = HandMade(case.root / ICE, [column(1, "id", "long"), column(2, "name", "string")])
    rows = parent_rows().select(["id", "name"])
    table.commit(table.data(rows.slice(0, 10)))
    first = json.loads((case.root / ICE / "metadata" / "v1.metadata.json").read_text())["snapshots"]
    data = table.data(rows.slice(20, 10))
    table.commit(data, drop=True)
    newest = case.root / ICE / "metadata" / "v2.metadata.json"
    found = json.loads(newest.read_text())
    newest.write_text(json.dumps({**found, "snapshots": [*first, *found["snapshots"]]}))
    assert "snapshot 1 has rows that the newest has not" in refusal(case)
    newest.write_text(json.dumps(found))
    # nobody names the first file any more
    assert "named by no snapshot" in refusal(case)
    table.commit(table.positions(data, [0]))
    assert "deletes" in refusal(case)


def test_format_version_3_and_foreign_files_keep_it(case):
    stray = case.root / ICE / "README.md"
    stray.write_text("mine")
    assert "README.md" in refusal(case)
    stray.unlink()
    metadata = case.root / ICE / "metadata" / "v3.metadata.json"
    found = json.loads(metadata.read_text())
    metadata.write_text(json.dumps({**found, "format-version": 3, "next-row-id": 60}))
    assert "format version 3" in refusal(case)


@pytest.mark.parametrize("is_partitioned", [False, True])
def test_rows_go_back_into_the_files_that_had_them(tmp_path, is_partitioned):
    """The files have their rows in another order than the parent."""
    root = tmp_path / "lake"
    root.mkdir()
    pq.write_table(parent_rows(), root / f"{PARENT}.parquet")
    parts = [parent_rows().slice(40, 60), parent_rows().slice(0, 40)]
    folder_table(root / ICE, *parts, partition_by="day" if is_partitioned else "", branch="audit")
    case = IceCase(root, tmp_path / "rows")
    looked = seen(root / ICE)
    case.apply()
    case.purge()
    case.restore()
    assert seen(root / ICE) == looked

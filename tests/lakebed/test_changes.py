"""What is other since an earlier run, in Python and on the command line, on lakes that change between runs."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakebed
from lakebed.changes import Changes
from lakebed.connectors.errors import ArtifactError
from tests.flows.lakes import orders, write_parquet_lake
from tests.flows.processes import lakebed as verb


def rows(n, first=0, **more):
    return pa.table({"id": pa.array(range(first, first + n), pa.int64()), "text": [f"t{i}" for i in range(n)], **more})


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A lake in three nights: as it began, with changes of every kind, and unchanged."""
    folder = tmp_path_factory.mktemp("changes")
    root = folder / "lake"
    write_parquet_lake(root)
    pq.write_table(rows(50), root / "going.parquet")
    pq.write_table(rows(60, 1_000), root / "typed.parquet")
    (root / "parts").mkdir()
    for part in range(2):
        pq.write_table(rows(30, 5_000 + 30 * part), root / "parts" / f"part-{part}.parquet")
    lake = lakebed.open(root, artifacts=folder / "artifacts", progress=False)
    first = lake.run(to="keys")
    (root / "going.parquet").unlink()
    pq.write_table(rows(40, 9_000), root / "coming.parquet")
    pq.write_table(rows(60, 1_000, extra=[1.5] * 60), root / "typed.parquet")
    pq.write_table(rows(20, 6_000), root / "parts" / "part-2.parquet")
    pq.write_table(orders(400).slice(250, 100), root / "orders_part.parquet")
    return folder, lake, first, lake.run(to="keys"), lake.run(to="keys")


def test_tables_that_are_new_gone_and_changed_are_told_with_what_is_other(runs):
    _, lake, first, second, _ = runs
    found = lake.changes(first.record.run_id, second.record.run_id)
    told = {(row.name, row.how): row.why for row in found.of("table")}
    assert told == {
        ("coming", "new"): "40 rows",
        ("going", "gone"): "",
        ("orders_part", "changed"): "1 file rewritten",
        ("parts", "changed"): "1 file new, +20 rows",
        ("typed", "changed"): "columns extra new, 1 file rewritten",
    }
    assert found.text().startswith("tables: 1 new, 1 gone, 3 changed; containments: 1 gone")
    assert [row.name for row in found.of("containment")] == ["orders_part in orders"]
    assert (found.before, found.after) == (first.record.run_id, second.record.run_id)
    assert {(row.name, row.why) for row in found.of("decision")} == {
        ("orders_part", "is kept, and might have gone before")
    }
    assert second.changes().to_arrow().equals(found.to_arrow())


def test_each_stage_says_why_it_was_made_anew(runs):
    _, lake, first, second, third = runs
    stages = {stage.stage: stage for stage in lake.changes(first.record.run_id, second.record.run_id).stages}
    assert stages["inventory"].why == "the lake's files are other" and not stages["inventory"].is_same
    assert stages["containment"].why == "inventory is other" and "reused" in stages["containment"].taken_over
    assert stages["retention"].why.startswith("inventory, containment")
    unchanged = third.changes()
    assert not unchanged and unchanged.text() == ""
    assert all(stage.reused and stage.is_same and not stage.why for stage in unchanged.stages)


def test_the_command_line_says_the_same(runs):
    folder, lake, first, second, _ = runs
    options = ("--artifacts", str(folder / "artifacts"))
    answer = verb("changes", first.record.run_id, second.record.run_id, *options, "--json", folder=folder)
    assert answer.status == 0, answer.err
    expected = lake.changes(first.record.run_id, second.record.run_id)
    assert answer.json == json.loads(json.dumps(expected.as_dict()))
    text = verb("changes", first.record.run_id[:15], second.record.run_id, *options, folder=folder).out
    assert "1 file new, +20 rows" in text and "inventory is other" in text
    assert "nothing is other" in verb("changes", *options, folder=folder).out
    page = (folder / "artifacts" / "runs" / second.record.run_id / "report.html").read_text()
    assert f"Since run {first.record.run_id}: {expected.text()}." in page


def test_settings_and_full_runs_are_reasons_too(tmp_path):
    write_parquet_lake(tmp_path / "lake")
    lake = lakebed.open(tmp_path / "lake", artifacts=tmp_path / "artifacts", progress=False)
    lake.run(to="containment")
    full = lake.run(to="containment", full=True).changes()
    assert {stage.why for stage in full.stages} == {"asked for with --full"}
    assert not full and all(stage.is_same and not stage.reused for stage in full.stages)
    shutil.rmtree(tmp_path / "artifacts" / "containment")
    again = {stage.stage: stage.why for stage in lake.run(to="containment").changes().stages}
    assert again == {"inventory": "", "containment": "its artifact was gone or not whole"}
    other = lakebed.open(
        tmp_path / "lake", artifacts=tmp_path / "artifacts", progress=False, containment={"semantics": "bag"}
    )
    why = {stage.stage: stage.why for stage in other.run(to="containment").changes().stages}
    assert why == {"inventory": "", "containment": "settings are other"}


def test_a_first_run_has_nothing_before_it(tmp_path):
    write_parquet_lake(tmp_path / "lake")
    lake = lakebed.open(tmp_path / "lake", artifacts=tmp_path / "artifacts", progress=False)
    with pytest.raises(ArtifactError, match="no run on this artifact root"):
        lake.changes()
    run = lake.run(to="inventory")
    with pytest.raises(ArtifactError, match="no earlier run to compare with"):
        run.changes()
    with pytest.raises(ArtifactError, match="no such run"):
        lake.changes("nowhere")


def test_nothing_changed_is_an_empty_result():
    found = Changes(("a", "b"), (), ())
    assert not found and found.text() == "" and found.as_dict()["changes"] == []

import json

import pytest

from lakebed.connectors.errors import PlanError
from lakebed.tasks.retention.plan import read_plan, require_lake, write_plan
from tests.tasks.retention.plans import plan_of, write_lake


@pytest.fixture
def written(tmp_path):
    write_lake(tmp_path / "lake")
    plan = plan_of(tmp_path / "lake")
    write_plan(plan, tmp_path / "plan.json")
    return plan, tmp_path / "plan.json"


def test_a_plan_survives_the_file(written):
    plan, path = written
    assert read_plan(path) == plan
    assert [table.name for table in plan.deleted] == ["some"]
    assert plan.table("all").decision == "keep"
    with pytest.raises(PlanError, match="no such table"):
        plan.table("nowhere")


def test_time_is_no_part_of_the_id(written):
    plan, _ = written
    assert plan.sealed("another day").plan_id == plan.plan_id


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda values: values["tables"][2].update(decision="keep"), "changed after it was made"),
        (lambda values: values["tables"][2]["identity"]["files"][0].update(size=1), "changed after it was made"),
        (lambda values: values["lake"].update(root="/elsewhere"), "changed after it was made"),
        (lambda values: values.update(plan_id=""), "changed after it was made"),
        (lambda values: values.update(version=2), "another version"),
        (lambda values: values.pop("tables") and values.update(tables=7), "not whole"),
        (lambda values: values.update(more=1), "not whole"),
    ],
)
def test_an_edited_plan_is_refused(written, edit, message):
    _, path = written
    values = json.loads(path.read_text())
    edit(values)
    path.write_text(json.dumps(values))
    with pytest.raises(PlanError, match=message) as refused:
        read_plan(path)
    assert refused.value.exit_code == 4
    assert "lakebed plan" in refused.value.hint


@pytest.mark.parametrize("text", ["", "no json", "[]", "null"])
def test_what_is_no_plan_is_refused(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(PlanError, match="cannot be read"):
        read_plan(tmp_path / "plan.json")


def test_a_missing_plan_is_refused(tmp_path):
    with pytest.raises(PlanError, match="no such plan"):
        read_plan(tmp_path / "plan.json")


@pytest.mark.parametrize(
    "change", [{"parents": ()}, {"parents": ("some",)}, {"parents": ("gone",)}, {"recipe": None}, {"original_hash": ""}]
)
def test_a_sealed_plan_that_deletes_without_a_way_back_is_refused(written, change):
    plan, path = written
    tables = (*plan.tables[:2], plan.tables[2].model_copy(update=change))
    write_plan(plan.model_copy(update={"tables": tables}).sealed(), path)
    with pytest.raises(PlanError, match="without a recipe"):
        read_plan(path)


def test_a_plan_for_another_lake_is_refused(written, tmp_path):
    plan, _ = written
    require_lake(plan, str(tmp_path / "lake"))
    with pytest.raises(PlanError, match="another lake"):
        require_lake(plan, str(tmp_path))


def test_a_folder_is_no_place_for_a_plan_and_nothing_is_left(written, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(PlanError, match="cannot be written"):
        write_plan(written[0], tmp_path / "folder")
    assert not list(tmp_path.glob("*.part"))


def test_a_plan_that_cannot_be_written_says_so(written, tmp_path):
    with pytest.raises(PlanError, match="cannot be written"):
        write_plan(written[0], tmp_path / "no folder" / "plan.json")


def test_a_group_of_copies_that_goes_as_a_whole_keeps_none():
    from lakebed.tasks.retention.plan import EqualCopies

    group = EqualCopies(keeper="a", tables=("a", "b"), deleted=("b",), signal="name", because="b ranks lower")
    assert (group.stays, group.told) == ("a", "b ranks lower")
    gone = group.model_copy(update={"deleted": ("a", "b")})
    assert gone.stays == "none" and "a table that holds more" in gone.told

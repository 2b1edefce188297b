"""Plans and receipts that somebody wrote to move, delete or write what is not the lake's."""

import json

import pytest

from lakebed.connectors.errors import ArtifactError, LakeError, PlanError
from lakebed.connectors.storage import Storage
from lakebed.tasks.quarantine.apply import apply_plan
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.purge import purge
from lakebed.tasks.quarantine.receipt import RECEIPT, read_receipt
from lakebed.tasks.quarantine.recipes import recipe_of
from lakebed.tasks.quarantine.restore import restore
from lakebed.tasks.retention.plan import Plan, read_plan
from tests.tasks.quarantine.lakes import SliceRebuilder, snapshot

OUTSIDE = ("../secret.parquet", "/etc/passwd", "part/../../secret.parquet", "..", "part\0")


@pytest.fixture
def outside(case):
    """A file beside the lake that a plan may want."""
    path = case.root.parent / "secret.parquet"
    path.write_bytes((case.root / "part.parquet").read_bytes())
    return path


def written(case, tmp_path, change):
    """The plan with one change, sealed anew by whoever made it, as a file."""
    facts = case.plan.model_dump(mode="json")
    change(facts["tables"])
    from lakebed.tasks.runtime.keys import canonical_json, sha256_of_parts

    unsealed = {"plan_id", "created_at", "skip", *(name for name in ("copies", "ranking") if not facts[name])}
    content = {name: value for name, value in facts.items() if name not in unsealed}
    facts["plan_id"] = sha256_of_parts([b"lakebed plan", canonical_json(content).encode()])
    path = tmp_path / "hostile.json"
    path.write_text(json.dumps(facts))
    return path


def deleted(tables, name="part"):
    return next(table for table in tables if table["name"] == name)


CHANGES = {
    "name": lambda path: lambda tables: deleted(tables).update(name=path),
    "path": lambda path: lambda tables: deleted(tables)["identity"].update(path=path),
    "name of the identity": lambda path: lambda tables: deleted(tables)["identity"].update(name=path),
    "file": lambda path: lambda tables: deleted(tables)["identity"]["files"][0].update(path=path),
    "file of the parent": lambda path: lambda tables: deleted(tables, "all")["identity"]["files"][0].update(path=path),
    "log file": lambda path: lambda tables: deleted(tables, "delta")["identity"]["log_files"][0].update(path=path),
}


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_plan_that_leads_out_of_the_lake_is_no_plan(case, outside, tmp_path, change, path):
    with pytest.raises(PlanError, match="not whole"):
        read_plan(written(case, tmp_path, change(path)))


def test_an_honest_plan_is_read_from_the_same_file(case, tmp_path):
    assert isinstance(read_plan(written(case, tmp_path, lambda tables: None)), Plan)


@pytest.mark.parametrize("path", ["secret.parquet", "../secret.parquet"])
def test_a_plan_of_what_the_lake_does_not_list_moves_nothing(case, outside, path):
    """Past the check of the file, by a caller that makes the plan itself."""
    table = next(table for table in case.plan.deleted if table.name == "part")
    identity = table.identity.model_copy(update={"path": path})
    moved = table.model_copy(update={"identity": identity})
    tables = tuple(moved if one.name == "part" else one for one in case.plan.tables)
    plan = case.plan.model_copy(update={"tables": tables}).sealed("")
    before = outside.read_bytes()
    with Quarantine.hold(str(case.root), case.config, "apply") as quarantine, pytest.raises(LakeError):
        apply_plan(quarantine, plan, SliceRebuilder(), ["part"])
    assert outside.read_bytes() == before
    assert case.snapshot() == case.before
    with Quarantine.hold(str(case.root), case.config, "apply") as quarantine:
        assert [name for name, _ in apply_plan(quarantine, plan, SliceRebuilder()).left] == ["part"]
    assert outside.read_bytes() == before and (case.root / "part.parquet").exists()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("child", "path"), "../secret.parquet"),
        (("child", "name"), "../../secret"),
        (("child", "files", 0, "path"), "../secret.parquet"),
        (("parts", 0, "parent", "path"), "/etc"),
        (("parts", 0, "parent", "files", 0, "path"), "../../etc/passwd"),
    ],
)
def test_a_recipe_that_leads_out_of_the_lake_is_no_recipe(real, place, value):
    table = real.plan.deleted[0]
    recipe = json.loads(json.dumps(table.recipe))
    inner = recipe
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    with pytest.raises(PlanError, match="recipe is not whole"):
        recipe_of(table.model_copy(update={"recipe": recipe}))


def files_of(case):
    """All files of lake and quarantine but the lease, which names its last holder."""
    found = snapshot(Storage.at(str(case.root)))
    return {path: facts for path, facts in found.items() if not path.endswith("lease.json")}


RECEIPTS = {
    "entry": lambda facts: facts.update(entry="../../.."),
    "file": lambda facts: facts["files"][0].update(path="../../../../secret.parquet"),
    "absolute file": lambda facts: facts["files"][0].update(path="/etc/passwd"),
    "name": lambda facts: facts["table"].update(name="../secret"),
    "parent": lambda facts: facts["parents"][0].update(path="../.."),
}


@pytest.mark.parametrize("change", RECEIPTS.values(), ids=RECEIPTS)
@pytest.mark.parametrize("verb", [restore, purge], ids=["restore", "purge"])
def test_a_receipt_that_leads_out_of_the_quarantine_is_refused(case, outside, change, verb):
    with Quarantine.hold(str(case.root), case.config, "apply") as quarantine:
        apply_plan(quarantine, case.plan, SliceRebuilder())
        state = next(state for state in quarantine.live() if state.table == "part")
        path = quarantine.storage.uri("entries", state.entry, RECEIPT)
    with open(path) as stream:
        facts = json.load(stream)
    change(facts)
    with open(path, "w") as stream:
        json.dump(facts, stream)
    before = outside.read_bytes(), files_of(case)
    with pytest.raises(ArtifactError, match="not whole"):
        read_receipt(Storage.at(str(case.root)), path.removeprefix(f"{case.root}/"))
    with (
        pytest.raises(LakeError),
        Quarantine.hold(str(case.root), case.config, "restore") as quarantine,
    ):
        verb(quarantine, ["part"], SliceRebuilder())
    assert (outside.read_bytes(), files_of(case)) == before

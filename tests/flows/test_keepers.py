"""The right table stays, from end to end: each kind of labelled lake through the command line."""

import json

import pytest

from lakebed.data_samples.keeper_lakes import KINDS, keeper_lake
from lakebed.tasks.retention.plan import Plan
from tests.flows.processes import lakebed as call

pytestmark = [pytest.mark.flow, pytest.mark.heavy]

ALLOW = {"LAKEBED_RETENTION__ALLOW_LESSER_KEEPER": "true"}


def planned(folder, lake, **variables):
    """Writes the lake, runs to retention and plans; the plan as JSON."""
    lake.write(folder / "lake")
    zones = ", ".join(f'"{glob}"' for glob in lake.zones)
    (folder / "lakebed.toml").write_text(
        f'artifacts = "artifacts"\n[lake]\nroot = "lake"\n[retention]\nzones = [{zones}]\n'
    )
    ran = call("run", "--to", "retention", "--json", folder=folder, **variables)
    assert ran.status == 0, ran.err
    made = call("plan", "--json", folder=folder, **variables)
    assert made.status == 0, made.err
    return made.json


@pytest.mark.parametrize("seed", range(len(KINDS)), ids=KINDS)
def test_the_original_stays_and_every_copy_may_go(tmp_path, seed):
    lake = keeper_lake(seed)
    plan = planned(tmp_path, lake)
    gone = {table["name"]: table["parents"] for table in plan["tables"] if table["decision"] == "delete"}
    by_keeper = {group["keeper"]: group for group in plan["copies"]}
    for group in lake.groups:
        names = {one.name for one in group.tables}
        assert not names <= gone.keys()
        if not group.is_ambiguous:
            assert names & gone.keys() == names - {group.original.name}
            assert set(by_keeper[group.original.name]["deleted"]) == names - {group.original.name}
            assert by_keeper[group.original.name]["because"]
    for part in lake.parts:
        assert (part.table.name in gone) == (not part.is_private)
        if part.is_private:
            why = next(table for table in plan["tables"] if table["name"] == part.table.name)
            assert why["reason"] == "lesser_keeper"
            assert f"{part.parent.name}: it ranks lower by its name" in why["why"]
    group = next(one for one in plan["copies"] if one["deleted"])
    text = call("plan", "--out", "again.json", folder=tmp_path).out
    assert f"{len(plan['copies'])} groups of equal copies" in text and "kept because" in text
    told = call("explain", group["deleted"][0], folder=tmp_path).out
    assert f"equal copies; {group['keeper']} is kept because {group['because']}" in told and "rank: " in told
    dry = call("apply", "plan.json", "--dry-run", "--json", folder=tmp_path)
    assert dry.status == 0, dry.err
    assert {one["table"] for one in dry.json["tables"]} == gone.keys()


def test_a_plan_of_an_older_version_is_refused_by_apply_and_the_setting_allows_it(tmp_path):
    """As 274a0e1 would have made it: by cost alone, and without a word on ranks."""
    lake = keeper_lake(KINDS.index("backups"))
    planned(tmp_path, lake, **ALLOW)
    values = json.loads((tmp_path / "plan.json").read_text())
    names = {part.table.name: part.parent.name for part in lake.parts if part.is_private}
    assert names.keys() <= {table["name"] for table in values["tables"] if table["decision"] == "delete"}
    older = Plan.model_validate({name: value for name, value in values.items() if name not in ("ranking", "copies")})
    content = older.sealed().model_dump(mode="json", exclude={"ranking", "copies"})
    (tmp_path / "old.json").write_text(json.dumps(content))

    refused = call("apply", "old.json", "--yes", folder=tmp_path)
    assert refused.status == 4
    assert "ranks lower by its name" in refused.err
    assert "retention.allow_lesser_keeper" in refused.err
    assert not (tmp_path / "lake" / "_lakebed_quarantine").exists()
    for file in ("old.json", "plan.json"):
        variables = ALLOW if file == "old.json" else {}
        allowed = call("apply", file, "--dry-run", "--json", folder=tmp_path, **variables)
        assert allowed.status == 0, allowed.err

import json

import pyarrow as pa
import pytest

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.relations.config import RelationsConfig
from lakebed.tasks.relations.contract import CONTRACTS
from lakebed.tasks.relations.stage import RELATIONS
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.planning import PlanSource, make_plan
from lakebed.tasks.retention.recipes.model import Recipe
from lakebed.tasks.runtime.definition import Inputs
from lakebed.tasks.runtime.stage import StageMetrics
from tests.tasks.retention.lakes import BASE, by_name, contained_lake, decide_here

# `whole` lies in no single table and holds none, but lies in three together; `named` is `days/1` under other names
TABLES = {
    "days/1": BASE.slice(0, 150),
    "days/2": BASE.slice(150, 150),
    "days/3": BASE.slice(300, 100),
    "whole": pa.concat_tables([BASE.slice(20, 120), BASE.slice(160, 130), BASE.slice(310, 80)]),
    "named": BASE.slice(10, 130).rename_columns(["number", "town", "cost"]),
}
NAMES = sorted(TABLES)
TOKENS = {name: json.dumps([name]) for name in (*BASE.column_names, "number", "town", "cost")}


def relation(kind, child, parents, columns, **changes):
    ids = [NAMES.index(name) for name in parents]
    row = {
        "kind": kind, "child": child, "child_id": NAMES.index(child), "child_part": "", "parents": list(parents),
        "parent_ids": ids, "column_map": json.dumps({TOKENS[mine]: TOKENS[other] for mine, other in columns.items()}),
        "semantics": "set", "n_child_rows": 1, "n_child_distinct": 1, "n_parents": len(ids), "chance": 0.0,
        "coincidental": False, "coincidental_reason": None, "chance_parts": "{}", "child_bytes": 1,
        "certificate": json.dumps({"of": child}),
    }  # fmt: skip
    return row | changes


SAME = {name: name for name in BASE.column_names}
DAYS = ("days/1", "days/2", "days/3")
UNION = relation("union", "whole", DAYS, SAME)
RENAMED = relation("renamed", "named", ("days/1",), {"number": "id", "town": "city", "cost": "price"})


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return contained_lake(tmp_path_factory.mktemp("wider"), TABLES)


def related(lake, *rows):
    """The lake with a relations artifact of these rows."""
    workspace, inventory, containment = lake
    # the limits only make a key of its own for every set of rows
    seed = RelationsConfig()
    stage = RELATIONS.open(Inputs.of(workspace, inventory, containment, seed, ContainmentConfig()))
    numbered = [{"relation_id": place, **row} for place, row in enumerate(rows)]
    tables = {name: contract.table(numbered if name == "proven" else []) for name, contract in CONTRACTS.items()}
    return (*lake, stage.publish(tables, {}, StageMetrics()))


def decisions(lake, *rows, **config):
    return decide_here(related(lake, *rows), RetentionConfig.model_validate(config))


def test_a_union_of_kept_tables_gives_a_table_back(lake):
    store, ref = decisions(lake, UNION)
    rows = by_name(store, ref)
    assert rows["whole"]["decision"] == "delete"
    assert rows["whole"]["parents"] == list(DAYS)
    assert all(rows[name]["reason"] == "parent" and rows[name]["needed_by"] == ["whole"] for name in DAYS)
    rebuild = by_name(store, ref, "rebuilds")["whole"]
    assert (rebuild["source"], rebuild["shape"]) == ("relations", "union")
    assert Recipe.model_validate_json(rebuild["recipe"]).digest.n_rows == 330
    summary = store.manifest(ref).summary
    assert summary["deletable_over_several_parents"] == 1
    assert summary["retention_cost"] == pytest.approx(summary["keep_all_cost"] - rows["whole"]["saving"])


def test_renamed_columns_give_a_table_back(lake):
    rows = by_name(*decisions(lake, RENAMED))
    assert rows["named"]["decision"] == "delete"
    assert rows["named"]["parents"] == ["days/1"]


def test_a_plan_names_all_parents_and_the_proof(lake):
    wider = related(lake, UNION, RENAMED)
    store, ref = decide_here(wider)
    refs = dict(zip(("inventory", "containment", "relations"), wider[1:], strict=True)) | {"retention": ref}
    plan = make_plan(PlanSource(store, refs, wider[0].lake, RetentionConfig()))
    table = plan.table("whole")
    assert table.parents == DAYS
    assert [one.artifact.stage for one in table.evidence] == ["relations"] * 3
    assert all(file.sha256 for name in (*DAYS, "whole", "named") for file in plan.table(name).identity.files)


@pytest.mark.parametrize(
    ("change", "config"),
    [
        ({"coincidental": True, "coincidental_reason": "chance"}, {}),
        ({"child_part": "city=x"}, {}),
        ({"kind": "partition"}, {}),
        ({}, {"pins": {"veto": ["whole"]}}),
        ({}, {"attributes": {"days/2": {"owner": "x"}}}),
        ({}, {"max_rebuild_s_of": {"whole": 1.0}}),
        ({}, {"accesses": {"default_per_month": 1e6}}),
    ],
)
def test_what_policy_price_or_proof_forbid_is_kept(lake, change, config):
    assert by_name(*decisions(lake, UNION | change, **config))["whole"]["decision"] == "keep"


def test_a_relation_that_the_rows_do_not_bear_out_is_dropped(lake):
    false = relation("union", "whole", DAYS[:2], SAME)
    rows = by_name(*decisions(lake, false))
    assert rows["whole"]["decision"] == "keep"


def test_no_table_goes_that_another_rebuild_needs(lake):
    """`days/1` could come back from `whole`, but then `whole` must stay."""
    back = relation("union", "days/1", ("whole", "named"), SAME)
    rows = by_name(*decisions(lake, UNION, back, RENAMED))
    gone = {name for name, row in rows.items() if row["decision"] == "delete"}
    assert gone == {"whole", "named"}
    for name in gone:
        assert not gone & set(rows[name]["parents"])


def test_no_table_goes_in_favour_of_a_parent_of_lower_rank(lake):
    """Of three parents one is enough; a renamed table of as many rows and columns is an equal copy."""
    zones = ["**", "days/2"]
    row = by_name(*decisions(lake, UNION, RENAMED, zones=zones))["whole"]
    assert (row["decision"], row["reason"]) == ("keep", "lesser_keeper")
    assert row["why"] == "days/2: it ranks lower by its zone: days/2, the other's is **"
    assert by_name(*decisions(lake, UNION, zones=zones, allow_lesser_keeper=True))["whole"]["decision"] == "delete"


def test_a_renamed_table_of_as_many_rows_and_columns_is_an_equal_copy_and_use_counts(lake, tmp_path):
    (tmp_path / "log.csv").write_text("table,n\nnamed,2\ndays/1,1\n")
    accesses = {"log": str(tmp_path / "log.csv"), "count_column": "n"}
    whole = contained_lake(tmp_path, TABLES | {"named": BASE.slice(0, 150).rename_columns(["number", "town", "cost"])})
    assert by_name(*decisions(lake, RENAMED, accesses=accesses))["named"]["decision"] == "delete"
    row = by_name(*decisions(whole, RENAMED, accesses=accesses))["named"]
    assert (row["decision"], row["reason"]) == ("keep", "lesser_keeper")
    assert "its use: " in row["why"]
    assert by_name(*decisions(whole, RENAMED))["named"]["decision"] == "delete"

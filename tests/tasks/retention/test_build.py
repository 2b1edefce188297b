import hashlib

import pytest

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.retention.build import Deadline, make_recipes, pair_refs
from lakebed.tasks.retention.config import RetentionConfig
from lakebed.tasks.retention.previous import Known
from lakebed.tasks.retention.problem import load_problem
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.model import Recipe
from lakebed.tasks.runtime.artifacts import ArtifactStore
from tests.tasks.retention.lakes import BASE, TABLES, by_name, contained_lake, decide_here, make_here


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return contained_lake(tmp_path_factory.mktemp("retention"))


@pytest.fixture(scope="module")
def decided(lake):
    return decide_here(lake)


def reasons(store, ref):
    return {name: row["reason"] for name, row in by_name(store, ref).items()}


def test_one_table_of_each_class_is_kept(decided):
    store, ref = decided
    assert reasons(store, ref) == {
        "alone": "not_contained",
        "archive/a_longer_path/orders": "rebuilt",
        "empty": "by_definition",
        "hr/ids": "rebuilt",
        "sales/cheap": "rebuilt",
        "sales/ids": "rebuilt",
        "sales/orders": "parent",
        "sales/orders_copy": "rebuilt",
    }
    assert set(by_name(store, ref)) == set(TABLES)


def test_parents_are_kept_and_named_on_both_sides(decided):
    store, ref = decided
    rows = by_name(store, ref)
    for name, row in rows.items():
        for parent in row["parents"]:
            assert rows[parent]["decision"] == "keep"
            assert name in rows[parent]["needed_by"]
        assert bool(row["parents"]) == (row["decision"] == "delete")


def test_costs_add_up(decided):
    store, ref = decided
    summary, rows = store.manifest(ref).summary, by_name(store, ref).values()
    keep = {row["name"]: row["storage_cost"] + row["maintenance_cost"] + row["read_cost"] for row in rows}
    assert summary["keep_all_cost"] == pytest.approx(sum(keep.values()))
    assert summary["saving_per_month"] == pytest.approx(sum(row["saving"] for row in rows))
    assert summary["retention_cost"] == pytest.approx(summary["keep_all_cost"] - summary["saving_per_month"])
    assert summary["retention_gap"] == 0.0
    assert summary["deletable_tables"] == 5
    assert sum(row["cost"] for row in store.read(ref, "solver").to_pylist()) == pytest.approx(summary["retention_cost"])


def test_every_deleted_table_has_its_recipe_certificate_and_texts(decided):
    store, ref = decided
    deleted = {name for name, row in by_name(store, ref).items() if row["decision"] == "delete"}
    rebuilds = by_name(store, ref, "rebuilds")
    assert set(rebuilds) == deleted
    containment = store.manifest(ref).inputs[1]
    certificates = {
        (row["child"], row["parent"]): hashlib.sha256(row["certificate"].encode()).hexdigest()
        for row in store.read(containment, "edges").to_pylist()
    }
    for name, row in rebuilds.items():
        recipe = Recipe.model_validate_json(row["recipe"])
        assert recipe.child.name == name
        assert recipe.digest.rows == row["original_hash"]
        assert certificates[name, row["parents"][0]] == row["certificate_sha256"]
        assert "SELECT" in row["sql"].upper()
        assert row["pyspark"]


def test_an_edge_whose_rebuild_differs_is_dropped_and_the_rest_solved_again(lake):
    refuse = {("sales/cheap", name) for name in ("sales/orders", "sales/orders_copy", "archive/a_longer_path/orders")}
    store, ref = decide_here(lake, RetentionConfig(solver_seconds=59.0, allow_lesser_keeper=True), refuse=refuse)
    row = by_name(store, ref)["sales/cheap"]
    assert (row["decision"], row["reason"]) == ("keep", "no_recipe")
    assert "the test says so" in row["why"]
    statuses = [row["status"] for row in store.read(ref, "options").to_pylist() if row["child"] == "sales/cheap"]
    assert statuses == ["refused"] * 3
    summary = store.manifest(ref).summary
    assert summary["recipes_refused"] == 3
    assert summary["recipe_rounds"] == 2
    assert reasons(store, ref)["sales/ids"] == "rebuilt"


@pytest.mark.parametrize(
    ("changes", "table", "reason"),
    [
        ({"pins": {"legal_hold": ["sales/c*"]}}, "sales/cheap", "legal_hold"),
        ({"pins": {"veto": ["hr"]}}, "hr/ids", "veto"),
        ({"pins": {"streaming": ["archive/**"]}}, "archive/a_longer_path/orders", "streaming"),
        ({"attributes": {"hr": {"owner": "people"}}}, "hr/ids", "attributes"),
        ({"max_rebuild_s_of": {"sales/ids": 4.9}}, "sales/ids", "latency"),
        ({"max_rebuild_s": 1.0}, "sales/cheap", "latency"),
        ({"accesses": {"default_per_month": 1e6}}, "sales/cheap", "cost"),
    ],
)
def test_policy_limits_and_prices_keep_tables_with_their_reason(lake, changes, table, reason):
    store, ref = decide_here(lake, RetentionConfig.model_validate(changes))
    row = by_name(store, ref)[table]
    assert (row["decision"], row["reason"]) == ("keep", reason)
    assert row["why"]


def test_other_attributes_are_allowed_where_the_config_says_so(lake):
    config = {"attributes": {"hr": {"owner": "people"}}, "allow_other_attributes": True}
    store, ref = decide_here(lake, RetentionConfig.model_validate(config))
    assert by_name(store, ref)["hr/ids"]["decision"] == "delete"


def test_a_pinned_copy_is_still_a_parent(lake):
    pins = {"pins": {"legal_hold": ["archive/**"]}}
    config = RetentionConfig.model_validate({**pins, "allow_lesser_keeper": True})
    rows = by_name(*decide_here(lake, config))
    assert rows["archive/a_longer_path/orders"]["reason"] == "legal_hold"
    assert rows["sales/orders"]["parents"] == ["archive/a_longer_path/orders"]
    rows = by_name(*decide_here(lake, RetentionConfig.model_validate(pins)))
    assert {name for name, row in rows.items() if row["decision"] == "keep"} >= {
        "archive/a_longer_path/orders",
        "sales/orders",
    }


def test_a_table_that_only_lesser_ones_hold_says_by_which_signal(tmp_path):
    tables = {"sales/orders": BASE.slice(0, 300), "bak/all": BASE, "landing/everything": BASE}
    lake = contained_lake(tmp_path, tables)
    store, ref = decide_here(lake, RetentionConfig(zones=("**", "landing")))
    row = by_name(store, ref)["sales/orders"]
    assert (row["decision"], row["reason"]) == ("keep", "lesser_keeper")
    assert row["why"] == 'bak/all: it ranks lower by its name: "bak"'
    statuses = {
        (one["child"], one["parent"]): (one["status"], one["reason"]) for one in store.read(ref, "options").to_pylist()
    }
    assert statuses["sales/orders", "landing/everything"] == (
        "lesser_keeper", "it ranks lower by its zone: landing, the other's is **",
    )  # fmt: skip
    assert (
        by_name(*decide_here(lake, RetentionConfig(allow_lesser_keeper=True)))["sales/orders"]["decision"] == "delete"
    )


def test_groups_of_equal_copies_say_which_stays_and_why(decided):
    store, ref = decided
    rows = {row["name"]: row for row in store.read(ref, "copies").to_pylist()}
    assert {name: (row["keeper"], row["decision"], row["signal"], row["why"]) for name, row in rows.items()} == {
        "archive/a_longer_path/orders": ("sales/orders", "delete", "name", 'ranks lower by its name: "archive"'),
        "sales/orders": (
            "sales/orders", "keep", "name",
            'sales/orders_copy ranks lower by its name: "copy"; '
            'archive/a_longer_path/orders ranks lower by its name: "archive"',
        ),
        "sales/orders_copy": ("sales/orders", "delete", "name", 'ranks lower by its name: "copy"'),
    }  # fmt: skip
    assert len({row["group"] for row in rows.values()}) == 1
    assert all(row["first_written_ns"] > 0 for row in rows.values())
    assert by_name(store, ref)["sales/orders_copy"]["rank"] == '1 accesses a month; in its path: "copy"; parquet'


def test_the_copy_that_is_read_more_is_kept(lake, tmp_path):
    (tmp_path / "log.csv").write_text("table,n\nsales/orders_copy,900\nsales/orders,3\n")
    accesses = {"log": str(tmp_path / "log.csv"), "count_column": "n"}
    rows = by_name(*decide_here(lake, RetentionConfig.model_validate({"accesses": accesses})))
    assert rows["sales/orders_copy"]["decision"] == "keep"
    assert rows["sales/orders"]["parents"] == ["sales/orders_copy"]


def test_byte_identical_copies_are_the_baseline(decided):
    store, ref = decided
    rows = by_name(store, ref, "baseline")
    assert {name: row["is_kept"] for name, row in rows.items()} == {
        "archive/a_longer_path/orders": False,
        "sales/orders": True,
        "sales/orders_copy": False,
    }
    summary = store.manifest(ref).summary
    assert summary["duplicate_tables"] == 2
    assert summary["duplicate_bytes"] < summary["deletable_bytes"]


def test_the_curve_ends_where_the_decision_is(decided):
    store, ref = decided
    points = store.read(ref, "savings_curve").to_pylist()
    assert points[0]["saving"] == 0.0
    savings = [point["saving"] for point in points]
    assert savings == sorted(savings)
    summary = store.manifest(ref).summary
    assert points[-1]["saving"] == pytest.approx(summary["saving_per_month"])
    assert points[-1]["n_deleted"] == summary["deletable_tables"]


def test_the_same_lake_and_config_give_the_same_digest(lake, decided, tmp_path):
    import shutil

    workspace, *refs = lake
    shutil.copytree(workspace.artifacts, tmp_path / "artifacts", ignore=shutil.ignore_patterns("retention"))
    again = workspace.model_copy(update={"artifacts": str(tmp_path / "artifacts")})
    assert decide_here((again, *refs))[1].digest == decided[1].digest


COSTS = {"seconds", "rebuild_s", "bytes_read", "rebuild_bytes_read"}


def test_the_workers_give_the_recipes_of_this_process(tmp_path):
    workspace, *refs = contained_lake(tmp_path)
    problem = load_problem(ArtifactStore(workspace.artifacts), tuple(refs), RetentionConfig())
    ends = zip(problem.edges.child.tolist(), problem.edges.parent.tolist(), problem.edges.status, strict=True)
    pairs = pair_refs(problem, [(child, parent) for child, parent, status in ends if not status])
    assert len(pairs) > 5
    context = RecipeContext.of(workspace, str(tmp_path / "rows"), ContainmentConfig())
    known = Known(context, {})
    there, here = make_recipes(workspace, known, Deadline(0.0), pairs), make_here(context, (), pairs)
    assert all(outcome.recipe for outcome in there) and len(known.new) == len(there)
    assert [one.model_dump(exclude=COSTS) for one in there] == [one.model_dump(exclude=COSTS) for one in here]

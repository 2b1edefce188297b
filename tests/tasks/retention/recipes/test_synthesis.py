"""What a recipe is found for, and what is refused with which reason."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.data_samples.layouts import CsvFile, DeltaTable, HivePartitions, JsonLines, ParquetParts
from lakebed.data_samples.truth import Truth
from lakebed.tasks.retention.recipes.config import RecipeConfig
from lakebed.tasks.retention.recipes.model import Equals, In, Outcome, Positions, Range, Recipe, Where
from lakebed.tasks.retention.recipes.rebuild import rebuild
from lakebed.tasks.retention.recipes.write import verify
from tests.tasks.retention.recipes.lakes import SmallLake

BASE = pa.table(
    {
        "id": pa.array(range(200), pa.int64()),
        "kind": pa.array([f"k{n % 5}" for n in range(200)]),
        "price": pa.array([n + 0.5 for n in range(200)]),
    }
)

A, KIND = '["a"]', '["kind"]'


def selector(outcome: Outcome) -> Where:
    assert outcome.recipe is not None, outcome.refusal
    found = outcome.recipe.parts[0].selector
    assert isinstance(found, Where)
    return found


# --- the sample lake ---------------------------------------------------------------------------------------------


def test_every_true_pair_of_the_sample_lake_has_a_recipe_or_a_named_reason(
    sample_outcomes: list[Outcome], sample_truth: Truth
) -> None:
    refused = {(one.child, one.parents[0]): one.refusal.code for one in sample_outcomes if one.refusal}
    # -0.0 against 0.0 is equal to containment, and not to a rebuild
    assert refused == {
        ("iot/readings", "iot/readings_positive_zero"): "differs_strictly",
        ("iot/readings_positive_zero", "iot/readings"): "differs_strictly",
        ("iot/readings_finite", "iot/readings_positive_zero"): "differs_strictly",
    }
    empty = {table.name for table in sample_truth.tables if table.is_vacuous}
    true = {(p.child, p.parent) for p in sample_truth.pairs if p.is_set_contained and p.child not in empty}
    assert {(one.child, one.parents[0]) for one in sample_outcomes} == true


def test_recipes_of_the_sample_lake_are_of_every_kind(sample_outcomes: list[Outcome]) -> None:
    recipes = [one.recipe for one in sample_outcomes if one.recipe]
    assert set(Counter(recipe.selector_shape for recipe in recipes)) == {
        "all", "partition", "range", "in", "conjunction", "positions",
    }  # fmt: skip
    assert {recipe.parts[0].multiplicity for recipe in recipes} == {"as_is", "distinct", "stored"}
    assert {recipe.order.state for recipe in recipes} == {"kept", "restored", "lost"}
    assert {recipe.child.format for recipe in recipes} == {"parquet", "delta", "csv", "json"}
    assert {recipe.parts[0].parent.format for recipe in recipes} == {"parquet", "delta", "csv", "json"}
    assert {recipe.parts[0].parent.read_via for recipe in recipes} == {"arrow", "spark", "text"}


def test_plain_one_file_children_keep_their_order(sample_outcomes: list[Outcome]) -> None:
    recipes = [one.recipe for one in sample_outcomes if one.recipe and one.recipe.child.is_one_file]
    lost = [recipe for recipe in recipes if recipe.order.state == "lost"]
    assert len(lost) < len(recipes) / 10
    assert all("bytes" in recipe.order.reason for recipe in lost)


def test_what_costs_are_known(sample_outcomes: list[Outcome]) -> None:
    for one in sample_outcomes:
        assert one.seconds > 0
        assert one.recipe is None or one.rebuild_bytes_read == one.recipe.parts[0].parent.n_bytes


# --- selectors ---------------------------------------------------------------------------------------------------


def test_a_projection_is_all_rows(small: SmallLake) -> None:
    assert selector(small.pair(BASE.select(["price", "id"]), BASE)).shape == "all"


def test_a_partition_is_named_by_its_value(small: SmallLake) -> None:
    small.put("parent", BASE, HivePartitions(("kind",)))
    small.put("child", BASE.filter(pa.compute.equal(BASE["kind"], "k3")).select(["id", "price"]))
    found = selector(small.solve("child", "parent"))
    assert found.shape == "partition"
    (term,) = found.terms
    assert isinstance(term, Equals) and term.value is not None and term.value.value == "k3"


def test_a_column_that_the_child_lacks_may_select(small: SmallLake) -> None:
    found = selector(small.pair(BASE.filter(pa.compute.equal(BASE["kind"], "k3")).select(["id", "price"]), BASE))
    (term,) = found.terms
    assert isinstance(term, In) and term.token == KIND


def test_a_range_has_both_ends(small: SmallLake) -> None:
    (term,) = selector(small.pair(BASE.slice(20, 100), BASE)).terms
    assert isinstance(term, Range) and term.low and term.high
    assert (term.low.value, term.high.value) == ("20", "119")


def test_not_null_is_a_range_without_ends(small: SmallLake) -> None:
    parent = pa.table({"a": pa.array([1, None, 5, 9]), "b": [1, 2, 3, 4]})
    (term,) = selector(small.pair(parent.filter(parent["a"].is_valid()), parent)).terms
    assert term == Range(token=A)


def test_nulls_are_selected_where_the_child_has_them(small: SmallLake) -> None:
    parent = pa.table({"a": pa.array([1, None, 5, 9, None]), "b": [1, 2, 3, 4, 7]})
    (term,) = selector(small.pair(parent.filter(parent["a"].is_null()), parent)).terms
    assert term == In(token=A, values=(), or_null=True)


def test_two_columns_together(small: SmallLake) -> None:
    mask = pa.compute.and_(pa.compute.less(BASE["id"], 100), pa.compute.equal(BASE["kind"], "k1"))
    found = selector(SmallLake.pair(small, BASE.filter(mask), BASE))
    assert (found.shape, len(found.terms)) == ("in", 1)  # 20 ids can be listed
    tight = SmallLake.at(small.root.parent, RecipeConfig(max_in_values=5))
    assert selector(tight.solve("child", "parent")).shape == "conjunction"


def test_row_numbers_where_nothing_else_fits(small: SmallLake) -> None:
    rows = np.random.default_rng(3).permutation(200)[:90]
    outcome = small.pair(BASE.take(pa.array(rows)), BASE)
    assert outcome.recipe is not None and isinstance(outcome.recipe.parts[0].selector, Positions)
    assert outcome.recipe.order.state == "kept"
    assert rebuild(small.context, outcome.recipe)["id"].to_pylist() == rows.tolist()


def test_row_numbers_that_cost_too_much_are_refused(tmp_path: Path) -> None:
    small = SmallLake.at(tmp_path, RecipeConfig(max_position_share=0.01, min_position_bytes=0))
    outcome = small.pair(BASE.take(pa.array(np.random.default_rng(3).permutation(200)[:90])), BASE)
    assert outcome.refusal is not None and outcome.refusal.code == "positions_too_large"
    assert "numbers take more than 1%" in outcome.refusal.reason


# --- set and bag -------------------------------------------------------------------------------------------------


def test_distinct_rows_of_a_parent_that_repeats_them(small: SmallLake) -> None:
    parent = pa.table({"a": [1, 2, 1, 3, 2], "b": [1, 2, 1, 3, 2]})
    outcome = small.pair(pa.table({"a": [1, 2, 3], "b": [1, 2, 3]}), parent)
    assert selector(outcome).shape == "all"
    assert outcome.recipe is not None and outcome.recipe.parts[0].multiplicity == "distinct"


def test_a_child_that_repeats_rows_has_its_counts_stored(small: SmallLake) -> None:
    child, parent = pa.table({"a": list(range(50)) * 3}), pa.table({"a": list(range(60))})
    outcome = small.pair(child, parent)
    assert outcome.recipe is not None and outcome.recipe.parts[0].multiplicity == "stored"
    assert rebuild(small.context, outcome.recipe).equals(child)


def test_some_of_equal_rows_are_taken_as_often_as_the_child_has_them(small: SmallLake) -> None:
    child, parent = pa.table({"a": [7] * 40 + [8] * 3}), pa.table({"a": [7] * 90 + [8] * 2 + [9]})
    outcome = small.pair(child, parent)
    assert outcome.recipe is not None and outcome.recipe.parts[0].multiplicity == "stored"
    assert rebuild(small.context, outcome.recipe).equals(child)


# --- order of rows -----------------------------------------------------------------------------------------------


def test_another_order_is_restored_by_a_permutation(small: SmallLake) -> None:
    child = BASE.sort_by([("price", "descending")])
    recipe = small.pair(child, BASE).recipe
    assert recipe is not None and recipe.order.state == "restored" and recipe.stored_bytes > 0
    assert rebuild(small.context, recipe).equals(child)


def test_order_is_lost_with_a_reason(tmp_path: Path) -> None:
    small = SmallLake.at(tmp_path, RecipeConfig(restores_order=False))
    recipe = small.pair(BASE.sort_by([("price", "descending")]), BASE).recipe
    assert recipe is not None and recipe.order.state == "lost" and "another order" in recipe.order.reason
    assert verify(small.context, recipe) is None


def test_rows_of_a_delta_table_have_no_order(small: SmallLake) -> None:
    recipe = small.pair(BASE.sort_by([("price", "descending")]), BASE, DeltaTable()).recipe
    assert recipe is not None and recipe.order.state == "lost"


# --- types and values --------------------------------------------------------------------------------------------

MICROS = [datetime(2024, 1, 1, 12, 30, 15, 123456, UTC), None, datetime(1969, 12, 31, 23, 59, 59, 999999, UTC)]


@pytest.mark.parametrize(
    ("child", "parent"),
    [
        (pa.array([1, None, 3], pa.int32()), pa.array([1, None, 3], pa.int64())),
        (pa.array([1, None, 3], pa.int64()), pa.array([1, None, 3], pa.int8())),
        (pa.array([1, 2, 2**53], pa.int64()), pa.array([1.0, 2.0, 2.0**53])),
        (pa.array([1.5, float("nan"), None], pa.float32()), pa.array([1.5, float("nan"), None])),
        (pa.array([1, 2, None], pa.int64()), pa.array([Decimal("1.00"), Decimal("2.00"), None])),
        (pa.array([Decimal("1.50"), None]), pa.array([1.5, None])),
        (pa.array([Decimal("1.5"), None], pa.decimal256(50, 1)), pa.array([Decimal("1.500"), None])),
        (pa.array(["a", None, ""], pa.large_string()), pa.array(["a", None, ""])),
        (pa.array([b"a", None], pa.large_binary()), pa.array([b"a", None])),
        (pa.array(MICROS, pa.timestamp("us", "UTC")), pa.array(MICROS, pa.timestamp("us", "Asia/Tokyo"))),
        (pa.array(MICROS, pa.timestamp("us", "UTC")), pa.array(MICROS, pa.timestamp("ns", "UTC"))),
        (pa.array(["a", "b", None]).dictionary_encode(), pa.array(["a", "b", None])),
        (pa.array([[1, None], None, []], pa.list_(pa.int64())), pa.array([[1, None], None, []], pa.list_(pa.int32()))),
        (pa.array([None, None], pa.int64()), pa.array([None, None], pa.string())),
        (pa.array([0.0, -0.0, 1.0]), pa.array([0.0, -0.0, 1.0])),
    ],
)
def test_equal_values_of_another_type_are_cast(small: SmallLake, child: pa.Array, parent: pa.Array) -> None:
    number = pa.array(range(len(child)), pa.int64())
    outcome = small.pair(pa.table({"n": number, "v": child}), pa.table({"n": number, "v": parent}))
    assert outcome.recipe is not None, outcome.refusal
    rebuilt = rebuild(small.context, outcome.recipe)
    assert rebuilt.schema.field("v").type == child.type
    original = pq.read_table(small.root / "child.parquet")
    assert rebuilt["v"].combine_chunks().to_pylist().__repr__() == original["v"].to_pylist().__repr__()


def test_the_sign_of_zero_counts(small: SmallLake) -> None:
    outcome = small.pair(pa.table({"v": [0.0, 1.0]}), pa.table({"v": [-0.0, 1.0]}))
    assert outcome.refusal is not None and outcome.refusal.code == "differs_strictly"
    assert "1 of the 2 rows" in outcome.refusal.reason


def test_the_row_with_the_right_zero_is_taken(small: SmallLake) -> None:
    child, parent = pa.table({"v": [0.0] * 30}), pa.table({"v": [-0.0, 0.0] * 30})
    recipe = small.pair(child, parent).recipe
    assert recipe is not None
    assert not np.signbit(rebuild(small.context, recipe)["v"].to_numpy()).any()


def test_nullability_is_kept(small: SmallLake) -> None:
    field = pa.field("id", pa.int64(), nullable=False)
    child = pa.table([BASE["id"]], schema=pa.schema([field]))
    recipe = small.pair(child, BASE).recipe
    assert recipe is not None
    assert not rebuild(small.context, recipe).schema.field("id").nullable
    assert not recipe.child.leaves[0].is_nullable


def test_nested_columns_are_put_together_again(small: SmallLake) -> None:
    kind = pa.struct([("b", pa.int64()), ("c", pa.struct([("d", pa.string())])), ("e", pa.int8())])
    values = [
        {"b": 1, "c": {"d": "x"}, "e": 1},
        None,
        {"b": None, "c": None, "e": 2},
        {"b": 4, "c": {"d": None}, "e": 3},
    ]
    parent = pa.table({"a": pa.array(values, kind), "n": [1, 2, 3, 4]})
    part = pa.struct([("c", pa.struct([("d", pa.string())])), ("b", pa.int64())])
    child = pa.table({"a": pa.array(values, part)})
    recipe = small.pair(child, parent).recipe
    assert recipe is not None
    assert rebuild(small.context, recipe).equals(child)


def test_a_null_struct_is_not_a_struct_of_nulls(small: SmallLake) -> None:
    kind = pa.struct([("b", pa.int64())])
    child = pa.table({"a": pa.array([None, {"b": 1}], kind)})
    outcome = small.pair(child, pa.table({"a": pa.array([{"b": None}, {"b": 1}], kind)}))
    assert outcome.refusal is not None and outcome.refusal.code == "differs_strictly"


def test_a_column_that_the_parent_lacks_is_named(small: SmallLake) -> None:
    outcome = small.pair(pa.table({"x": [1]}), pa.table({"y": [1]}))
    assert outcome.refusal is not None and outcome.refusal.code == "not_contained" and '["x"]' in outcome.refusal.reason


def test_renamed_columns_are_mapped(small: SmallLake) -> None:
    from lakebed.tasks.retention.recipes.synthesis import synthesise

    small.put("child", BASE.slice(0, 50).select(["id", "kind"]).rename_columns(["number", "sort"]))
    small.put("parent", BASE)
    maps = [{'["number"]': '["id"]', '["sort"]': '["kind"]'}]
    outcome = synthesise(small.context, small.ref("child"), [small.ref("parent")], maps)
    assert outcome.recipe is not None
    assert rebuild(small.context, outcome.recipe)["sort"].to_pylist() == BASE["kind"].to_pylist()[:50]


# --- layouts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layout",
    [ParquetParts(3), HivePartitions(("kind",)), DeltaTable(2), DeltaTable(partition_by=("kind",)), CsvFile(";"),
     CsvFile(ending=".csv.gz"), JsonLines(), JsonLines(".jsonl.gz", is_omitting_nulls=True)],
)  # fmt: skip
def test_children_of_every_layout(small: SmallLake, layout: object) -> None:
    outcome = small.pair(BASE.slice(30, 60), BASE, layout)  # type: ignore[arg-type]
    assert outcome.recipe is not None, outcome.refusal
    assert verify(small.context, outcome.recipe) is None


def test_files_with_different_columns_make_one_table(small: SmallLake) -> None:
    for number, table in enumerate((BASE.slice(0, 50).drop_columns(["price"]), BASE.slice(50, 50))):
        ParquetParts(1).write(small.root / f"x{number}", "t", table)
    folder = small.root / "child"
    folder.mkdir()
    for number in range(2):
        (small.root / f"x{number}" / "t" / "part-00000.snappy.parquet").rename(folder / f"part-{number}.parquet")
    prices = pa.array([None] * 50 + BASE["price"].to_pylist()[50:])
    small.put("parent", BASE.set_column(2, "price", pa.chunked_array([prices])))
    recipe = small.recipe("child", "parent")
    assert rebuild(small.context, recipe)["price"].null_count == 50


def test_an_empty_child_is_rebuilt_as_empty(small: SmallLake) -> None:
    outcome = small.pair(BASE.slice(0, 0), BASE)
    assert outcome.recipe is not None
    assert rebuild(small.context, outcome.recipe).num_rows == 0


# --- several parents ---------------------------------------------------------------------------------------------


def test_daily_tables_together_are_the_cumulative_one(small: SmallLake) -> None:
    small.put("all", BASE)
    for day in range(4):
        small.put(f"day{day}", BASE.slice(day * 50, 50))
    recipe = small.recipe("all", "day0", "day1", "day2", "day3")
    assert recipe.selector_shape == "union" and len(recipe.parts) == 4
    assert all(isinstance(part.selector, Where) and part.selector.shape == "all" for part in recipe.parts)
    assert recipe.order.state == "kept"
    assert rebuild(small.context, recipe).equals(BASE)


def test_overlapping_parents_count_once(small: SmallLake) -> None:
    small.put("all", BASE)
    small.put("first", BASE.slice(0, 120))
    small.put("second", BASE.slice(80))
    recipe = small.recipe("all", "first", "second")
    assert recipe.multiplicity == "distinct"
    assert rebuild(small.context, recipe).equals(BASE)


def test_parents_that_hold_more_than_the_child(small: SmallLake) -> None:
    small.put("child", BASE.slice(40, 100))
    small.put("first", BASE.slice(0, 100))
    small.put("second", BASE.slice(90))
    recipe = small.recipe("child", "first", "second")
    assert [part.selector.kind for part in recipe.parts] == ["where", "where"]
    assert rebuild(small.context, recipe).equals(BASE.slice(40, 100))


def test_parents_that_do_not_cover_the_child_are_refused(small: SmallLake) -> None:
    small.put("child", BASE)
    small.put("first", BASE.slice(0, 100))
    small.put("second", BASE.slice(120))
    outcome = small.solve("child", "first", "second")
    assert outcome.refusal is not None and outcome.refusal.code == "not_contained"
    assert "20 of the 200 rows" in outcome.refusal.reason


# --- what goes wrong ---------------------------------------------------------------------------------------------


def test_a_file_that_changed_since_the_inventory_is_refused(small: SmallLake) -> None:
    small.put("child", BASE.slice(0, 10))
    small.put("parent", BASE)
    from lakebed.tasks.retention.recipes.synthesis import synthesise

    child, parent = small.ref("child"), small.ref("parent")
    small.put("parent", BASE.slice(0, 150))
    outcome = synthesise(small.context, child, [parent])
    assert (
        outcome.refusal is not None and outcome.refusal.code == "changed" and "parent.parquet" in outcome.refusal.reason
    )


def test_a_damaged_file_is_refused(small: SmallLake) -> None:
    small.put("child", BASE.slice(0, 10))
    small.put("parent", BASE)
    from lakebed.tasks.retention.recipes.synthesis import synthesise

    child, parent = small.ref("child"), small.ref("parent")
    path = small.root / "parent.parquet"
    data = bytearray(path.read_bytes())
    data[40:80] = bytes(40)
    path.write_bytes(bytes(data))
    outcome = synthesise(small.context, child, [parent])
    assert outcome.recipe is None and outcome.refusal is not None and outcome.refusal.code == "unreadable"


def test_recipes_survive_json(sample_outcomes: list[Outcome]) -> None:
    for one in sample_outcomes:
        if one.recipe:
            assert Recipe.model_validate_json(one.recipe.model_dump_json()) == one.recipe

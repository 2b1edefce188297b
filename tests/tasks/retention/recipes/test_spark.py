"""The job gives what the plain functions give, and the texts for people give the child's rows when Spark runs them."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import SparkSession

from lakebed.connectors.lake.leaves import storage_type
from lakebed.connectors.spark.config import SparkConfig
from lakebed.data_samples.layouts import CsvFile, DeltaTable
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.digest import strict_digest
from lakebed.tasks.retention.recipes.emit import sql_statements, to_pyspark, to_sql, to_view
from lakebed.tasks.retention.recipes.jobs import synthesise_all
from lakebed.tasks.retention.recipes.model import Outcome, Recipe
from lakebed.tasks.retention.recipes.pairs import PairRefs
from lakebed.tasks.retention.recipes.shapes import schema_from_text
from lakebed.tasks.runtime.config import LocalConfig
from lakebed.tasks.scan.engine import Engine
from lakebed.tasks.scan.local import LocalEngine
from lakebed.tasks.scan.spark import SparkEngine
from tests.tasks.retention.recipes.lakes import KEY, SmallLake

pytestmark = pytest.mark.spark


def rows_digest(table: pa.Table, recipe: Recipe) -> str:
    """The strict multiset hash of what Spark gave, in the child's types."""
    schema = schema_from_text(recipe.child.schema_ipc)
    plain = pa.schema([pa.field(field.name, storage_type(field.type)) for field in schema])
    columns = [_moved(table.column(n), field.type) for n, field in enumerate(plain)]
    return strict_digest(pa.Table.from_arrays(columns, schema=plain), KEY).rows


def _moved(values: pa.ChunkedArray, type_: pa.DataType) -> pa.ChunkedArray:
    return values if values.type == type_ else pc.cast(values, type_)


def run_sql(session: SparkSession, context: RecipeContext, recipe: Recipe) -> pa.Table:
    *before, query = sql_statements(context, recipe)
    for statement in before:
        session.sql(statement)
    return session.sql(query).toArrow()


def run_pyspark(session: SparkSession, context: RecipeContext, recipe: Recipe) -> pa.Table:
    names: dict[str, object] = {"spark": session}
    exec(to_pyspark(context, recipe), names)  # noqa: S102 - the snippet is what is tested
    return names["rebuilt"].toArrow()  # type: ignore[attr-defined]


def chosen(outcomes: list[Outcome]) -> list[Recipe]:
    """A recipe of every kind: of selector, multiplicity, format of the parent."""
    recipes = {
        (
            recipe.selector_shape,
            recipe.parts[0].multiplicity,
            recipe.parts[0].parent.format,
        ): recipe
        for recipe in (one.recipe for one in outcomes)
        if recipe
    }
    return list(recipes.values())


@pytest.mark.parametrize("engine", [SparkEngine(SparkConfig()), LocalEngine(LocalConfig())], ids=["spark", "local"])
def test_an_engine_gives_what_the_plain_functions_give(
    engine: Engine, sample_context: RecipeContext, sample_pairs: list[PairRefs], sample_outcomes: list[Outcome]
) -> None:
    pairs, expected = sample_pairs[::4], sample_outcomes[::4]
    found = synthesise_all(engine, sample_context, pairs)
    assert [one.recipe for one in found] == [one.recipe for one in expected]
    assert [one.refusal for one in found] == [one.refusal for one in expected]


def test_sql_and_pyspark_give_the_childs_rows(
    spark: SparkSession, sample_context: RecipeContext, sample_outcomes: list[Outcome]
) -> None:
    done: Counter[str] = Counter()
    for recipe in chosen(sample_outcomes):
        if "Spark cannot say it" in to_sql(sample_context, recipe):
            done["unsaid"] += 1
            continue
        where = f"{recipe.child.name} from {recipe.parts[0].parent.name}"
        assert rows_digest(run_sql(spark, sample_context, recipe), recipe) == recipe.digest.rows, where
        assert rows_digest(run_pyspark(spark, sample_context, recipe), recipe) == recipe.digest.rows, where
        done[recipe.selector_shape] += 1
    assert set(done) >= {"all", "partition", "range", "in", "conjunction", "positions"}
    assert done["unsaid"] < sum(done.values()) / 3


def test_a_view_answers_as_the_child_did(spark: SparkSession, tmp_path: Path) -> None:
    small = SmallLake.at(tmp_path)
    parent = pa.table({"id": pa.array(range(300)), "kind": [f"k{n % 7}" for n in range(300)]})
    small.put("delta", parent, DeltaTable(2))
    small.put("parquet", parent)
    scattered = [n * 7 % 300 for n in range(120)]
    for number, (rows, name) in enumerate(((parent.slice(100, 50), "delta"), (parent.take(scattered), "parquet"))):
        small.put(f"child{number}", rows, CsvFile())
        recipe = small.recipe(f"child{number}", name)
        spark.sql(to_view(small.context, recipe, f"default.view{number}"))
        assert rows_digest(spark.table(f"default.view{number}").toArrow(), recipe) == recipe.digest.rows
        spark.sql(f"DROP VIEW default.view{number}")


def test_names_and_values_are_never_syntax(spark: SparkSession, tmp_path: Path) -> None:
    small = SmallLake.at(tmp_path)
    hostile = ["'; DROP TABLE x --", "a`b", "back\\slash", "new\nline", "per%cent", '"quoted"', "é{}[]*?", "${x}"]
    names = ["`; SELECT 1 --", "a.b", "it's", "x\\y", "sum(1)", "row"]
    parent = pa.table({name: [f"{text}{name}" for text in hostile for _ in range(3)] for name in names})
    parent = parent.append_column("n", pa.array(range(24)))
    mask = pc.is_in(parent["a.b"], value_set=parent["a.b"].combine_chunks().take([0, 6, 9, 21]))
    for number, (name, layout) in enumerate((("it's [a] {test}*?`", None), ("p,q;r", CsvFile()))):
        small.put(f"{name}/parent", parent, layout)
        small.put(f"child{number}", parent.filter(mask).select([*names]))
        recipe = small.recipe(f"child{number}", f"{name}/parent")
        assert recipe.selector_shape in ("in", "range", "conjunction")
        original = sorted(map(str, parent.filter(mask).select(names).to_pylist()))
        assert sorted(map(str, run_sql(spark, small.context, recipe).to_pylist())) == original
        assert sorted(map(str, run_pyspark(spark, small.context, recipe).to_pylist())) == original


def test_row_numbers_of_hostile_paths(spark: SparkSession, tmp_path: Path) -> None:
    small = SmallLake.at(tmp_path / "ro'ws [1]" if (tmp_path / "ro'ws [1]").mkdir() is None else tmp_path)
    parent = pa.table({"row": pa.array(range(500)), "x": pa.array([n * n % 7 for n in range(500)])})
    rows = [n * 37 % 500 for n in range(100)]
    small.put("child", parent.take(rows))
    small.put("parent", parent)
    recipe = small.recipe("child", "parent")
    assert recipe.selector_shape == "positions"
    assert rows_digest(run_sql(spark, small.context, recipe), recipe) == recipe.digest.rows
    assert rows_digest(run_pyspark(spark, small.context, recipe), recipe) == recipe.digest.rows


def test_unions_of_parents(spark: SparkSession, tmp_path: Path) -> None:
    small = SmallLake.at(tmp_path)
    whole = pa.table({"id": pa.array(range(90)), "x": [float(n) / 4 for n in range(90)]})
    small.put("whole", whole)
    for number in range(3):
        small.put(f"day{number}", whole.slice(number * 30, 30))
        small.put(f"over{number}", whole.slice(max(0, number * 30 - 5), 35))
    for prefix in ("day", "over"):
        recipe = small.recipe("whole", *(f"{prefix}{number}" for number in range(3)))
        assert recipe.selector_shape == "union"
        assert rows_digest(run_sql(spark, small.context, recipe), recipe) == recipe.digest.rows
        assert rows_digest(run_pyspark(spark, small.context, recipe), recipe) == recipe.digest.rows

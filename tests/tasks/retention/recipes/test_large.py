"""The way of large tables, on small ones: every table is above a limit of one KiB."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import SparkSession

from lakebed.connectors.spark.config import SparkConfig
from lakebed.data_samples.layouts import CsvFile, DeltaTable, HivePartitions
from lakebed.tasks.retention.recipes.config import RecipeConfig
from lakebed.tasks.retention.recipes.jobs import synthesise_all
from lakebed.tasks.retention.recipes.model import Outcome
from lakebed.tasks.retention.recipes.pairs import PairRefs
from lakebed.tasks.retention.recipes.write import verify
from lakebed.tasks.scan.spark import SparkEngine
from tests.tasks.retention.recipes.lakes import SmallLake

pytestmark = pytest.mark.spark

N = 3_000
PARENT = pa.table(
    {
        "id": pa.array(range(N)),
        "kind": [f"k{n % 5}" for n in range(N)],
        "x": [None if n % 97 == 0 else n / 4 for n in range(N)],
        "at": pa.array([n * 1_000_001 for n in range(N)], pa.timestamp("us", "UTC")),
        "o": pa.array([{"a.b": n % 50} for n in range(N)], pa.struct([("a.b", pa.int32())])),
    }
)
TWICE = pa.concat_tables([PARENT.slice(0, 2_000), PARENT.slice(0, 2_000)])


def solve(spark: SparkSession, small: SmallLake, child: str, parent: str) -> Outcome:
    return synthesise_all(
        SparkEngine(SparkConfig()), small.context, [PairRefs(small.ref(child), (small.ref(parent),))]
    )[0]


@pytest.fixture
def large(tmp_path: Path) -> SmallLake:
    return SmallLake.at(tmp_path, RecipeConfig(max_table_bytes=1024))


CASES = {
    "all": (PARENT.select(["x", "id", "o"]), PARENT, None),
    "range": (PARENT.slice(500, 1_000), PARENT, DeltaTable(2)),
    "in": (PARENT.filter(pc.is_in(PARENT["kind"], value_set=pa.array(["k1", "k4"]))), PARENT, DeltaTable()),
    "partition": (PARENT.filter(pc.equal(PARENT["kind"], "k3")), PARENT, HivePartitions(("kind",))),
    "conjunction": (
        PARENT.filter(pc.and_(pc.equal(PARENT["kind"], "k3"), pc.less(PARENT["id"], 1_600))), PARENT, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", list(CASES))
def test_spark_finds_and_executes_what_a_worker_would(spark: SparkSession, large: SmallLake, shape: str) -> None:
    child, parent, layout = CASES[shape]
    large.put("child", child)
    large.put("parent", parent, layout)
    outcome = solve(spark, large, "child", "parent")
    assert outcome.recipe is not None, outcome.refusal
    assert outcome.recipe.selector_shape == shape
    assert outcome.recipe.order.state == "lost"
    assert verify(large.context, outcome.recipe) is None


def test_distinct_rows_and_other_types(spark: SparkSession, large: SmallLake) -> None:
    large.put("child", PARENT.slice(0, 2_000).set_column(0, "id", pa.array(range(2_000), pa.int32())))
    large.put("parent", TWICE, DeltaTable())
    recipe = solve(spark, large, "child", "parent").recipe
    assert recipe is not None and recipe.parts[0].multiplicity == "distinct"
    assert verify(large.context, recipe) is None


def test_what_needs_row_numbers_or_memory_is_refused(spark: SparkSession, large: SmallLake) -> None:
    large.put("scattered", PARENT.take([n * 7 % N for n in range(900)]))
    large.put("twice", TWICE)
    large.put("parent", PARENT)
    large.put("text", PARENT.drop_columns(["o"]), CsvFile())
    large.put("zero", pa.table({"x": [0.0, *map(float, range(1, 900))]}))
    large.put("minus", pa.table({"x": [-0.0, *map(float, range(1, 900))]}))
    for child, parent, code, why in (
        ("scattered", "parent", "too_large", "row numbers"),
        ("twice", "parent", "too_large", "counted"),
        ("text", "parent", "too_large", "text"),
        ("zero", "minus", "differs_strictly", "to the bit"),
    ):
        refusal = solve(spark, large, child, parent).refusal
        assert refusal is not None and refusal.code == code and why in refusal.reason

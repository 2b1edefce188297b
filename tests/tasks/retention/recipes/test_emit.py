"""The text; `test_spark.py` runs it."""

import pyarrow as pa
import pytest

from lakebed.connectors.errors import SourceError
from lakebed.data_samples.layouts import CsvFile, DeltaTable, HivePartitions
from lakebed.tasks.retention.recipes.emit import sql_statements, to_pyspark, to_sql, to_view
from tests.tasks.retention.recipes.lakes import SmallLake

BASE = pa.table({"id": pa.array(range(90)), "kind": [f"k{n % 3}" for n in range(90)]})


def test_a_delta_parent_is_read_in_its_version(small: SmallLake) -> None:
    small.put("parent", BASE, DeltaTable(3))
    small.put("child", BASE.slice(10, 20).select(["id"]))
    recipe = small.recipe("child", "parent")
    assert to_sql(small.context, recipe) == (
        "-- child, rebuilt from parent\n"
        "SELECT\n  `id`\n"
        f"FROM delta.`{small.root}/parent` VERSION AS OF 2\n"
        "WHERE `id` BETWEEN 10 AND 29;\n"
    )
    assert 'option("versionAsOf", 2)' in to_pyspark(small.context, recipe)
    assert to_view(small.context, recipe, "db.it`s").startswith("CREATE OR REPLACE VIEW `db`.`it``s` AS\nSELECT")


def test_partitions_and_text_are_read_with_their_types(small: SmallLake) -> None:
    small.put("child", BASE.filter(pa.compute.equal(BASE["kind"], "k1")))
    for name, layout in (("hive", HivePartitions(("kind",))), ("text", CsvFile("|"))):
        small.put(name, BASE, layout)
        recipe = small.recipe("child", name)
        view, query = sql_statements(small.context, recipe)
        assert "`id` BIGINT, `kind` STRING" in view
        assert query.endswith("WHERE `kind` = 'k1'")
        with pytest.raises(SourceError, match="view cannot read"):
            to_view(small.context, recipe, "v")


def test_what_spark_cannot_say_is_said(small: SmallLake) -> None:
    small.put("parent", BASE, CsvFile())
    small.put("child", BASE.take([n * 7 % 90 for n in range(70)]))
    recipe = small.recipe("child", "parent")
    for text in (to_sql(small.context, recipe), to_pyspark(small.context, recipe)):
        assert "Spark cannot say it (Spark does not number the rows" in text
        assert "SELECT" not in text


def test_lost_order_is_said(small: SmallLake) -> None:
    small.put("parent", BASE)
    small.put("child", BASE.take(list(range(89, -1, -1))), DeltaTable())
    assert "The order of rows is lost" in to_sql(small.context, small.recipe("child", "parent"))


def test_a_name_cannot_leave_its_comment(small: SmallLake) -> None:
    small.put("parent", BASE)
    small.put("a\nSELECT 1", BASE.slice(0, 5))
    text = to_sql(small.context, small.recipe("a\nSELECT 1", "parent"))
    assert text.splitlines()[0] == "-- a SELECT 1, rebuilt from parent"

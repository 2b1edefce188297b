"""Traits as values; what tables have of them, and get back, is in tests/tasks/quarantine/test_traits.py."""

import json
from dataclasses import replace

import pyarrow as pa
import pytest

from lakebed.connectors.errors import PlanError
from lakebed.data_samples.layouts import CsvFile, DeltaTable, HivePartitions, ParquetParts
from lakebed.tasks.retention.recipes.model import Recipe
from lakebed.tasks.retention.recipes.reader import TableReader, table_traits
from lakebed.tasks.retention.recipes.traits import Traits
from tests.tasks.retention.recipes.lakes import SmallLake

ROWS = pa.table({"id": range(20), "name": [f"n{i}" for i in range(20)], "day": [f"d{i % 2}" for i in range(20)]})


def traits(small: SmallLake, name: str) -> Traits:
    return table_traits(small.lake, TableReader(small.lake, small.ref(name)).describe())


def test_equal_tables_have_equal_traits_and_digests(small: SmallLake) -> None:
    for name in ("a", "b"):
        small.put(name, ROWS)
    small.put("c", ROWS.replace_schema_metadata({"who": "me"}))
    a, b, c = (traits(small, name) for name in "abc")
    assert a == b and a.digest == b.digest and a.differences(b) == []
    assert a.digest != c.digest and a.differences(c) == ["the metadata ARROW:schema", "the metadata who"]
    with pytest.raises(PlanError, match="not all that a reader sees") as caught:
        a.require_same(c, "a")
    assert caught.value.value == "the metadata ARROW:schema; the metadata who"


def test_files_of_one_kind_share_a_footer(small: SmallLake) -> None:
    small.put("parts", ROWS, ParquetParts(3))
    found = traits(small, "parts")
    assert len(found.footers) == 1 and found.footer_of == (0, 0, 0)


def test_formats_and_layouts_have_their_own(small: SmallLake) -> None:
    small.put("hive", ROWS, HivePartitions(("day",)))
    small.put("text", ROWS, CsvFile())
    small.put("delta", ROWS, DeltaTable())
    hive, text, delta = (traits(small, name) for name in ("hive", "text", "delta"))
    assert hive.partition_columns == ('["day"]',) and hive.differences(replace(hive, partition_columns=()))
    dialect = json.loads(text.text)
    other = replace(text, text=json.dumps(dialect | {"line_end": "\r\n"}))
    assert text.differences(other) == ["the text's line_end '\\n', not '\\r\\n'"]
    assert delta.delta is not None and delta.footers == ()


def test_a_recipe_keeps_traits_through_json(small: SmallLake) -> None:
    small.put("child", ROWS.slice(5, 10))
    small.put("parent", ROWS)
    recipe = small.recipe("child", "parent")
    assert recipe.traits == traits(small, "child")
    again = Recipe.model_validate_json(recipe.model_dump_json())
    assert again.traits == recipe.traits and again == recipe

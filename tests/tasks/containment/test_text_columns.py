"""What `explain` says of columns of text files: types, renderings, the cell in the way, the setting."""

import json

import pytest

from lakebed.connectors.lake.config import LakeConfig, TextConfig
from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.explain import explain_table
from lakebed.tasks.containment.stage import CONTAINMENT
from lakebed.tasks.inventory.config import InventoryConfig
from lakebed.tasks.inventory.stage import INVENTORY
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from tests.tasks.containment.test_readings import VALUES, write_csv, write_json, write_parquet


def told(root, table, pair, *, is_canonical=False, **config):
    """The verdict of one pair of a table."""
    text = TextConfig(renderings="canonical" if is_canonical else "all")
    lake = LakeConfig(root=str(root / "lake"), text=text)
    space = Workspace(lake=lake, artifacts=str(root / "artifacts"), engine="local")
    found = ContainmentConfig(**config)
    inventory = run_stage(INVENTORY, Inputs.of(space, InventoryConfig(), found))
    containment = run_stage(CONTAINMENT, Inputs.of(space, inventory, found))
    explained = explain_table(
        ArtifactStore(space.artifacts),
        inventory,
        containment,
        table,
        strict_types=found.strict_types,
        is_canonical=is_canonical,
    )
    (verdict,) = (one for one in explained.pairs if (one.child, one.parent) == pair)
    return verdict


def test_what_is_compared_by_value_is_told_with_types_and_renderings(tmp_path):
    write_csv(tmp_path / "lake" / "c.csv", {"money": ["1.50", "2.25", "10.00"], "zip": ["10001", "60601", "94105"]})
    write_parquet(tmp_path / "lake" / "p.parquet", {name: VALUES[name] for name in ("money", "zip")})
    pair = told(tmp_path, "c", ("c", "p"))
    assert pair.verdict == "contained"
    assert pair.reason.endswith(
        " (by value: money, decimal128(38, 2) as decimal:2 against decimal128(10, 2); "
        "`containment.strict_types` asks for equal types)"
    )
    (column,) = pair.facts["text_columns"]
    assert column == {
        "column": "money", "child_type": "decimal128(38, 2)", "parent_type": "decimal128(10, 2)",
        "compared": "by value", "child_renderings": ["decimal:2"], "parent_renderings": [],
    }  # fmt: skip
    assert json.dumps(pair.as_dict()["facts"])


# cells, the place of the one in the way, the rendering that ends there, the setting
CASES = {
    "zip": (["10001", "00501", "94105"], 1, "int64", "types"),
    "money": (["1.50", "2.25", "10.0"], 2, "decimal:2", "types"),
    "whole": (["1.0", "2.5", "NA"], 2, "float:python", "files"),
    "flag": (["True", "False", "yes"], 2, "bool:True", "types"),
    "day": (["2024-01-02", "2024-1-3"], 1, "date", "types"),
    "moment": (["2024-01-02 03:04:05", "2024-01-02T03:04:06"], 1, "timestamp", "types"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_cell_in_the_way_of_a_type_is_named(tmp_path, name):
    cells, place, rendering, setting = CASES[name]
    write_csv(tmp_path / "lake" / "c.csv", {name: cells, "n": list("abcd")[: len(cells)]})
    write_parquet(tmp_path / "lake" / "p.parquet", {name: VALUES[name], "n": ["a", "b", "c"]})
    pair = told(tmp_path, "c", ("c", "p"))
    assert (pair.step, pair.verdict) == ("min_max", "not contained")
    assert f"the types of {name} cannot be equal: string against " in pair.reason
    words = f"{rendering} does not write {cells[place]!r} in data row {place + 1} of c.csv; `lake.text.{setting}`"
    assert words in pair.reason
    assert pair.facts["obstacle"] == {
        "path": "c.csv", "row": place + 1, "cell": cells[place], "rendering": rendering
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "cells", "row", "rendering"),
    [
        ("money", ["1,50", "2,25", "none"], 3, "decimal:2:comma"),
        ("whole", ["1,0", "2,5", "x"], 3, "float:python:comma"),
        ("day", ["02.01.2024", "unknown"], 2, "date:dd.mm.yyyy"),
        # thousands, as they may be
        ("whole", ["1,234", "5,678"], 1, "int64"),
    ],
)
def test_decimal_commas_and_days_are_no_cells_in_the_way(tmp_path, name, cells, row, rendering):
    (tmp_path / "lake").mkdir()
    lines = [f"{cell};{letter}\n" for cell, letter in zip(cells, "abc", strict=False)]
    (tmp_path / "lake" / "c.csv").write_text(f"{name};n\n" + "".join(lines))
    write_parquet(tmp_path / "lake" / "p.parquet", {name: VALUES[name], "n": ["a", "b", "c"]})
    found = told(tmp_path, "c", ("c", "p")).facts["obstacle"]
    assert (found["row"], found["rendering"]) == (row, rendering)


def test_nulls_are_rows_too(tmp_path):
    write_csv(tmp_path / "lake" / "c.csv", {"zip": ["", "1", "", "x"], "n": list("abcd")})
    write_parquet(tmp_path / "lake" / "p.parquet", {"zip": [1, None, 2, 3], "n": list("abcd")})
    assert told(tmp_path, "c", ("c", "p")).facts["obstacle"]["row"] == 4


def test_the_cell_is_found_beyond_the_first_batches(tmp_path):
    cells = [str(number) for number in range(200_000)]
    write_csv(tmp_path / "lake" / "c.csv", {"zip": [*cells, "x7", *cells]})
    write_parquet(tmp_path / "lake" / "p.parquet", {"zip": VALUES["zip"]})
    pair = told(tmp_path, "p", ("c", "p"))
    assert pair.facts["obstacle"] == {"path": "c.csv", "row": 200_001, "cell": "x7", "rendering": "int64"}


def test_the_other_side_may_be_the_text(tmp_path):
    write_csv(tmp_path / "lake" / "c.csv", {"zip": ["10001", "00501"]})
    write_parquet(tmp_path / "lake" / "p.parquet", {"zip": VALUES["zip"]})
    assert "int64 does not write '00501' in data row 2 of c.csv" in told(tmp_path, "p", ("p", "c")).reason


def test_a_json_string_of_digits_has_no_cell_in_the_way(tmp_path):
    write_json(tmp_path / "lake" / "j.jsonl", {"zip": ["10001", "60601"]})
    write_parquet(tmp_path / "lake" / "p.parquet", {"zip": VALUES["zip"]})
    pair = told(tmp_path, "j", ("j", "p"))
    assert "string against int64; the text file has it as string; `lake.text.types`" in pair.reason


def test_strict_types_are_named_where_they_decide(tmp_path):
    write_csv(tmp_path / "lake" / "c.csv", {"whole": ["1", "2"]})
    write_parquet(tmp_path / "lake" / "p.parquet", {"whole": [1.0, 2.0]})
    pair = told(tmp_path, "c", ("c", "p"), strict_types=True)
    assert "int64 against double; `containment.strict_types = false` compares by value" in pair.reason


def test_one_rendering_a_type_has_other_cells_in_the_way(tmp_path):
    write_csv(tmp_path / "lake" / "c.csv", {"whole": ["1.5", "1.0"]})
    write_parquet(tmp_path / "lake" / "p.parquet", {"whole": [1.5, 1.0]})
    pair = told(tmp_path, "c", ("c", "p"), is_canonical=True)
    assert "float64 does not write '1.0' in data row 2 of c.csv" in pair.reason


def test_tables_that_are_no_text_have_no_such_words(tmp_path):
    write_parquet(tmp_path / "lake" / "a.parquet", {"x": [1]})
    write_parquet(tmp_path / "lake" / "b.parquet", {"x": ["1"]})
    pair = told(tmp_path, "a", ("a", "b"))
    assert pair.reason == "the types of x cannot be equal: int64 against string"
    assert "text_columns" not in pair.facts

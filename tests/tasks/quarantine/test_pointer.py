"""The pointer in the place of a table set aside: readers of its folder pass it over; those of old are understood."""

import json

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import lakebed
from lakebed.connectors.lake.config import LakeConfig
from lakebed.connectors.lake.discovery import discover
from lakebed.connectors.lake.listing import list_lake
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.receipt import pointer_path
from tests.tasks.quarantine.lakes import CHILDREN, child_rows, make_plan
from tests.tasks.quarantine.test_owners import applied, purged, restored

FILES = {"y2023": 1, "y2024": 2, "y=2025": 3}


@pytest.fixture
def folder(case):
    """A folder of yearly files, one of which is set aside; its rows are a slice of the lake's parent."""
    (case.root / "years").mkdir()
    for name, start in FILES.items():
        pq.write_table(child_rows("part").slice(start, 4), case.root / "years" / f"{name}.parquet")
    lake = LakeConfig(root=str(case.root))
    CHILDREN["years/y2024"], CHILDREN["years/y=2025"] = ("parquet", 12, 16), ("parquet", 13, 17)
    try:
        applied(case, make_plan(lake, ("years/y2024", "years/y=2025")))
    finally:
        del CHILDREN["years/y2024"], CHILDREN["years/y=2025"]
    return case.root / "years"


def test_the_pointer_is_hidden():
    assert pointer_path("orders") == "_orders.lakebed.json"
    assert pointer_path("a/b/orders") == "a/b/_orders.lakebed.json"
    assert pointer_path("a/day=1") == "a/_day%3D1.lakebed.json"


def test_pandas_and_arrow_read_a_folder_with_pointers(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "_y%3D2025.lakebed.json", "_y2024.lakebed.json", "y2023.parquet",
    ]  # fmt: skip
    rows = child_rows("part").slice(1, 4)
    assert pa.Table.from_pandas(pd.read_parquet(folder)).equals(rows)
    assert pq.read_table(folder).equals(rows)
    assert ds.dataset(folder, format="parquet").to_table().equals(rows)


@pytest.mark.spark
def test_spark_reads_a_folder_with_pointers(folder, spark):
    assert spark.read.parquet(str(folder)).count() == 4
    assert spark.read.format("parquet").load(str(folder)).columns == ["id", "name"]


def aged(case):
    """The quarantine as lakebed left it before pointers were hidden."""
    quarantine = Quarantine.look(str(case.root), case.config)
    for state in quarantine.live():
        receipt = quarantine.receipt(state)
        place = quarantine.storage.uri(receipt.folder, "receipt.json")
        with open(place) as stream:
            values = json.load(stream)
        with open(place, "w") as stream:
            json.dump(values | {"version": 1}, stream)
        (case.root / receipt.pointer).rename(case.root / f"{state.table}.lakebed.json")


def test_pointers_of_old_are_understood(real):
    with Quarantine.hold(str(real.root), real.config, "apply") as quarantine:
        from lakebed.tasks.quarantine.apply import apply_plan
        from lakebed.tasks.quarantine.recipes import RecipeRebuilder
        from tests.tasks.quarantine.keys import KEYS

        apply_plan(quarantine, real.plan, RecipeRebuilder(KEYS, real.rows_folder))
    aged(real)
    lake = LakeConfig(root=str(real.root))
    assert [table.name for table in discover(list_lake(lake), lake).tables] == ["all"]
    for path in ("part", "part.parquet", "part.lakebed.json", "sub/text.csv", "days"):
        assert lakebed.open_table(f"{real.root}/{path}").num_rows > 0
    assert set(restored(real).moved) == set(CHILDREN)
    assert real.snapshot() == real.before


def test_pointers_of_old_are_understood_after_a_purge(case):
    applied(case)
    aged(case)
    purged(case)
    assert set(restored(case).rebuilt) == set(CHILDREN)
    assert not list(case.root.rglob("*.lakebed.json"))

"""Iceberg tables that duckdb-iceberg tests with, rebuilt from their rows, written and read again; or refused."""

import shutil

import pyarrow.parquet as pq
import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.quarantine.reading import open_table
from lakebed.tasks.retention.recipes.context import RecipeContext
from lakebed.tasks.retention.recipes.reader import TableReader
from lakebed.tasks.retention.recipes.refs import observe
from lakebed.tasks.retention.recipes.synthesis import synthesise
from tests.connectors.lake.iceberg.test_shared import SHARED
from tests.tasks.quarantine.keys import KEY

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the tables of duckdb-iceberg are not here")
REBUILT = [
    "case_sensitive_names/default.db/case_sensitive_names", "iceberg/lineitem_iceberg_gz", "is_null_is_not_null",
    "map_stats/default.db/map_stats", "null_stats/default/test_nulls",
]  # fmt: skip
REFUSED = {
    "equality_deletes/warehouse/mydb/mytable": "deletes",
    "iceberg/lineitem_iceberg_no_hint": "has rows that the newest has not",
    "name_mapping/warehouse_1/mydb/t1": "has rows that the newest has not",
    "iceberg_v1_repro/repro/merch_v1": "format version 3",
    "partition_bool": "columns of other names or types",
}


@pytest.mark.parametrize("name", [*REBUILT, *REFUSED])
def test_a_table_is_rebuilt_with_its_metadata_or_refused(tmp_path, name):
    root = tmp_path / "lake"
    shutil.copytree(SHARED / name, root / "ice")
    pq.write_table(open_table(str(root / "ice")), root / "all.parquet")
    lake = LakeConfig(root=str(root))
    child, parent = (TableReader(lake, observe(lake, one)).describe() for one in ("ice", "all"))
    outcome = synthesise(RecipeContext(lake, str(tmp_path / "rows"), KEY), child, [parent])
    if name in REBUILT:
        assert outcome.recipe is not None and outcome.recipe.metadata is not None, outcome.refusal
    else:
        assert outcome.refusal.code == "cannot_be_written" and REFUSED[name] in outcome.refusal.reason

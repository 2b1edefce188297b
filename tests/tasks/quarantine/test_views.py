import shutil

import pyarrow.parquet as pq
import pytest

from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.quarantine.apply import apply_plan
from lakebed.tasks.quarantine.config import QuarantineConfig
from lakebed.tasks.quarantine.place import Quarantine
from lakebed.tasks.quarantine.recipes import RecipeRebuilder
from lakebed.tasks.quarantine.views import create_views, drop_views, view_name
from tests.tasks.quarantine.conftest import Case
from tests.tasks.quarantine.keys import KEYS
from tests.tasks.quarantine.lakes import CHILDREN, child_rows, make_real_plan, parent_rows


def test_names_are_plain_and_stay_apart():
    assert view_name("part") == "part"
    assert view_name("sub/text").startswith("sub_text_")
    assert len({view_name(name) for name in ("a/b", "a_b", "a.b", "a b")}) == 4


@pytest.mark.spark
def test_views_answer_as_the_tables_did(spark, lake_template, tmp_path):
    case = Case(shutil.copytree(lake_template, tmp_path / "lake"))
    rows = str(tmp_path / "rows")
    plan = make_real_plan(case.lake, rows)
    with Quarantine.hold(str(case.root), case.config, "apply") as quarantine:
        done = apply_plan(quarantine, plan, RecipeRebuilder(KEYS, rows))
        assert create_views(spark, "aside", done.receipts, quarantine.storage) == []
    for name in CHILDREN:
        found = sorted(row["id"] for row in spark.table(f"aside.{view_name(name)}").collect())
        assert found == child_rows(name)["id"].to_pylist(), name
    drop_views(spark, "aside", list(CHILDREN))
    assert spark.sql("SHOW VIEWS IN aside").count() == 0
    spark.sql("DROP DATABASE aside")
    drop_views(spark, "aside", ["part"])


@pytest.mark.spark
def test_a_view_does_not_read_what_others_append_to_its_parent(spark, tmp_path):
    lake = tmp_path / "lake"
    (lake / "all").mkdir(parents=True)
    for number in range(2):
        pq.write_table(parent_rows().slice(50 * number, 50), lake / "all" / f"part-{number}.parquet")
    pq.write_table(child_rows("part"), lake / "part.parquet")
    config, rows = LakeConfig(root=str(lake)), str(tmp_path / "rows")
    plan = make_real_plan(config, rows, ("part",))
    with Quarantine.hold(str(lake), QuarantineConfig(), "apply") as quarantine:
        done = apply_plan(quarantine, plan, RecipeRebuilder(KEYS, rows))
        assert create_views(spark, "aside", done.receipts, quarantine.storage) == []
    pq.write_table(parent_rows(), lake / "all" / "part-2.parquet")
    spark.catalog.refreshByPath(str(lake / "all"))
    assert sorted(row["id"] for row in spark.table("aside.part").collect()) == child_rows("part")["id"].to_pylist()
    drop_views(spark, "aside", ["part"])
    spark.sql("DROP DATABASE aside")

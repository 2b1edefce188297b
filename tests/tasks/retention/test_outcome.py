from collections import Counter

import pytest

from lakebed.tasks.retention.config import RetentionConfig
from tests.tasks.retention.lakes import by_name, contained_lake, decide_here


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    lake = contained_lake(tmp_path_factory.mktemp("outcome"))
    # the other parents have lesser names
    config = RetentionConfig(allow_lesser_keeper=True)
    return decide_here(lake, config, refuse={("sales/ids", "sales/orders")})


def test_every_edge_has_its_status(decided):
    store, ref = decided
    rows = store.read(ref, "options").to_pylist()
    summary = store.manifest(ref).summary
    n = Counter(row["status"] for row in rows)
    assert summary["rebuild_options"] == len(rows)
    assert n["chosen"] == summary["deletable_tables"]
    assert n["refused"] == summary["recipes_refused"] == 1
    assert summary["recipes_tried"] == n["chosen"] + n["verified"] + n["refused"]
    assert n["by_definition"] > 0
    assert all(row["reason"] for row in rows if row["status"] in ("refused", "by_definition"))
    assert all(row["shape"] for row in rows if row["status"] in ("chosen", "verified"))


def test_a_table_refused_by_one_parent_goes_over_another(decided):
    row = by_name(*decided)["sales/ids"]
    assert row["decision"] == "delete"
    assert row["parents"] != ["sales/orders"]


def test_views_and_texts_name_the_parents_files(decided):
    store, ref = decided
    rows = by_name(store, ref, "rebuilds")
    assert rows["sales/cheap"]["view"].startswith("CREATE OR REPLACE VIEW")
    for row in rows.values():
        assert f"{row['parents'][0]}.parquet" in row["sql"]
        assert f"{row['parents'][0]}.parquet" in row["pyspark"]

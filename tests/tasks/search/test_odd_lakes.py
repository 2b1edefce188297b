"""Questions to odd lakes: each has a defined answer in bounded time."""

import json
import time

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import ArtifactError, ConfigError
from lakebed.tasks.runtime.artifacts import ArtifactStore
from lakebed.tasks.search.lake_search import LakeSearch
from lakebed.tasks.search.query_file import ask_file, file_lake
from tests.tasks.search.lakes import publish_lake

SAME = list(range(100, 160))
ODD = {
    "one table": {"t": {"id": [1, 2, 3], "name": ["x", "y", "z"]}},
    "all null": {"t": {"x": [None] * 5, "y": [None] * 5}, "u": {"x": [1, 2]}},
    "no rows": {"t": {"x": []}, "u": {"x": [1, 2]}},
    "names of one letter": {"t": {"a": [1, 2, 3], "b": [5, 6, 7]}, "u": {"a": [1, 2, 9], "": [1, 2, 2]}},
    "equal columns": {"t": {f"c{n}": SAME for n in range(40)}, "u": {f"c{n}": SAME for n in range(40)}},
    "Chinese": {
        "客户": {"客户编号": [11, 12, 13], "姓名": ["张三", "李四", "王五"]},
        "订单": {"订单编号": [1, 2, 3, 4], "客户编号": [11, 12, 13, 13]},
        "天气": {"城市": ["北京", "上海"], "温度": [3.5, 9.25]},
    },
    "Thai": {
        "ลูกค้า": {"รหัสลูกค้า": [21, 22, 23], "ชื่อ": ["สมชาย", "สมหญิง", "มานี"]},
        "คำสั่งซื้อ": {"เลขที่": [1, 2, 3, 4], "รหัสลูกค้า": [21, 22, 23, 23]},
        "อากาศ": {"เมือง": ["กรุงเทพ", "เชียงใหม่"], "ฝน": [0.5, 7.25]},
    },
}


def names(found):
    return [one.name for one in found]


def ask_everything(search):
    """Every question of every table and column; all answers by what was asked."""
    answers = {}
    for table in search.evidence.tables:
        for asked in ({}, {"near": True}, {"union": True}, {"novel": True}):
            answers["similar", table, *asked] = search.similar(table, 5, **asked)
        answers["search", table] = search.search(table, 5)
    for column in range(search.evidence.lake.n):
        key = search.names.key(column).removeprefix("column:")
        for near in (False, True):
            answers["joinable", key, near] = search.joinable(key, 5, near=near)
    return answers


@pytest.mark.parametrize("tables", ODD.values(), ids=ODD)
def test_every_question_has_an_answer(tmp_path, tables):
    search = LakeSearch(*publish_lake(tmp_path, tables))
    for asked, found in ask_everything(search).items():
        assert len(found) <= 5 and len(set(names(found))) == len(found)
        for one in found:
            json.dumps(one.as_dict())
            assert one.why_text() and (one.share is None or 0 <= one.share <= 1)
        if asked[0] == "search":
            assert found[0].name == asked[1]


@pytest.mark.parametrize(
    ("language", "orders", "customers", "column"),
    [("Chinese", "订单", "客户", "客户编号"), ("Thai", "คำสั่งซื้อ", "ลูกค้า", "รหัสลูกค้า")],
)
def test_languages_without_blanks_are_asked_about_as_others_are(tmp_path, language, orders, customers, column):
    search = LakeSearch(*publish_lake(tmp_path, ODD[language]))
    assert names(search.joinable(f"{orders}.{column}", 3))[0] == f"{customers}.{column}"
    assert names(search.similar(orders, 3))[0] == customers
    assert names(search.search(column, 2)) == sorted([f"{orders}.{column}", f"{customers}.{column}"])
    part = column[1:-1]
    assert set(names(search.search(part, 2))) == {f"{orders}.{column}", f"{customers}.{column}"}


def test_a_file_of_another_schema_shares_nothing(tmp_path):
    """Columns that no table has, types that no table has, and a column that is not in the file."""
    search = LakeSearch(*publish_lake(tmp_path / "lake", ODD["one table"]))
    path = tmp_path / "other.parquet"
    values = {"when": pa.array([1, 2], pa.timestamp("us")), "list": [[1], [2]], "bytes": [b"\x00", b"\x01"]}
    pq.write_table(pa.table(values), path)
    assert search.similar_to(ask_file(search, path), 3) == []
    assert search.joinable_to(*file_lake(path), "when", 3) == []
    with pytest.raises(ConfigError, match="nothing of this name"):
        search.joinable_to(*file_lake(path), "id", 3)


@pytest.mark.heavy
def test_a_file_of_five_thousand_columns_takes_bounded_time(tmp_path):
    search = LakeSearch(*publish_lake(tmp_path / "lake", {"t": {"column_7": SAME, "x": SAME[:9]}, "u": {"y": SAME}}))
    path = tmp_path / "wide.csv"
    pacsv.write_csv(pa.table({f"column_{n}": [(n + row) % 977 for row in range(20)] for n in range(5_000)}), path)
    search.similar("t", 1)
    started = time.process_time()
    assert search.similar_to(ask_file(search, path), 3)
    joins = search.joinable_to(*file_lake(path), "column_100", 3)
    assert time.process_time() - started < 15
    assert joins[0].name == "t.column_7" and joins[0].why["share"] == 1.0


def test_a_thousand_equal_columns_take_bounded_time(tmp_path):
    tables = {f"t{n:03d}": {f"c{m}": SAME for m in range(10)} for n in range(100)}
    search = LakeSearch(*publish_lake(tmp_path, tables))
    search.similar("t000", 1), search.joinable("t000.c0", 1)
    started = time.process_time()
    for asked in ({}, {"union": True}, {"novel": True}):
        assert len(search.similar("t050", 20, **asked)) == 20
    found = search.joinable("t050.c3", 20, near=True)
    assert time.process_time() - started < 5
    assert len(found) == 20 and all(one.share == 1 for one in found)


def test_an_index_of_another_version_says_how_to_build_it_again(tmp_path):
    store, refs = publish_lake(tmp_path, ODD["one table"])
    path = tmp_path / "index" / refs["index"].key / "manifest.json"
    for version, what in ((2, "an older version"), (999, "a newer version")):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"version": version}))
        with pytest.raises(ArtifactError, match=f"the index was made by {what}") as caught:
            LakeSearch(ArtifactStore(str(tmp_path)), refs)
        assert f"--artifacts {store.root} --to index" in caught.value.hint

import json

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.errors import ArtifactError, ConfigError, SourceError
from lakebed.connectors.lake.config import LakeConfig
from lakebed.tasks.keys.config import KeysConfig
from lakebed.tasks.keys.stage import KEYS
from lakebed.tasks.runtime.definition import Inputs, run_stage
from lakebed.tasks.runtime.workspace import Workspace
from lakebed.tasks.search.config import SearchConfig
from lakebed.tasks.search.lake_search import LakeSearch
from lakebed.tasks.search.query_file import ask_file, file_lake
from tests.benchmarks.joins_tries import TRANSFORMED, transformed_tables
from tests.tasks.search.lakes import HOSTILE, lake_tables, publish_lake


def names(found):
    return [one.name for one in found]


def test_a_part_finds_its_parent_and_says_why(search):
    found = search.similar("orders_2024", 3)
    assert names(found)[0] == "orders"
    assert "orders_near" in names(found)
    answer = found[0].as_dict()
    assert list(answer) == ["table", "share", "distance", "why"] and answer["share"] == 1.0
    assert answer["why"]["shared"] == 1.0
    assert {(pair["column"], pair["in"], pair["share"]) for pair in answer["why"]["columns"]} == {
        ("id", "id", 1.0),
        ("city", "city", 1.0),
    }
    assert set(answer["why"]["values"]) <= {str(i) for i in range(1_000, 1_120)}
    assert 0 <= answer["distance"] < 0.5
    json.dumps(answer)


def test_joinable_columns_hold_the_values_exactly(search):
    tables = lake_tables()
    found = search.joinable("orders.city", 4)
    asked = set(tables["orders"]["city"])
    # the one whose values are unique is what a city refers to; the others repeat it
    assert names(found)[:3] == ["towns.town", "orders_2024.city", "orders_near.city"]
    assert all(one.why["share"] == 1.0 for one in found[:3])
    for one in found[:3]:
        table, column = one.name.rsplit(".", 1)
        held = set(tables[table][column])
        assert one.why["shared_values"] == len(asked & held)
        assert one.why["share"] == pytest.approx(len(asked & held) / len(asked), abs=1e-6)
        assert one.why["share_of_its_own"] == pytest.approx(len(asked & held) / len(held), abs=1e-6)
    assert all(not one.name.startswith("orders.") for one in found)


def test_the_order_does_not_depend_on_how_many_are_wanted(search):
    for column in ("orders.id", "orders.city", "noise/03.key", "flags.none", "towns.people"):
        whole = names(search.joinable(column, 60))
        for k in (1, 2, 5, 17):
            assert names(search.joinable(column, k)) == whole[:k]


def test_text_finds_names_and_values(search):
    assert search.search("towns", 1)[0].name == "towns"
    assert "orders.price" in names(search.search("price", 3))
    hits = search.search("city 17", 5)
    assert any(one.why.get("value") == "city 17" for one in hits)
    assert search.search("zzqqxx", 5) == []
    assert len(search.search("word", 7)) <= 7


def test_a_file_that_is_not_in_the_lake(search, tmp_path):
    path = tmp_path / "new.parquet"
    tables = lake_tables()["orders"]
    pq.write_table(pa.table({"id": tables["id"][50:90], "where": tables["city"][50:90]}), path)
    found = search.similar_to(ask_file(search, path), 3)
    assert set(names(found)) == {"orders", "orders_2024", "orders_near"}
    assert found[0].why["columns"][0]["column"] in {"id", "where"}
    pq.write_table(pa.table({"x": ["nothing like it"]}), path)
    assert search.similar_to(ask_file(search, path), 3) == []


def test_a_file_of_values_that_one_column_alone_has(search, tmp_path):
    held = lake_tables()["noise/07"]["key"]
    path = tmp_path / "new.parquet"
    pq.write_table(pa.table({"other name": held[5:40]}), path)
    found = search.similar_to(ask_file(search, path), 2)
    assert names(found)[0] == "noise/07"
    assert found[0].why["columns"] == [{"column": "other name", "in": "key", "share": 1.0, "likeness": 0.0}]


def test_files_that_cannot_be_asked_about(search, tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        ask_file(search, tmp_path / "none.parquet")
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1 not PAR1")
    with pytest.raises(SourceError):
        ask_file(search, path)
    with pytest.raises(ConfigError, match="too large"):
        pq.write_table(pa.table({"x": list(range(10_000))}), path)
        ask_file(search, path, SearchConfig(max_file_bytes=1 << 10))
    pq.write_table(pa.table({"x": pa.nulls(3)}), path)
    with pytest.raises(SourceError, match="no column of values"):
        ask_file(search, path)


def test_unknown_names_suggest_near_ones(search):
    with pytest.raises(ConfigError) as caught:
        search.similar("order_2024")
    assert "orders_2024" in caught.value.hint
    with pytest.raises(ConfigError) as caught:
        search.joinable("orders.citi")
    assert "orders.city" in caught.value.examples


@pytest.mark.parametrize("k", [0, -1, 10_000])
def test_k_is_bounded(search, k):
    for ask in (search.similar, search.joinable, search.search):
        with pytest.raises(ConfigError, match="out of bounds"):
            ask("orders", k)


def test_k_beyond_the_lake_gives_what_there_is(search):
    assert len(search.similar("orders", 1_000, near=True)) == len(lake_tables()) - 1
    # `city 17` and `word 17` share a word
    assert all(one.share > 0 or one.why["words"] > 0 for one in search.similar("orders", 1_000))
    with pytest.raises(ConfigError, match="empty or too long"):
        search.search(" ")
    with pytest.raises(ConfigError, match="empty or too long"):
        search.search("x" * 2_000)


def test_hostile_names_are_data(search):
    assert HOSTILE in names(search.similar("orders", 5))
    assert search.similar(HOSTILE, 1)[0].name == "orders"
    key = json.dumps([HOSTILE, "id"], separators=(",", ":"))
    assert search.joinable(key, 1)[0].name in {"orders.id", "orders_2024.id", "orders_near.id"}


def test_tables_without_values_still_have_neighbours(search):
    assert search.similar("flags", 2) == []
    found = search.similar("flags", 2, near=True)
    assert len(found) == 2
    assert found[0].why_text() == "shares no value; near in the graph"
    assert found[0].why["columns"] == []


def test_names_that_several_columns_have_must_be_told_apart(tmp_path):
    tables = {"a": {"b.c": [1, 2, 3]}, "a.b": {"c": [1, 2, 3]}, "d": {"e": [1, 2, 3]}}
    search = LakeSearch(*publish_lake(tmp_path, tables))
    with pytest.raises(ConfigError, match="several columns") as caught:
        search.joinable("a.b.c")
    assert sorted(caught.value.examples) == ['["a","b.c"]', '["a.b","c"]']
    assert search.joinable('["a","b.c"]', 5)[0].why["share"] == 1.0


def test_a_lake_without_shared_values(tmp_path):
    search = LakeSearch(*publish_lake(tmp_path, {"a": {"x": [1]}, "b": {"y": [2]}}))
    assert search.similar("a", 5) == search.joinable("a.x", 5) == []
    (found,) = search.similar("a", 5, near=True)
    assert (found.name, found.why["shared"]) == ("b", 0.0)
    (found,) = search.joinable("a.x", 5, near=True)
    assert found.why["shared_values"] == 0


def test_new_rows_are_counted_by_rows(tmp_path):
    """Two values, of which one is new in one of a thousand rows at least."""
    tables = {"asked": {"x": ["yes", "maybe"]}, "many": {"x": ["yes", *["no"] * 999]}}
    (found,) = LakeSearch(*publish_lake(tmp_path, tables)).similar("asked", 1)
    assert found.why["novel"] == pytest.approx(0.001)


def test_the_answer_is_the_subject_of_what_is_proven(tmp_path):
    tables = {"whole": {"x": list(range(9))}, "part": {"x": list(range(4))}}
    search = LakeSearch(*publish_lake(tmp_path, tables))
    search.containments = {("part", "whole"): False}
    (parent,), (child,) = search.similar("part", 1), search.similar("whole", 1)
    told = "contains part; x holds 100% of x; unionable on 1 column, at least 56% of its rows new"
    assert parent.why_text().startswith(told)
    assert child.why_text().startswith("lies in whole; x holds 44% of x; unionable on 1 column")
    (column,) = search.joinable("part.x", 1)
    assert column.why_text().startswith("its table contains part; holds 100% of the values, 4 in common")
    search.containments = {("part", "whole"): True, ("whole", "part"): False}
    assert search.similar("part", 1)[0].why["containment"] == "contains part, by coincidence and lies in part"


def test_whole_parts_of_a_name_come_first(tmp_path):
    near, long = "orderss", "archive/2019/of the year before/old orders that nobody reads"
    tables = {near: {"x": [1]}, long: {"y": [2]}, "c": {"orders_id": [3]}, "borders": {"z": [4]}}
    search = LakeSearch(*publish_lake(tmp_path, tables))
    found = names(search.search("orders", 4))
    assert set(found[:2]) == {long, "c.orders_id"} and set(found[2:]) == {near, "borders"}
    assert names(search.search("Old ORDERS", 1)) == [long]


def test_damaged_files_beside_the_index_are_typed(tmp_path):
    store, refs = publish_lake(tmp_path, {"a": {"x": [1, 2]}, "b": {"y": [2, 1]}})
    folder = tmp_path / "index" / refs["index"].key
    for name in ("evidence/column.npy", "evidence/values.arrow", "evidence/columns.parquet"):
        path = folder / name
        data = path.read_bytes()
        path.write_bytes(data[:20])
        with pytest.raises(ArtifactError, match="missing or damaged"):
            LakeSearch(store, refs).joinable("a.x", 3)
        path.write_bytes(data)
    (folder / "vectors/table/index.json").unlink()
    with pytest.raises(ArtifactError, match="no whole index"):
        LakeSearch(store, refs).similar("a", 3)


def files_of(folder, columns):
    """The same table as Parquet, CSV and JSON lines."""
    table = pa.table(columns)
    paths = [folder / f"new.{ending}" for ending in ("parquet", "csv", "jsonl")]
    pq.write_table(table, paths[0])
    pacsv.write_csv(table, paths[1])
    paths[2].write_text("\n".join(json.dumps(row) for row in table.to_pylist()))
    return paths


def test_a_file_of_any_format_is_answered_alike(search, tmp_path):
    held = lake_tables()["orders"]
    columns = {"id": held["id"][50:90], "where": held["city"][50:90], "price": held["price"][50:90]}
    answers = [search.similar_to(ask_file(search, path), 5) for path in files_of(tmp_path, columns)]
    assert names(answers[0])[0] == "orders" and answers[0][0].share == 1.0
    assert answers[1] == answers[0] == answers[2]
    joins = [search.joinable_to(*file_lake(path), "where", 4) for path in files_of(tmp_path, columns)]
    assert names(joins[0])[0] == "towns.town" and joins[0][0].why["share"] == 1.0
    assert joins[1] == joins[0] == joins[2]


def test_a_column_of_a_file_joins_as_the_same_column_of_the_lake_does(search, tmp_path):
    held = lake_tables()["towns"]["town"]
    (path, *_) = files_of(tmp_path, {"town": [*held[:30], "nowhere", "elsewhere"]})
    found = search.joinable_to(*file_lake(path), "town", 5)
    assert names(found)[0] == "towns.town"
    why = found[0].why
    assert (why["shared_values"], why["share"]) == (30, pytest.approx(30 / 32, abs=1e-6))
    assert why["share_of_its_own"] == 0.5 and why["same_name"]
    with pytest.raises(ConfigError) as caught:
        search.joinable_to(*file_lake(path), "tow")
    assert "town" in caught.value.hint


def test_broken_text_files_are_typed(search, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(SourceError):
        ask_file(search, path)
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\n1,2\n3\n4,5\n")
    asked = ask_file(search, path)
    assert [column.name for column in asked.columns] == ["a", "b"]
    assert len(asked.columns[0].place) == 2
    for data in (b"", b"a,b\n", b"\x00\x01\x02" * 50):
        path.write_bytes(data)
        with pytest.raises(SourceError):
            ask_file(search, path)


def test_unions_name_each_pair_of_columns_and_novel_ones_come_first(search):
    found = search.similar("orders_2024", 9, union=True)
    assert all(one.why["unionable"] for one in found)
    mapped = {one.name: {(pair["column"], pair["in"]) for pair in one.why["columns"]} for one in found}
    assert mapped["orders"] == mapped["orders_near"] == {("id", "id"), ("city", "city")}
    novel = search.similar("orders_2024", 9, novel=True)
    shares = [one.why["novel"] for one in novel]
    assert sorted(names(novel)) == sorted(names(found)) and shares == sorted(shares, reverse=True)
    assert next(one for one in novel if one.name == "orders").why["novel"] == pytest.approx(0.6)


def test_the_order_of_tables_does_not_depend_on_how_many_are_wanted(search):
    for asked in ({}, {"near": True}, {"union": True}, {"novel": True}):
        for table in ("orders", "noise/03", "flags"):
            whole = names(search.similar(table, 60, **asked))
            for k in (1, 2, 5, 17):
                assert names(search.similar(table, k, **asked)) == whole[:k]


def test_the_runs_rule_judges(tmp_path):
    store, refs = publish_lake(tmp_path, {"a": {"x": [1, 2]}, "b": {"y": [2, 1]}})
    space = Workspace(lake=LakeConfig(root=str(tmp_path / "lake")), artifacts=str(tmp_path))
    keys = run_stage(KEYS, Inputs.of(space, refs["lakegraph"], KeysConfig(model="rule")))
    assert LakeSearch(store, refs).judge.name == "trees"
    assert LakeSearch(store, {**refs, "keys": keys}).judge.name == "rule"


@pytest.fixture(scope="module")
def written_otherwise(tmp_path_factory):
    """Lakes in which a column and its partner share no value as they stand, by kind."""
    found = {}
    for kind in TRANSFORMED:
        tables = {name: table.to_pydict() for name, table in transformed_tables(kind, 3).items()}
        found[kind] = LakeSearch(*publish_lake(tmp_path_factory.mktemp("written"), tables)), tables["asked"]
    return found


@pytest.mark.parametrize("kind", TRANSFORMED)
def test_where_nothing_is_shared_the_column_that_is_spelled_alike_comes_first_and_says_so(
    written_otherwise, kind, tmp_path
):
    search, asked = written_otherwise[kind]
    found = search.joinable("asked.c0", 5)
    assert names(found)[0] == "partner.c1" and found[0].why["shared_values"] == 0
    assert "a transformation is needed before they join" in found[0].why_text()
    assert [names(search.joinable("asked.c0", k)) for k in (1, 3)] == [names(found)[:1], names(found)[:3]]
    (_, path, _) = files_of(tmp_path, asked | {"n": list(range(len(asked["c0"])))})
    # the same column of the lake holds all of the file's values
    again = search.joinable_to(*file_lake(path), "c0", 5)
    assert names(again)[0] == "asked.c0" and again[0].why["spelled_alike"] is None


def test_what_shares_half_of_the_values_needs_no_transformation(search):
    assert all(one.why["spelled_alike"] is None for one in search.joinable("orders.city", 10))

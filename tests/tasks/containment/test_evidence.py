import hashlib
import json

import numpy as np
import pyarrow as pa
import pytest

from lakebed.tasks.containment.config import ContainmentConfig
from lakebed.tasks.containment.evidence import edge_table, table_facts
from lakebed.tasks.encoding import ENCODING_ID
from tests.tasks.containment.lakes import search_here, write_lake


def edges_of(folder, lake, **config):
    write_lake(folder / "lake", lake)
    rows = search_here(folder, ContainmentConfig(**config)).edges.to_pylist()
    return {(row["child"], row["parent"]): row for row in rows}


def wide(n_rows, seed=0):
    rng = np.random.default_rng(seed)
    return pa.table({name: rng.integers(0, 1 << 40, n_rows) for name in "abc"})


def test_a_certificate_names_both_parties_and_how_they_were_compared(tmp_path):
    data = wide(60)
    (edge,) = edges_of(tmp_path, {"all": data, "some": data.slice(0, 20)}).values()
    certificate = json.loads(edge["certificate"])
    content = (tmp_path / "lake" / "some.parquet").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    assert certificate["child"]["files"] == [{"path": "some.parquet", "size": len(content), "sha256": digest}]
    assert edge["child_bytes"] == len(content)
    assert (certificate["child"]["name"], certificate["parent"]["name"]) == ("some", "all")
    assert (certificate["encoding"], certificate["semantics"], certificate["strict_types"]) == (
        ENCODING_ID,
        "set",
        False,
    )
    assert certificate["columns"] == [["a"], ["b"], ["c"]]
    assert (certificate["n_child_rows"], certificate["n_parent_distinct"]) == (20, 60)
    assert "hash_key" not in edge["certificate"]


def test_mutual_edges_are_marked_on_both_sides(tmp_path):
    data = wide(30)
    found = edges_of(tmp_path, {"a": data, "b": data, "part": data.slice(0, 9)})
    assert {pair: edge["is_mutual"] for pair, edge in found.items()} == {
        ("a", "b"): True,
        ("b", "a"): True,
        ("part", "a"): False,
        ("part", "b"): False,
    }
    hashes = {json.loads(found[pair]["certificate"])["child_rows_hash"] for pair in (("a", "b"), ("b", "a"))}
    assert len(hashes) == 1


def test_a_column_of_small_numbers_is_a_coincidence_and_rows_of_several_are_none(tmp_path):
    data = wide(200)
    # pairs of their own, so that their columns are read: small numbers under other names
    others = {f"other {n}{end}": pa.table({f"n{n}": list(range(120))}) for n in range(30) for end in "ab"}
    ages = {"ages": pa.table({"age": list(range(20, 60))}), "trial": pa.table({"age": list(range(15, 80))})}
    lake = {"all": data, "some": data.slice(3, 50), **ages, **others}
    found = edges_of(tmp_path, lake)
    age, plain = found["ages", "trial"], found["some", "all"]
    # of 66 columns under another name 60 contain the ages
    assert age["chance"] == pytest.approx(61 / 67)
    assert (age["coincidental"], age["coincidental_reason"]) == (True, "chance")
    assert (plain["coincidental"], plain["coincidental_reason"]) == (False, None)
    parts = json.loads(plain["chance_parts"])
    assert set(parts["columns"]) == {'["a"]', '["b"]', '["c"]'}
    assert parts["is_heuristic"]
    forgiving = edges_of(tmp_path / "again", lake, chance_threshold=1.0)
    assert not forgiving["ages", "trial"]["coincidental"]


def test_what_holds_by_definition_says_so(tmp_path):
    lake = {
        "x": pa.table({"x": [1]}),
        "empty": pa.table({"x": pa.array([], pa.int64())}),
        "null": pa.table({"x": pa.nulls(4)}),
    }
    found = edges_of(tmp_path, lake)
    assert set(found) == {("empty", "x"), ("null", "x"), ("empty", "null"), ("null", "empty")}
    for (child, _), edge in found.items():
        reason = {"empty": ("empty", 0, 0), "null": ("all-null", 4, 1)}[child]
        assert (edge["coincidental_reason"], edge["n_child_rows"], edge["n_child_distinct"]) == reason
        assert edge["n_parent_distinct"] is None
        assert "by_definition" in json.loads(edge["certificate"])


def test_many_files_are_digested_not_listed():
    files = pa.table(
        {"table_id": [0] * 21 + [1], "path": [f"f{n}" for n in range(22)], "size": [1] * 22, "sha256": [""] * 22}
    )
    row = {"format": "parquet", "delta_version": None, "n_bytes": 21}
    tables = pa.Table.from_pylist([row | {"table_id": n, "name": f"t{n}"} for n in (1, 0)])
    facts = table_facts(tables, files, {"f21": "ab"}, bytes(32))
    assert [identity["name"] for identity in facts.identity] == ["t0", "t1"]
    assert (facts.identity[0]["n_files"], facts.identity[0]["files"]) == (21, [])
    assert facts.identity[1]["files"] == [{"path": "f21", "size": 1, "sha256": "ab"}]
    assert facts.identity[0]["files_digest"] != facts.identity[1]["files_digest"]


def test_no_edges_make_an_empty_table():
    assert edge_table([]).num_rows == 0

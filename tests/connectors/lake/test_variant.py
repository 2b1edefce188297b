"""VARIANT columns, written by DuckDB with other shreddings, read as values."""

import itertools
import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebed.connectors.lake.annotations import file_leaves
from lakebed.connectors.lake.batches import ReadCounter, Split, open_parquet
from lakebed.connectors.lake.read import read_split
from lakebed.connectors.lake.variant import VARIANT_TYPE, _value, canonical_variants

VALUES = [
    "NULL::VARIANT", "1::TINYINT::VARIANT", "300::VARIANT", "1.50::DECIMAL(9,2)::VARIANT", "1.5::DOUBLE::VARIANT",
    "'x'::VARIANT", "'a string that is longer than sixty-four bytes, so that it has a length of its own'::VARIANT",
    "true::VARIANT", "DATE '9999-12-31'::VARIANT", "TIMESTAMP '0001-01-01 00:00:00'::VARIANT",
    "TIMESTAMPTZ '2024-01-02 03:04:05.000001+00'::VARIANT", "TIME '12:34:56'::VARIANT",
    "uuid '00010203-0405-0607-0809-0a0b0c0d0e0f'::VARIANT", "'\\x00\\xFF'::BLOB::VARIANT",
    "{'a': 1, 'b': 'x'}::VARIANT", "{'b': 'x'}::VARIANT", "{'a': 'text', 'b': NULL}::VARIANT",
    "{'a': {'c': [1, 2]}, 'b': 'y'}::VARIANT", "[1, 2, 3]::VARIANT", "[{'a': 1}, {'b': 'z'}]::VARIANT", "[]::VARIANT",
]  # fmt: skip
SHREDDINGS = ["", "STRUCT(a INTEGER)", "STRUCT(b VARCHAR, a STRUCT(c INTEGER[]))", "INTEGER[]", "BIGINT", "VARCHAR"]


def read(path: Path) -> list[Any]:
    with pa.OSFile(str(path)) as source:
        (leaf,) = file_leaves(open_parquet(source))
    assert (leaf.token, leaf.type) == ('["v"]', VARIANT_TYPE)
    split = Split(0, 0, path.name, "parquet", None, (), (), 0, path.stat().st_size)
    return [
        cell
        for batch in read_split(str(path.parent), split, [leaf.token], ReadCounter())
        for cell in batch[leaf.token].values.to_pylist()
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The values as read back, by the shredding they were written with."""
    folder, found = tmp_path_factory.mktemp("variant"), {}
    connection = duckdb.connect()
    query = " UNION ALL ".join(f"SELECT {number} AS i, {value} AS v" for number, value in enumerate(VALUES))
    for number, shredding in enumerate(SHREDDINGS):
        options = f", shredding {{v: '{shredding}'}}" if shredding else ""
        path = folder / f"{number}.parquet"
        connection.execute(f"CREATE OR REPLACE TABLE t AS {query}")
        connection.execute(f"COPY (SELECT v FROM t ORDER BY i) TO '{path}' (FORMAT parquet{options})")  # noqa: S608
        found[shredding] = read(path)
    return found


@pytest.mark.parametrize("shredding", SHREDDINGS[1:])
def test_a_value_is_the_same_however_it_is_shredded(written: dict[str, list[Any]], shredding: str) -> None:
    assert written[shredding] == written[""]


def test_other_values_are_others_and_equal_numbers_are_equal(written: dict[str, list[Any]]) -> None:
    plain = [json.dumps(str(cell)) for cell in written[""]]
    same = {(3, 4)}
    for one, other in itertools.combinations(range(len(plain)), 2):
        assert (plain[one] == plain[other]) == ((one, other) in same), (VALUES[one], VALUES[other])


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x00", None), (b"\x04", True), (b"\x0c\x07", 7), (b"\x14\x00\x01\x00\x00", 256), (b"\x09hi", "hi"),
        (b"\x03\x02\x00\x02\x04\x0c\x01\x0c\x02", [1, 2]), (b"\x02\x01\x00\x00\x02\x0c\x05", {"k": 5}),
    ],
)  # fmt: skip
def test_the_encoding(data: bytes, value: Any) -> None:
    assert _value(data, ["k"], 0) == value


@pytest.mark.parametrize("data", [b"", b"\x7c", b"\x02\x05\x00", b"\x02\x01\x09\x00\x02\x0c\x05"])
def test_what_breaks_the_encoding(data: bytes) -> None:
    metadata = b"\x01\x00\x00"
    group = pa.array([{"metadata": metadata, "value": data}])
    with pytest.raises((ValueError, IndexError)):
        canonical_variants(group)


def test_a_struct_that_only_looks_like_one_stays_a_struct(tmp_path: Path) -> None:
    group = pa.array([{"metadata": b"m", "value": b"v"}])
    pq.write_table(pa.table({"v": group}), tmp_path / "t.parquet")
    with pa.OSFile(str(tmp_path / "t.parquet")) as source:
        assert [leaf.token for leaf in file_leaves(open_parquet(source))] == ['["v","metadata"]', '["v","value"]']


def test_an_enum_is_text_in_columns_and_in_lists(tmp_path: Path) -> None:
    table = pa.table({"mood": ["sad", "ok"], "moods": [["ok"], []]})
    pq.write_table(table, tmp_path / "t.parquet", store_schema=False)
    data = (tmp_path / "t.parquet").read_bytes()
    text, enum = b"\x25\x00\x4c\x1c\x00\x00", b"\x25\x08\x4c\x4c\x00\x00"  # converted and logical type
    assert data.count(text) == 2
    (tmp_path / "t.parquet").write_bytes(data.replace(text, enum))
    with pa.OSFile(str(tmp_path / "t.parquet")) as source:
        leaves = {leaf.token: leaf.type for leaf in file_leaves(open_parquet(source))}
    assert [str(type_) for type_ in leaves.values()] == ["string", "list<element: string>"]
    split = Split(0, 0, "t.parquet", "parquet", None, (), (), 2, len(data))
    (batch,) = read_split(str(tmp_path), split, list(leaves), ReadCounter())
    assert {token: cells.values.to_pylist() for token, cells in batch.items()} == dict(
        zip(leaves, (["sad", "ok"], [["ok"], []]), strict=True)
    )
